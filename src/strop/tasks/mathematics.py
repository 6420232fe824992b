"""MATH: competition problems whose answers stand in ``\\boxed{}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import Grade
from strop.tasks.data import Schema
from strop.tasks.dataset import Dataset
from strop.tasks.math_answers import boxed, math_flexible, normalise_math
from strop.tasks.math_workers import grader, same_math

SUBJECTS = {
    "Algebra": "algebra",
    "Counting & Probability": "counting_and_probability",
    "Geometry": "geometry",
    "Number Theory": "number_theory",
    "Intermediate Algebra": "intermediate_algebra",
    "Prealgebra": "prealgebra",
    "Precalculus": "precalculus",
}
INTEGER = re.compile(r"\d*")


@dataclass(frozen=True)
class Mathematics(Dataset):
    """``subjects``: of the seven, all by default. ``integers``: only answers that are digits, the subset of "The Sharpening Mechanism".

    Strict: what the last ``\\boxed{}`` holds. Flexible: that, or what the text ends in otherwise. Equal is what has the same canonical form
    or what math-verify proves equal.
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
        if strange := set(self.subjects) - SUBJECTS.keys():
            raise UsageError(f"math has no subject {min(strange)!r}; it has {', '.join(SUBJECTS)}")

    def problem(
        self, place: str, fields: Mapping[str, Any]
    ) -> tuple[str, str, dict[str, Any]] | None:
        answer = boxed(fields["solution"])
        if answer is None:
            raise UsageError(
                f"{place}: the solution ends in {fields['solution'][-40:]!r}; expected its answer in \\boxed{{}}"
            )
        if fields["type"] not in self.subjects or (
            self.integers and not INTEGER.fullmatch(answer.answer.strip())
        ):
            return None
        return (
            fields["problem"],
            fields["solution"],
            {"level": fields["level"], "subject": fields["type"]},
        )

    def source(self) -> dict[str, Any]:
        """Also who decides what is equal: grades depend on it."""
        return super().source() | {"grader": grader()}

    def grade(self, text: str, problem: Problem) -> Grade:
        gold = boxed(problem.reference or "")
        return Grade.of(
            boxed(text),
            math_flexible(text),
            lambda answer: gold is not None and same_math(answer, gold.answer),
            normalise_math,
        )
