"""Text helpers for every room."""

from __future__ import annotations

import re
from collections.abc import Iterable


def slug(text: str) -> str:
    """Return a name that is safe for one folder: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-")


def listed(names: Iterable[str]) -> str:
    """Return ``a, b and c``; ``none`` if there are no names."""
    words = list(names)
    if not words:
        return "none"
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} and {words[-1]}"
