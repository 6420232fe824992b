"""A file of the user's own questions and answers: ``--task qa --data FILE``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.answers import after_marker
from strop.tasks.base import Check, Grade, Task
from strop.tasks.data import Schema
from strop.tasks.dataset import Content, Dataset
from strop.tasks.extraction import whole
from strop.tasks.numbers import canonical_number
from strop.tasks.squad import normalise_squad

CANONICAL = {"exact": normalise_squad, "numeric": canonical_number}


@dataclass(frozen=True)
class QuestionsAndAnswers(Dataset):
    """Questions and answers of a file.

    ``grading`` "exact" compares answers after SQuAD's normalisation, "numeric" by their value.
    Strict: the response is the answer. Flexible: what stands behind the last ``Answer:`` or
    ``The answer is``.
    """

    grading: str = "exact"

    name: ClassVar[str] = "qa"
    description: ClassVar[str] = (
        "your own questions and answers: --data FILE with the columns question and answer"
    )
    schema: ClassVar[Schema] = {"question": str, "answer": str}
    levels: ClassVar[dict[str, dict[str, Any]]] = {
        "standard": {},
        "numeric": {"grading": "numeric"},
    }

    def __post_init__(self) -> None:
        if self.grading not in CANONICAL:
            raise UsageError(f"qa grading {self.grading!r}: expected one of {', '.join(CANONICAL)}")
        if self.data is None:
            raise UsageError(
                "the task qa has no data of its own; "
                "give --data FILE with the columns question and answer"
            )

    def problem(self, location: str, fields: Mapping[str, Any]) -> Content:
        return fields["question"], fields["answer"], {}

    def grade(self, text: str, problem: Problem) -> Grade:
        canonical = CANONICAL[self.grading]
        reference = canonical(problem.reference or "")
        return Grade.of(
            whole(text, 2_000),
            after_marker(text),
            right=lambda answer: answer == reference,
            form=canonical,
        )

    def check(self, problem: Problem, response: str) -> Check:
        """State the answer without reasons: a file of answers has none."""
        right = self.grade(response, problem).utility_strict == 1.0
        return Check(f"The answer is {problem.reference}.", (right,))

    # A user's file has no written examples: make them from the shots, as other tasks do.
    judged = Task.judged
    contested = Task.contested
