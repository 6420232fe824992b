"""Text helpers for every room."""

from __future__ import annotations

import re


def slug(text: str) -> str:
    """Return a name that is safe for one folder: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")
