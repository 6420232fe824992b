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
"""One or two digits, with up to three decimals; no part of a longer number."""


def read_verdict(text: str, wording: Wording = WORDING) -> bool | None:
    """Return True if the verdict says that the response is correct, False if it says incorrect.

    None where no verdict can be read.
    """
    written = own_words(text, wording.binary)
    verdicts = _verdict_pattern(wording).findall(written)
    if not verdicts:
        return None
    return bool(verdicts[-1] == wording.correct.strip())


def read_score(text: str, wording: Wording = WORDING) -> float | None:
    """Return the score from 1 to 10; a number outside that range is no score.

    None where no score can be read.
    """
    written = own_words(text, wording.score)
    numbers = _score_pattern(wording).findall(written)
    if not numbers:
        return None
    score = float(numbers[-1])
    # An earlier number inside the range does not count in its place: the last one is the answer.
    if not 1 <= score <= 10:
        return None
    return score


def read_letter(text: str, wording: Wording = WORDING) -> Letter | None:
    """Return the letter of the better response; None where none can be read."""
    written = own_words(text, wording.tournament)
    letters = _letter_pattern(wording).findall(written)
    if not letters:
        return None
    return cast(Letter, letters[-1])


def own_words(text: str, frame: str) -> str:
    """Return the end of a check, without a next question that a base model may have invented."""
    invented = next_question(frame)
    if invented:
        text = text.split(invented, 1)[0]
    return text[-READ_LIMIT:]


@cache
def _verdict_pattern(wording: Wording) -> re.Pattern[str]:
    choices = (wording.correct, wording.incorrect)
    verdict = _either(choices, wording.binary)
    return _pattern_after(wording.verdict, verdict, choices)


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
    # The white space of the wording: at the end of the line, and in front of each choice.
    end_of_line = line[len(line.rstrip()) :]
    between = end_of_line
    for choice in choices:
        indent = len(choice) - len(choice.lstrip())
        between += choice[:indent]
    only_blanks = not between.strip(" ")
    # Bounded, so that the search takes linear time in any text.
    space = " {0,4}" if only_blanks else r"\s{0,4}"
    words = re.escape(line.strip())
    return re.compile(words + space + value)


def _either(choices: tuple[str, ...], frame: str) -> str:
    """Return the pattern of one of two whole words, unless the other one follows as in the frame.

    A model that repeats "Correct or Incorrect" from its question has chosen neither.
    """
    words = [re.escape(choice.strip()) for choice in choices]
    alternatives = "|".join(words)
    # "correct" is part of "incorrect": only whole words count.
    whole_words = [rf"(?<!\w){word}(?!\w)" for word in words]
    # The texts that join the two words in the frame, such as " or " or "/": up to twelve
    # characters, without a hole.
    links: set[str] = set()
    for first, second in permutations(whole_words):
        links.update(re.findall(rf"{first}([^{{}}]{{1,12}}?){second}", frame))
    pattern = rf"({alternatives})(?!\w)(?! or\b)"
    for link in sorted(links):
        pattern += rf"(?!{re.escape(link)}(?:{alternatives}))"
    return pattern
