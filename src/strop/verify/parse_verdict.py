"""What a written verification comes to: by the words that its wording ends in. The last one counts; None where nothing can be read."""

from __future__ import annotations

import re
from functools import cache
from itertools import permutations
from typing import cast

from strop.prompts import WORDING, Wording, next_question
from strop.verify.matches import LETTERS, Letter

READ_LIMIT = 20_000
NUMBER = r"([0-9]{1,2}(?:\.[0-9]{1,3})?)(?![0-9])"


def read_verdict(text: str, wording: Wording = WORDING) -> bool | None:
    """Is it the verdict that the response is correct?"""
    found = _verdict(wording).findall(own_words(text, wording.binary))
    return bool(found[-1] == wording.correct.strip()) if found else None


def read_score(text: str, wording: Wording = WORDING) -> float | None:
    """The score from 1 to 10; a number outside that range is none."""
    found = _score(wording).findall(own_words(text, wording.score))
    return value if found and 1 <= (value := float(found[-1])) <= 10 else None


def read_letter(text: str, wording: Wording = WORDING) -> Letter | None:
    """The letter of the better response."""
    found = _letter(wording).findall(own_words(text, wording.tournament))
    return cast(Letter, found[-1]) if found else None


def own_words(text: str, frame: str) -> str:
    """The end of the check, without a next question that a base model may have invented after it."""
    invented = next_question(frame)
    return (text.split(invented, 1)[0] if invented else text)[-READ_LIMIT:]


@cache
def _verdict(wording: Wording) -> re.Pattern[str]:
    return _after(
        wording.verdict,
        _one_of((wording.correct, wording.incorrect), wording.binary),
        (wording.correct, wording.incorrect),
    )


@cache
def _score(wording: Wording) -> re.Pattern[str]:
    return _after(wording.score_line, NUMBER)


@cache
def _letter(wording: Wording) -> re.Pattern[str]:
    return _after(wording.better, _one_of(LETTERS, wording.tournament))


def _after(line: str, value: str, said: tuple[str, ...] = ()) -> re.Pattern[str]:
    """The value after the line's words. What stands between is blanks, and line breaks only where the wording has some itself."""
    between = line[len(line.rstrip()) :] + "".join(
        word[: len(word) - len(word.lstrip())] for word in said
    )
    return re.compile(
        re.escape(line.strip()) + (" {0,4}" if not between.strip(" ") else r"\s{0,4}") + value
    )


def _one_of(choices: tuple[str, ...], frame: str) -> str:
    """One of two whole words, unless the other follows it as in the frame: a model that repeats "A or B" has chosen neither."""
    either = "|".join(re.escape(choice.strip()) for choice in choices)
    words = [rf"(?<!\w){re.escape(choice.strip())}(?!\w)" for choice in choices]
    links = {
        link
        for one, other in permutations(words)
        for link in re.findall(rf"{one}([^{{}}]{{1,12}}?){other}", frame)
    }
    return rf"({either})(?!\w)(?! or\b)" + "".join(
        rf"(?!{re.escape(link)}(?:{either}))" for link in sorted(links)
    )
