"""Read a written verification: the verdict, score or letter in the words that its wording ends in.

The last one counts; None where nothing can be read.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import permutations
from typing import cast

from strop.prompts import WORDING, Wording, next_question
from strop.verify.matches import LETTERS, Letter

READ_LIMIT = 20_000
"""Characters at the end of a check that are searched, so that a very long one stays cheap."""
NUMBER = r"([0-9]{1,2}(?:\.[0-9]{1,3})?)(?![0-9])"


def read_verdict(text: str, wording: Wording = WORDING) -> bool | None:
    """Return True if the verdict says that the response is correct, False if it says incorrect."""
    verdicts = _verdict_pattern(wording).findall(own_words(text, wording.binary))
    return verdicts[-1] == wording.correct.strip() if verdicts else None


def read_score(text: str, wording: Wording = WORDING) -> float | None:
    """Return the score from 1 to 10; a number outside that range is no score."""
    numbers = _score_pattern(wording).findall(own_words(text, wording.score))
    if not numbers:
        return None
    score = float(numbers[-1])
    return score if 1 <= score <= 10 else None


def read_letter(text: str, wording: Wording = WORDING) -> Letter | None:
    """Return the letter of the better response."""
    letters = _letter_pattern(wording).findall(own_words(text, wording.tournament))
    return cast(Letter, letters[-1]) if letters else None


def own_words(text: str, frame: str) -> str:
    """Return the end of a check, without a next question that a base model may have invented."""
    invented = next_question(frame)
    if invented:
        text = text.split(invented, 1)[0]
    return text[-READ_LIMIT:]


@cache
def _verdict_pattern(wording: Wording) -> re.Pattern[str]:
    choices = (wording.correct, wording.incorrect)
    return _pattern_after(wording.verdict, _either(choices, wording.binary), choices)


@cache
def _score_pattern(wording: Wording) -> re.Pattern[str]:
    return _pattern_after(wording.score_line, NUMBER)


@cache
def _letter_pattern(wording: Wording) -> re.Pattern[str]:
    return _pattern_after(wording.better, _either(LETTERS, wording.tournament))


def _pattern_after(line: str, value: str, choices: tuple[str, ...] = ()) -> re.Pattern[str]:
    """Return the pattern of a value that follows the words of ``line``.

    Up to four blanks may stand between, and line breaks only where the wording has some there.
    """
    end_of_line = line[len(line.rstrip()) :]
    between = end_of_line
    for choice in choices:
        between += choice[: len(choice) - len(choice.lstrip())]
    only_blanks = not between.strip(" ")
    space = " {0,4}" if only_blanks else r"\s{0,4}"
    return re.compile(re.escape(line.strip()) + space + value)


def _either(choices: tuple[str, ...], frame: str) -> str:
    """Return the pattern of one of two whole words, unless the other one follows as in the frame.

    A model that repeats "Correct or Incorrect" from its question has chosen neither.
    """
    alternatives = "|".join(re.escape(choice.strip()) for choice in choices)
    whole_words = [rf"(?<!\w){re.escape(choice.strip())}(?!\w)" for choice in choices]
    # The texts that join the two words in the frame, such as " or " or "/".
    links: set[str] = set()
    for first, second in permutations(whole_words):
        links.update(re.findall(rf"{first}([^{{}}]{{1,12}}?){second}", frame))
    refusals = [rf"(?!{re.escape(link)}(?:{alternatives}))" for link in sorted(links)]
    return rf"({alternatives})(?!\w)(?! or\b)" + "".join(refusals)
