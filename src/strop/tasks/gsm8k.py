"""GSM8K: word problems of grade-school arithmetic.

The prompt and the two ways of extracting the answer are those of lm-evaluation-harness.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.answers import gsm8k_flexible, gsm8k_strict, only_number
from strop.tasks.base import Gold, Grade, gold_text
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
        try:
            reference = _with_final_number(fields["answer"])
        except ValueError as error:
            ending = fields["answer"][-40:]
            raise UsageError(
                f"{location}: the answer ends in {ending!r}; expected {error}"
            ) from None
        return fields["question"], reference, {}

    def read_gold(self, gold: Gold, question: str) -> str:
        """Return a solution that ends in ``#### 18``, or a bare number in that form."""
        return _with_final_number(gold_text(gold))

    def grade(self, text: str, problem: Problem) -> Grade:
        gold = gsm8k_strict(problem.reference or "")
        reference = canonical_number(gold.answer) if gold else None
        return Grade.of(
            gsm8k_strict(text),
            gsm8k_flexible(text),
            right=lambda answer: answer == reference,
            form=canonical_number,
        )


def _with_final_number(answer: str) -> str:
    """Return the answer with its number in a last line ``#### 18``.

    Raises ValueError for an answer that has no ``####`` and does not give one number: in a
    solution, only a box says which of several numbers is the answer.
    """
    if gsm8k_strict(answer):
        return answer
    gold = only_number(answer)
    if gold is None or "####" in answer:
        raise ValueError(
            "a last line such as '#### 42', a number in \\boxed{}, or one number alone"
        )
    final_line = f"#### {canonical_number(gold.answer)}"
    return final_line if answer.strip() == gold.answer else f"{answer.rstrip()}\n{final_line}"
