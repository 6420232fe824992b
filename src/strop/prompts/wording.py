"""The words around a question, a response and a verdict: written once, used for every model and in the embedded models' corpus.

Each prompted verifier of "Mind the Gap" (Appendix A) has its frame here. A prompt ends in a colon without a space, and what a model
writes begins with the space: so most tokenizers see the text as they saw it in training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from strop.errors import UsageError

CORRECT, INCORRECT = " Correct", " Incorrect"
HOLES = {
    "multiple_choice": ("question", "response"),
    "binary": ("question", "response"),
    "score": ("question", "response"),
    "tournament": ("question", "first", "second"),
}
"""The frames of verification prompts, and what goes into each."""
LINES = ("verdict", "score_line", "better")
VERDICTS = ("correct", "incorrect")


@dataclass(frozen=True)
class Example:
    """A written verification to show before the question: a question, a response, the text of its check, and what the check comes to.

    ``score``, from 1 to 10, is what a check that ends in a score gives; None: 10 if correct, else 1. UsageError for an empty text or
    another score.
    """

    question: str
    response: str
    check: str
    correct: bool
    score: int | None = None

    def __post_init__(self) -> None:
        if empty := [
            name for name in ("question", "response", "check") if not getattr(self, name).strip()
        ]:
            raise UsageError(
                f"an example's {empty[0]} is empty; write one, or leave the example out"
            )
        if self.score is not None and not 1 <= self.score <= 10:
            raise UsageError(
                f"an example's score is {self.score}; expected a whole number from 1 to 10"
            )


@dataclass(frozen=True)
class Wording:
    """All words of verification prompts, and those that a verification ends in, by which it is read.

    Frames hold {question} and {response}, ``tournament`` {question}, {first} and {second}. ``verdict``, ``score_line`` and ``better``
    stand between a written check and its verdict, score or winning letter (A or B); ``correct`` and ``incorrect`` are the verdicts, with
    the space that goes before them. ``examples`` replace the task's own, whatever the number of shots: all of them are shown.
    UsageError for words that cannot be filled in or read back.

    ``solution`` is everybody's. The defaults' words between the holes are single tokens of the embedded models: a change needs new models.
    """

    solution: ClassVar[str] = "Question: {question}\nAnswer:"

    multiple_choice: str = (
        "Question: {question}\nAnswer: {response}\nIs this answer correct or incorrect?\nVerdict:"
    )
    binary: str = "Question: {question}\nAnswer: {response}\nCheck this answer step by step, then end with the verdict, Correct or Incorrect.\nCheck:"
    score: str = (
        "Question: {question}\nAnswer: {response}\n"
        "Check this answer step by step, then end with a score from 1 (wrong) to 10 (right).\nCheck:"
    )
    tournament: str = (
        "Question: {question}\nAnswer A: {first}\nAnswer B: {second}\n"
        "Check both answers step by step, then end with the better one, A or B.\nCheck:"
    )
    verdict: str = "\nVerdict:"
    score_line: str = "\nScore:"
    better: str = "\nBetter:"
    correct: str = CORRECT
    incorrect: str = INCORRECT
    examples: tuple[Example, ...] = ()

    def __post_init__(self) -> None:
        for name, holes in HOLES.items():
            _check_frame(name, getattr(self, name), holes)
        for name in (*LINES, *VERDICTS):
            if not getattr(self, name).strip():
                raise UsageError(
                    f"{name} is empty; expected words that a verification can be read by, such as {getattr(Wording, name)!r}"
                )
        one, other = sorted((self.correct.strip(), self.incorrect.strip()), key=len)
        if other.startswith(one):
            raise UsageError(
                f"of the verdicts {one!r} and {other!r} one begins with the other; choose words that can be told apart"
            )


def _check_frame(name: str, frame: str, holes: tuple[str, ...]) -> None:
    found = re.findall(r"\{(\w+)\}", frame)
    if sorted(found) != sorted(holes):
        got, expected = (
            " and ".join(f"{{{hole}}}" for hole in names) or "no holes" for names in (found, holes)
        )
        raise UsageError(f"{name} has {got}; expected {expected}, each once")
    if frame != frame.rstrip():
        raise UsageError(
            f"{name} ends in white space, which the model's words begin with; let it end with its last word"
        )


WORDING = Wording()
