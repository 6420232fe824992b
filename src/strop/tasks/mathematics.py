"""MATH: competition problems with answers in ``\\boxed{}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import Gold, Grade, gold_text
from strop.tasks.data import Schema
from strop.tasks.dataset import Content, Dataset, LeftOutError
from strop.tasks.extraction import Found
from strop.tasks.math_answers import math_flexible
from strop.tasks.math_boxes import boxed, has_empty_box
from strop.tasks.math_forms import normalise_math
from strop.tasks.math_judgement import is_percentage_of, is_right
from strop.tasks.math_workers import grader

SUBJECTS = {
    "Algebra": "algebra",
    "Counting & Probability": "counting_and_probability",
    "Geometry": "geometry",
    "Number Theory": "number_theory",
    "Intermediate Algebra": "intermediate_algebra",
    "Prealgebra": "prealgebra",
    "Precalculus": "precalculus",
}
"""The seven subjects, with the names of their configurations on the hub."""
INTEGER = re.compile(r"\d*")
LONGEST_BARE_GOLD = 200
MOST_WORDS = 4
"""The most words of a bare gold answer, such as "no real solutions"; more are a sentence."""


@dataclass(frozen=True)
class Mathematics(Dataset):
    """MATH, restricted to ``subjects``.

    ``integers`` keeps only answers that consist of digits, the subset of "The Sharpening
    Mechanism".

    Strict: the content of the last ``\\boxed{}``. Flexible: that, or else what the text ends up
    with. Two answers are equal if they have the same canonical form or if math-verify proves it.
    """

    subjects: tuple[str, ...] = tuple(SUBJECTS)
    integers: bool = False

    name: ClassVar[str] = "math"
    description: ClassVar[str] = "competition mathematics (EleutherAI/hendrycks_math)"
    hub: ClassVar[str] = "EleutherAI/hendrycks_math"
    configs: ClassVar[tuple[str | None, ...]] = tuple(SUBJECTS.values())
    schema: ClassVar[Schema] = {"problem": str, "level": str, "type": str, "solution": str}
    default_shots: ClassVar[int] = 4
    levels: ClassVar[dict[str, dict[str, Any]]] = {"standard": {}, "integers": {"integers": True}}

    def __post_init__(self) -> None:
        unknown = set(self.subjects) - SUBJECTS.keys()
        if unknown:
            raise UsageError(f"math has no subject {min(unknown)!r}; it has {', '.join(SUBJECTS)}")

    @classmethod
    def adapted(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read MATH-500, whose rows have a subject in the place of a type."""
        if "type" not in fields and "subject" in fields:
            return {**fields, "type": fields["subject"]}
        return fields

    def problem(self, location: str, fields: Mapping[str, Any]) -> Content | None:
        answer = boxed(fields["solution"])
        if answer is None and has_empty_box(fields["solution"]):
            raise LeftOutError("an empty \\boxed{}")
        if answer is None:
            ending = fields["solution"][-40:]
            raise UsageError(
                f"{location}: the solution ends in {ending!r}; expected its answer in \\boxed{{}}"
            )
        if fields["type"] not in self.subjects:
            return None
        if self.integers and not INTEGER.fullmatch(answer.answer.strip()):
            return None
        metadata = {"level": fields["level"], "subject": fields["type"]}
        return fields["problem"], fields["solution"], metadata

    def source(self) -> dict[str, Any]:
        """Return the source with the name of the grader, since grades depend on it."""
        return {**super().source(), "grader": grader()}

    def read_gold(self, gold: Gold, question: str) -> str:
        """Return a solution with its answer in a box, or a bare answer put into one."""
        text = gold_text(gold)
        if boxed(text):
            return text
        if has_empty_box(text):
            raise ValueError("an answer in the \\boxed{}, which is empty")
        is_bare = "\n" not in text.strip() and len(text) <= LONGEST_BARE_GOLD
        is_prose = len(re.findall(r"(?<![\\A-Za-z])[A-Za-z]{2,}", text)) > MOST_WORDS
        if not is_bare or is_prose or not normalise_math(text):
            raise ValueError("a solution with its answer in \\boxed{}, or the answer alone")
        return rf"\boxed{{{text.strip().strip('$')}}}"

    def answer_is_right(self, answer: str, problem: Problem) -> bool:
        extracted = boxed(answer) or Found(answer, "given", 0)
        return self._is_right(extracted, problem)

    def grade(self, text: str, problem: Problem) -> Grade:
        gold = boxed(problem.reference or "")
        strict, flexible = boxed(text), math_flexible(text)
        grade = Grade.of(
            strict,
            flexible,
            right=lambda answer: (
                gold is not None and is_right(answer, gold.answer, problem.question)
            ),
            form=normalise_math,
        )
        if gold is None or not flexible or grade.utility_strict == 1.0:
            return grade
        # Forms have no percent signs, so "50\\%" for 0.5 is seen in the answers as written.
        if strict and is_percentage_of(strict.answer, gold.answer):
            return replace(grade, utility_strict=1.0, utility_flexible=1.0)
        if is_percentage_of(flexible.answer, gold.answer):
            return replace(grade, utility_flexible=1.0)
        return grade

    def _is_right(self, answer: Found, problem: Problem) -> bool:
        gold = boxed(problem.reference or "")
        if gold is None:
            return False
        form = normalise_math(answer.answer)
        if form and is_right(form, gold.answer, problem.question):
            return True
        return is_percentage_of(answer.answer, gold.answer)
