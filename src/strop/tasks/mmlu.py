"""MMLU's college questions in biology, physics and chemistry: one of four choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import Grade
from strop.tasks.choices import choice_flexible, choice_strict
from strop.tasks.data import Schema
from strop.tasks.dataset import Content, Dataset

LETTERS = "ABCD"


@dataclass(frozen=True)
class _Mmlu(Dataset):
    """The common part of the subjects.

    Strict: a bare letter, or ``The answer is (B).`` at the end. Flexible: the letter that the text
    ends up with; reasons are allowed.
    """

    hub_splits: ClassVar[Mapping[str, str]] = {"train": "dev", "test": "test"}
    schema: ClassVar[Schema] = {"question": str, "choices": list, "answer": int}
    default_shots: ClassVar[int] = 4
    choices: ClassVar[tuple[str, ...]] = tuple(LETTERS)

    def problem(self, location: str, fields: Mapping[str, Any]) -> Content:
        choices, answer = fields["choices"], fields["answer"]
        if len(choices) != len(LETTERS) or not 0 <= answer < len(LETTERS):
            raise UsageError(
                f"{location}: {len(choices)} choices and answer {answer}; "
                "expected 4 choices and an answer from 0 to 3"
            )
        lines = [fields["question"]]
        for letter, choice in zip(LETTERS, choices, strict=True):
            lines.append(f"({letter}) {choice}")
        return "\n".join(lines), LETTERS[answer], {}

    def gold_response(self, problem: Problem) -> str:
        return f"The answer is ({problem.reference})."

    def grade(self, text: str, problem: Problem) -> Grade:
        return Grade.of(
            choice_strict(text, LETTERS),
            choice_flexible(text, LETTERS),
            right=lambda answer: answer == problem.reference,
        )

    def example_problem(self, question: str) -> Problem:
        """Return the package's own row with this question, since examples lack the choices."""
        return next(
            problem
            for problem in self.package_problems("train")
            if problem.question.startswith(f"{question}\n(A) ")
        )


@dataclass(frozen=True)
class MmluBiology(_Mmlu):
    """College biology."""

    name: ClassVar[str] = "mmlu-biology"
    description: ClassVar[str] = "college biology, multiple choice (cais/mmlu)"
    hub: ClassVar[str] = "cais/mmlu"
    configs: ClassVar[tuple[str | None, ...]] = ("college_biology",)


@dataclass(frozen=True)
class MmluPhysics(_Mmlu):
    """College physics."""

    name: ClassVar[str] = "mmlu-physics"
    description: ClassVar[str] = "college physics, multiple choice (cais/mmlu)"
    hub: ClassVar[str] = "cais/mmlu"
    configs: ClassVar[tuple[str | None, ...]] = ("college_physics",)


@dataclass(frozen=True)
class MmluChemistry(_Mmlu):
    """College chemistry."""

    name: ClassVar[str] = "mmlu-chemistry"
    description: ClassVar[str] = "college chemistry, multiple choice (cais/mmlu)"
    hub: ClassVar[str] = "cais/mmlu"
    configs: ClassVar[tuple[str | None, ...]] = ("college_chemistry",)
