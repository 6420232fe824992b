"""GSM8K: word problems of grade-school arithmetic.

The prompt and the two ways of extracting the answer are those of lm-evaluation-harness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.answers import gsm8k_flexible, gsm8k_strict
from strop.tasks.base import Grade
from strop.tasks.data import Schema
from strop.tasks.dataset import Content, Dataset
from strop.tasks.numbers import canonical_number


@dataclass(frozen=True)
class Gsm8k(Dataset):
    """GSM8K. Strict: the number behind ``####``. Flexible: that, or else the last number.

    Numbers are compared by value: ``29.00`` is 29.
    """

    name: ClassVar[str] = "gsm8k"
    description: ClassVar[str] = "grade-school word problems (openai/gsm8k)"
    hub: ClassVar[str] = "openai/gsm8k"
    configs: ClassVar[tuple[str | None, ...]] = ("main",)
    schema: ClassVar[Schema] = {"question": str, "answer": str}
    default_shots: ClassVar[int] = 4

    def problem(self, location: str, fields: Mapping[str, Any]) -> Content:
        if gsm8k_strict(fields["answer"]) is None:
            ending = fields["answer"][-40:]
            raise UsageError(
                f"{location}: the answer ends in {ending!r}; expected a last line such as '#### 42'"
            )
        return fields["question"], fields["answer"], {}

    def grade(self, text: str, problem: Problem) -> Grade:
        gold = gsm8k_strict(problem.reference or "")
        reference = canonical_number(gold.answer) if gold else None
        return Grade.of(
            gsm8k_strict(text),
            gsm8k_flexible(text),
            right=lambda answer: answer == reference,
            form=canonical_number,
        )
