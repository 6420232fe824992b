"""The words of prompts: around a question, a response and a verdict.

They are written once, for every model and for the training corpus of the embedded models. Each
prompted verifier of "Mind the Gap" (Appendix A) has its frame here. A prompt ends in a colon
without a space, and what a model writes begins with the space: most tokenizers saw text divided so
in training.
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
"""The frames of verification prompts, and the names of their holes."""
LINES = ("verdict", "score_line", "better")
VERDICTS = ("correct", "incorrect")


@dataclass(frozen=True)
class Example:
    """A written verification to show before the question.

    It has a question, a response, the text of its check, and whether the check finds the response
    correct. ``score``, from 1 to 10, is the score that the check gives; None is 10 if correct, else
    1. Raises UsageError for an empty text or another score.
    """

    question: str
    response: str
    check: str
    correct: bool
    score: int | None = None

    def __post_init__(self) -> None:
        for name in ("question", "response", "check"):
            if not getattr(self, name).strip():
                raise UsageError(
                    f"an example's {name} is empty; write one, or leave the example out"
                )
        if self.score is not None and not 1 <= self.score <= 10:
            raise UsageError(
                f"an example's score is {self.score}; expected a whole number from 1 to 10"
            )


@dataclass(frozen=True)
class Wording:
    """The words of verification prompts, and those by which a verification is read.

    Frames have the holes {question} and {response}; ``tournament`` has {question}, {first} and
    {second}. ``verdict``, ``score_line`` and ``better`` stand between a written check and its
    verdict, score or winning letter (A or B). ``correct`` and ``incorrect`` are the verdicts, each
    with the space before it. ``examples`` replace the task's own: all of them are shown, whatever
    the number of shots. Raises UsageError for words that cannot be filled in or read back.

    ``solution`` is the same for all. The embedded models have one token for each of the default
    words between the holes: a change of the defaults needs new models.
    """

    solution: ClassVar[str] = "Question: {question}\nAnswer:"

    multiple_choice: str = (
        "Question: {question}\nAnswer: {response}\nIs this answer correct or incorrect?\nVerdict:"
    )
    binary: str = (
        "Question: {question}\nAnswer: {response}\n"
        "Check this answer step by step, then end with the verdict, Correct or Incorrect.\nCheck:"
    )
    score: str = (
        "Question: {question}\nAnswer: {response}\n"
        "Check this answer step by step, then end with a score from 1 (wrong) to 10 (right)."
        "\nCheck:"
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
                default = getattr(Wording, name)
                raise UsageError(
                    f"{name} is empty; expected words that a verification can be read by, "
                    f"such as {default!r}"
                )
        shorter, longer = sorted((self.correct.strip(), self.incorrect.strip()), key=len)
        if longer.startswith(shorter):
            raise UsageError(
                f"of the verdicts {shorter!r} and {longer!r} one begins with the other; "
                "choose words that can be told apart"
            )


def _check_frame(name: str, frame: str, holes: tuple[str, ...]) -> None:
    """Raise UsageError unless the frame has each hole once and ends without white space."""
    frame_holes = re.findall(r"\{(\w+)\}", frame)
    if sorted(frame_holes) != sorted(holes):
        raise UsageError(f"{name} has {_listed(frame_holes)}; expected {_listed(holes)}, each once")
    if frame != frame.rstrip():
        raise UsageError(
            f"{name} ends in white space, which the model's words begin with; "
            "let it end with its last word"
        )


def _listed(holes: list[str] | tuple[str, ...]) -> str:
    return " and ".join(f"{{{hole}}}" for hole in holes) or "no holes"


WORDING = Wording()
