"""Answers found in a text, and transformed texts that still know each character's origin."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Found:
    """An answer that a rule found in a text.

    ``how`` names the rule; ``start`` is the index of the answer's first character in the text.
    """

    answer: str
    how: str
    start: int

    def spelled(self, form: Callable[[str], str]) -> Found | None:
        """Replace the answer by ``form(answer)``. Return None if that is empty."""
        answer = form(self.answer)
        return replace(self, answer=answer) if answer else None


def whole(text: str, limit: int | None = None) -> Found | None:
    """Return the stripped text as the answer, cut at ``limit`` characters; None if it is empty."""
    answer = text.strip()[:limit]
    if not answer:
        return None
    start = len(text) - len(text.lstrip())
    return Found(answer, "whole response", start)


@dataclass(frozen=True, slots=True)
class MappedText:
    """A transformed text with, for each of its characters, the index in the original text."""

    text: str
    at: Sequence[int]

    @classmethod
    def of(cls, text: str, offset: int = 0) -> MappedText:
        """Map a text that is not transformed yet; its first character has the index ``offset``."""
        return cls(text, range(offset, offset + len(text)))

    def replaced(
        self, pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str]
    ) -> MappedText:
        """Replace every match of the pattern.

        All characters of a replacement map to where the match began.
        """
        pieces: list[str] = []
        at: list[int] = []
        last = 0
        for match in pattern.finditer(self.text):
            new = replacement(match)
            # The text between two matches is copied with its indices.
            pieces += [self.text[last : match.start()], new]
            at += self.at[last : match.start()]
            at += [self.at[match.start()]] * len(new)
            last = match.end()
        pieces.append(self.text[last:])
        at += self.at[last:]
        return MappedText("".join(pieces), at)

    def extract(self, begin: int, end: int, how: str) -> Found | None:
        """Return ``text[begin:end]``, stripped, as an answer; None if nothing is left."""
        piece = self.text[begin:end]
        answer = piece.strip()
        if not answer:
            return None
        begin += len(piece) - len(piece.lstrip())
        return Found(answer, how, self.at[begin])
