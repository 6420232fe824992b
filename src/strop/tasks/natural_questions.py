"""Natural Questions, closed book: short facts, compared after SQuAD's normalisation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.answers import nq_flexible, nq_strict
from strop.tasks.base import Gold, Grade, gold_text
from strop.tasks.data import Schema
from strop.tasks.dataset import Content, Dataset
from strop.tasks.squad import matches_any, normalise_squad


@dataclass(frozen=True)
class NaturalQuestions(Dataset):
    """Natural Questions. The reference has one accepted answer a line; any of them is right.

    Strict: the first line of the response. Flexible: the answer in that line.
    """

    name: ClassVar[str] = "natural-questions"
    description: ClassVar[str] = "factual questions, closed book (google-research-datasets/nq_open)"
    hub: ClassVar[str] = "google-research-datasets/nq_open"
    hub_splits: ClassVar[Mapping[str, str]] = {"train": "train", "test": "validation"}
    schema: ClassVar[Schema] = {"question": str, "answer": list}
    default_shots: ClassVar[int] = 4
    max_tokens: ClassVar[int] = 64
    stop: ClassVar[tuple[str, ...]] = ("\n",)

    def problem(self, location: str, fields: Mapping[str, Any]) -> Content:
        answers = fields["answer"]
        if not any(normalise_squad(answer) for answer in answers):
            raise UsageError(
                f"{location}: answer is {answers!r}; expected a list with an accepted answer"
            )
        return fields["question"], _reference(answers), {}

    def gold_response(self, problem: Problem) -> str:
        return _accepted_answers(problem)[0]

    def read_gold(self, gold: Gold, question: str) -> str:
        """Return the accepted answers of a list, a JSON list, or a text with one a line."""
        answers = gold
        if isinstance(gold, str) and gold.strip().startswith("["):
            try:
                answers = json.loads(gold)
            except (ValueError, RecursionError):
                # A list of another language would be taken for one answer that nobody gives.
                raise ValueError('a JSON list of accepted answers such as ["a", "b"]') from None
        if not isinstance(answers, list):
            answers = gold_text(answers).splitlines()
        if not all(isinstance(answer, str | int | float) for answer in answers):
            raise ValueError("a list of texts")
        texts = [str(answer) for answer in answers]
        if not any(normalise_squad(text) for text in texts):
            raise ValueError("at least one accepted answer")
        return _reference(texts)

    def answer_is_right(self, answer: str, problem: Problem) -> bool:
        return matches_any(answer, _accepted_answers(problem))

    def grade(self, text: str, problem: Problem) -> Grade:
        accepted = _accepted_answers(problem)
        return Grade.of(
            nq_strict(text),
            nq_flexible(text),
            right=lambda answer: matches_any(answer, accepted),
            form=normalise_squad,
        )


def _reference(answers: list[str]) -> str:
    """Return the answers, each in one line."""
    return "\n".join(" ".join(answer.split()) for answer in answers)


def _accepted_answers(problem: Problem) -> list[str]:
    return (problem.reference or "").split("\n")
