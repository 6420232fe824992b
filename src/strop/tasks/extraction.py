"""What was found in a text, by which rule and where; and texts that are read otherwise than written, yet know where they stood."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Found:
    """``answer``, found by the rule ``how``; its first character is at ``start`` of the text that was searched."""

    answer: str
    how: str
    start: int

    def spelled(self, form: Callable[[str], str]) -> Found | None:
        """With the answer in another spelling; None if that is empty."""
        answer = form(self.answer)
        return replace(self, answer=answer) if answer else None


def whole(text: str, limit: int | None = None) -> Found | None:
    """The text itself, white space around it aside, and at most ``limit`` characters of it; None if there is nothing."""
    answer = text.strip()[:limit]
    return Found(answer, "whole response", len(text) - len(text.lstrip())) if answer else None


@dataclass(frozen=True, slots=True)
class Seen:
    """A text as it is read, and where each of its characters stood as it was written."""

    text: str
    at: Sequence[int]

    @classmethod
    def of(cls, text: str, offset: int = 0) -> Seen:
        """A text as it is written; it stood at ``offset``."""
        return cls(text, range(offset, offset + len(text)))

    def replaced(self, pattern: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> Seen:
        """With other text for every match, all of it standing where the match began."""
        pieces: list[str] = []
        at: list[int] = []
        last = 0
        for match in pattern.finditer(self.text):
            shown = by(match)
            pieces += [self.text[last : match.start()], shown]
            at += [*self.at[last : match.start()], *[self.at[match.start()]] * len(shown)]
            last = match.end()
        return Seen("".join([*pieces, self.text[last:]]), [*at, *self.at[last:]])

    def found(self, begin: int, end: int, how: str) -> Found | None:
        """The answer between two places, white space around it aside; None if there is nothing."""
        piece = self.text[begin:end]
        begin += len(piece) - len(piece.lstrip())
        return Found(piece.strip(), how, self.at[begin]) if piece.strip() else None
