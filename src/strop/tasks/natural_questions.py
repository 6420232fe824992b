"""Natural Questions without documents: short facts, right if they match any accepted answer after SQuAD's normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.answers import matches_any, normalise_squad, nq_flexible, nq_strict
from strop.tasks.base import Grade
from strop.tasks.data import Schema
from strop.tasks.dataset import Dataset


@dataclass(frozen=True)
class NaturalQuestions(Dataset):
    """The reference is the accepted answers, one a line. Strict: the first line. Flexible: the answer in it."""

    name: ClassVar[str] = "natural-questions"
    description: ClassVar[str] = "factual questions, closed book (google-research-datasets/nq_open)"
    hub: ClassVar[str] = "google-research-datasets/nq_open"
    hub_splits: ClassVar[Mapping[str, str]] = {"train": "train", "test": "validation"}
    schema: ClassVar[Schema] = {"question": str, "answer": list}
    default_shots: ClassVar[int] = 4
    max_tokens: ClassVar[int] = 64
    stop: ClassVar[tuple[str, ...]] = ("\n",)

    def problem(self, place: str, fields: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
        if not any(normalise_squad(answer) for answer in fields["answer"]):
            raise UsageError(
                f"{place}: answer is {fields['answer']!r}; expected a list with an accepted answer"
            )
        return (
            fields["question"],
            "\n".join(" ".join(answer.split()) for answer in fields["answer"]),
            {},
        )

    def gold_response(self, problem: Problem) -> str:
        return _accepted(problem)[0]

    def grade(self, text: str, problem: Problem) -> Grade:
        accepted = _accepted(problem)
        return Grade.of(
            nq_strict(text),
            nq_flexible(text),
            lambda answer: matches_any(answer, accepted),
            normalise_squad,
        )


def _accepted(problem: Problem) -> list[str]:
    return (problem.reference or "").split("\n")
