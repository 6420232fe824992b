"""Names and words that every room needs."""

from __future__ import annotations

import re


def slug(text: str) -> str:
    """A name that is safe as one folder's: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")
