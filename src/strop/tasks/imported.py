"""Problems and answers of a run that ``strop import`` made from samples drawn elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import Check, Grade, Task
from strop.tasks.extraction import whole


@dataclass(frozen=True)
class Imported(Task):
    """Imported problems: none can be drawn.

    A whole text is its own answer. It is right if it equals the reference, both stripped.
    """

    name: ClassVar[str] = "imported"
    description: ClassVar[str] = "samples made elsewhere"

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        raise UsageError(
            "an imported run has its own problems, and no more can be drawn; "
            "sample with --task NAME instead"
        )

    def gold_response(self, problem: Problem) -> str:
        if problem.reference is None:
            raise UsageError(f"problem {problem.id} was imported without a reference")
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        answer = whole(text)
        reference = (problem.reference or "").strip()
        return Grade.of(answer, answer, right=lambda answer: answer == reference)

    def check(self, problem: Problem, response: str) -> Check:
        raise UsageError(
            "imported problems come without written checks; "
            "use a verifier without few-shot examples"
        )
