"""ProntoQA's original questions: ``--task prontoqa --data FILE``.

A row has a context, a question, the options and the answer A or B, as in the files of Logic-LM. The
kinds of these questions have other plurals than those that ``ontologies.py`` invents, so their
proofs are not derived here: only answers are graded. Worked examples are questions of our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import Check, Gold, Grade, Judged
from strop.tasks.data import Schema
from strop.tasks.dataset import Content, Dataset
from strop.tasks.prontoqa import LAST_SENTENCE, ProntoQA, true_or_false

_GENERATED = ProntoQA()


@dataclass(frozen=True)
class ProntoQAFile(Dataset):
    """The rows of a file in ProntoQA's original columns; ``ProntoQA`` grades them."""

    name: ClassVar[str] = "prontoqa-file"
    description: ClassVar[str] = "ProntoQA's original questions, from --data FILE"
    schema: ClassVar[Schema] = {"context": str, "question": str, "answer": str}
    choices: ClassVar[tuple[str, ...]] = ProntoQA.choices
    instruction: ClassVar[str] = ProntoQA.instruction
    max_tokens: ClassVar[int] = ProntoQA.max_tokens
    verification_max_tokens: ClassVar[int] = ProntoQA.verification_max_tokens

    def problem(self, location: str, fields: Mapping[str, Any]) -> Content:
        try:
            answer = true_or_false(_option(fields["answer"], fields.get("options")))
        except ValueError as error:
            raise UsageError(
                f"{location}: the answer is {fields['answer']!r:.60}; expected {error}"
            ) from None
        steps = fields.get("explanation")
        proof = " ".join(map(str, steps)) if isinstance(steps, list) else ""
        return f"{fields['context']} {fields['question']}", answer, {"proof": proof}

    def gold_response(self, problem: Problem) -> str:
        sentence = LAST_SENTENCE.format(problem.reference)
        proof = problem.metadata.get("proof")
        return f"{proof} {sentence}" if proof else sentence

    def read_gold(self, gold: Gold, question: str) -> str:
        return _GENERATED.read_gold(gold, question)

    def grade(self, text: str, problem: Problem) -> Grade:
        return _GENERATED.grade(text, problem)

    def shots(self, count: int, seed: int) -> list[Problem]:
        """Return questions of our own: the original file has no examples."""
        return _GENERATED.shots(count, seed)

    def judged(self, shots: list[Problem]) -> list[tuple[Problem, str, Check]]:
        return _GENERATED.judged(shots)

    def contested(self, shots: list[Problem]) -> list[tuple[Problem, Judged, Judged]]:
        return _GENERATED.contested(shots)


def _option(answer: str, options: Any) -> str:
    """Return the option of the answer's letter, "A) True" of A; without options the answer."""
    letter = answer.strip().upper()
    if isinstance(options, list):
        for option in map(str, options):
            if option.strip().upper().startswith(f"{letter})"):
                return option.partition(")")[2]
    return answer
