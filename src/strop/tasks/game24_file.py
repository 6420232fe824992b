"""The game of 24 on a list of hands: ``--task game24 --data FILE``.

The list of the tree-of-thoughts paper has the hand in the column Puzzles (``1 1 4 6``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import Check, Gold, Grade, Task
from strop.tasks.data import Schema
from strop.tasks.dataset import Content, Dataset
from strop.tasks.game24 import TARGET, Game24, numbers_of, solved

_GENERATED = Game24()


@dataclass(frozen=True)
class Game24File(Dataset):
    """The hands of a file, in its order of numbers; ``Game24`` grades and checks them."""

    name: ClassVar[str] = "game24-file"
    description: ClassVar[str] = "the game of 24 on the hands of --data FILE"
    schema: ClassVar[Schema] = {"Puzzles": str}
    needs_reference: ClassVar[bool] = False
    instruction: ClassVar[str] = Game24.instruction
    max_tokens: ClassVar[int] = Game24.max_tokens
    verification_max_tokens: ClassVar[int] = Game24.verification_max_tokens

    @classmethod
    def adapted(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the hand from a column ``question`` or ``numbers`` too."""
        names = {str(name).strip().lower(): name for name in fields}
        for name in ("puzzles", "puzzle", "question", "numbers"):
            if name in names:
                hand = fields[names[name]]
                written = " ".join(map(str, hand)) if isinstance(hand, list) else hand
                return {**fields, "Puzzles": written}
        return fields

    def problem(self, location: str, fields: Mapping[str, Any]) -> Content:
        hand = fields["Puzzles"]
        try:
            numbers = tuple(sorted(numbers_of(hand)))
        except ValueError:
            numbers = ()
        if numbers not in solved():
            raise UsageError(
                f"{location}: the hand is {hand!r:.60}; expected four numbers from 1 to 13 "
                f"that can make {TARGET}"
            )
        return " ".join(hand.split()), solved()[numbers], {}

    def gold_response(self, problem: Problem) -> str:
        return _GENERATED.gold_response(problem)

    def read_gold(self, gold: Gold, question: str) -> str:
        return _GENERATED.read_gold(gold, question)

    def grade(self, text: str, problem: Problem) -> Grade:
        return _GENERATED.grade(text, problem)

    def check(self, problem: Problem, response: str) -> Check:
        return _GENERATED.check(problem, response)

    def shots(self, count: int, seed: int) -> list[Problem]:
        """Return hands of ``Game24`` that the file does not have."""
        tested = {tuple(sorted(numbers_of(problem.question))) for problem in self._all("test")}
        available = _GENERATED.problems("train", _GENERATED.size("train"), seed) if count else []
        unseen = [
            hand for hand in available if tuple(sorted(numbers_of(hand.question))) not in tested
        ]
        if count > len(unseen):
            raise UsageError(
                f"asked for {count} shots of the game of 24, but the file leaves {len(unseen)} "
                "other hands; ask for fewer with --shots"
            )
        return unseen[:count]

    judged = Task.judged
    contested = Task.contested
