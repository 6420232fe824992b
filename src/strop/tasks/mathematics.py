"""MATH: competition problems with answers in ``\\boxed{}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import Grade
from strop.tasks.data import Schema
from strop.tasks.dataset import Content, Dataset
from strop.tasks.math_answers import boxed, math_flexible
from strop.tasks.math_forms import normalise_math
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
"""The seven subjects, with the names of their configurations on the hub."""
INTEGER = re.compile(r"\d*")


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

    def problem(self, location: str, fields: Mapping[str, Any]) -> Content | None:
        answer = boxed(fields["solution"])
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

    def grade(self, text: str, problem: Problem) -> Grade:
        gold = boxed(problem.reference or "")
        return Grade.of(
            boxed(text),
            math_flexible(text),
            right=lambda answer: gold is not None and same_math(answer, gold.answer),
            form=normalise_math,
        )
