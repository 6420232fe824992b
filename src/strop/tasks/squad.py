"""Comparison of short answers in words, as for SQuAD."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from strop.tasks.displayed_text import MAX_TEXT

ARTICLES = ("a", "an", "the")


def normalise_squad(text: str) -> str:
    """Return the text in lower case, without punctuation and articles, with single spaces.

    Accents stay. Unicode is folded (NFKC, case folding), and "punctuation" is every sign, symbol
    and invisible character, so curly quotes and dashes count as the straight ones. A name that
    consists of articles or signs alone ("The The", "!!!") keeps them. A text of more than MAX_TEXT
    characters is returned unchanged. The function is idempotent.
    """
    if len(text) > MAX_TEXT:
        return text
    # Case folding can undo NFKC, and NFKC can undo case folding; this order is idempotent.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if len(folded) > MAX_TEXT:  # NFKC writes some characters out: one can become 18
        return folded
    kept = "".join(char for char in folded if _is_kept(char))
    words = unicodedata.normalize("NFKC", kept).split()
    without_articles = [word for word in words if word not in ARTICLES]
    return " ".join(without_articles or words or folded.split())


def _is_kept(char: str) -> bool:
    """Return whether the character is a space, a letter, a mark on a letter, or a number."""
    return char.isspace() or unicodedata.category(char)[0] in "LMN"


def matches_any(answer: str, accepted: Iterable[str]) -> bool:
    """Return whether the normalised answer is one of those accepted. An empty one never is."""
    form = normalise_squad(answer)
    return form != "" and any(form == normalise_squad(other) for other in accepted)
