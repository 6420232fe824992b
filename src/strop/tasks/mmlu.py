"""MMLU's college questions in biology, physics and chemistry: one of four choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import Gold, Grade, gold_text
from strop.tasks.choices import choice_flexible, choice_strict
from strop.tasks.data import Schema
from strop.tasks.dataset import Content, Dataset

LETTERS = "ABCD"
GOLD = "a letter from A to D, an index from 0 to 3, or the text of one choice"


@dataclass(frozen=True)
class _Mmlu(Dataset):
    """The common part of the subjects.

    Strict: a bare letter, or ``The answer is (B).`` at the end. Flexible: the letter that the text
    ends up with; reasons are allowed.
    """

    hub_splits: ClassVar[Mapping[str, str]] = {"train": "dev", "test": "test"}
    schema: ClassVar[Schema] = {"question": str, "choices": list, "answer": int}
    csv_columns: ClassVar[tuple[str, ...]] = ("question", *LETTERS, "answer")
    default_shots: ClassVar[int] = 4
    choices: ClassVar[tuple[str, ...]] = tuple(LETTERS)

    @classmethod
    def adapted(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Join the columns A to D, as MMLU's authors distribute it, and read a letter."""
        by_name = {str(name).strip().lower(): name for name in fields}
        columns = dict(fields)
        if all(letter.lower() in by_name for letter in LETTERS):
            columns["choices"] = [str(fields[by_name[letter.lower()]]) for letter in LETTERS]
            for name in ("question", "answer"):
                if name in by_name:
                    columns[name] = fields[by_name[name]]
        answer = columns.get("answer")
        if isinstance(answer, str) and answer.strip().upper() in tuple(LETTERS):
            columns["answer"] = LETTERS.index(answer.strip().upper())
        return columns

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

    def read_gold(self, gold: Gold, question: str) -> str:
        """Return the letter of a letter, of an index from 0 to 3, or of the text of a choice."""
        text = str(int(gold)) if isinstance(gold, float) and gold % 1 == 0 else gold_text(gold)
        text = text.strip()
        by_text = [
            letter
            for letter in LETTERS
            if f"({letter}) {text}" in map(str.strip, question.split("\n"))
        ]
        if text in ("0", "1", "2", "3"):
            letter = LETTERS[int(text)]
            if by_text and by_text != [letter]:
                # "1" may be the index of (B) or the choice (C) 1.
                raise ValueError("a letter: the index is also the text of another choice")
            return letter
        if text.upper() in tuple(LETTERS):
            return text.upper()
        stated = choice_strict(text, LETTERS) or choice_strict(text.upper(), LETTERS)
        if stated:
            return stated.answer
        if len(by_text) != 1:
            raise ValueError(GOLD)
        return by_text[0]

    def answer_is_right(self, answer: str, problem: Problem) -> bool:
        """Judge a letter, an index or a choice's text, or else what a response says."""
        try:
            return self.read_gold(answer, problem.question) == problem.reference
        except ValueError:
            return super().answer_is_right(answer, problem)

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
