"""A text as a reader sees it, bounded in length.

Terminal escapes, zero-width characters and direction marks are removed; an HTML tag becomes a
space; an HTML entity and a full-width character become the plain character.
"""

from __future__ import annotations

import html
import re

from strop.tasks.extraction import MappedText

MAX_TEXT = 20_000
"""The most characters of a response that any extractor reads."""

_MARKUP = re.compile(
    # removed: terminal escapes, and characters that are not displayed
    r"(?P<invisible>\x1b\[[0-9;?]{0,20}[A-Za-z]"
    r"|[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff])"
    # a space: an HTML tag, with attributes only if they have a "=" (so that "a <b and c> d" stays)
    r"|(?P<tag></?[A-Za-z][A-Za-z0-9]{0,10}(?:\s[^<>=]{0,50}=[^<>]{0,200})?\s?/?>)"
    # unescaped: an HTML entity
    r"|&#?\w{1,10};"
)
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SPACE = re.compile(r"\s")


def displayed_head(text: str) -> MappedText:
    """Return the first MAX_TEXT characters as displayed, without a word cut in two."""
    if len(text) <= MAX_TEXT:
        return _displayed(text, 0)
    last_space = max(text.rfind(" ", 0, MAX_TEXT), text.rfind("\n", 0, MAX_TEXT))
    return _displayed(text[: last_space + 1], 0)


def displayed_tail(text: str) -> MappedText:
    """Return the last MAX_TEXT characters as displayed, without a word cut in two."""
    if len(text) <= MAX_TEXT:
        return _displayed(text, 0)
    space = _SPACE.search(text, len(text) - MAX_TEXT)
    start = space.start() if space else len(text)
    return _displayed(text[start:], start)


def _displayed(text: str, offset: int) -> MappedText:
    shown = MappedText.of(text, offset).replaced(_MARKUP, _shown)
    # The translation keeps the length, so the mapping stays valid.
    return MappedText(shown.text.translate(_FULL_WIDTH), shown.at)


def _shown(mark: re.Match[str]) -> str:
    if mark["invisible"]:
        return ""
    if mark["tag"]:
        return " "
    return html.unescape(mark[0])
