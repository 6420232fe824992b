"""A new task in one file: reverse a word. Run it with ``python examples/4_new_task.py [FOLDER]``.

To keep it, put the class into a file in ``src/strop/tasks/`` and add it to ``TASKS`` in
``src/strop/tasks/__init__.py``. The contract tests then check what every task promises.
"""

from __future__ import annotations

import random
import re
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import strop
from strop.records import Problem
from strop.tasks.base import Check, Grade, Task, draw_distinct, split_of
from strop.tasks.extraction import Found, whole


@dataclass(frozen=True)
class Reverse(Task):
    """Words of ``length`` letters."""

    length: int = 4

    name: ClassVar[str] = "reverse"
    description: ClassVar[str] = "write a word backwards"
    instruction: ClassVar[str] = "Write this word backwards."
    max_tokens: ClassVar[int] = 16
    levels: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"length": 3},
        "standard": {},
        "hard": {"length": 8},
    }

    def draw(self, rng: random.Random) -> Problem:
        word = "".join(rng.choices("abcdefghij", k=self.length))
        # The split depends on the word alone: no word can be in both.
        split = split_of(0.5, self.name, word)
        return Problem(f"reverse-{word}", split, question=word, reference=word[::-1])

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        return problem.question[::-1]

    def grade(self, text: str, problem: Problem) -> Grade:
        """Grade the word. Strict: the response is the word. Flexible: its last word is."""
        # The text is untrusted: read a bounded part of it, and evaluate nothing.
        words = list(re.finditer(r"\w+", text[:10_000]))
        last = Found(words[-1][0].lower(), "last word", words[-1].start()) if words else None
        return Grade.of(whole(text, 100), last, right=lambda answer: answer == problem.reference)

    def check(self, problem: Problem, response: str) -> Check:
        """Write the verification that few-shot examples show."""
        gold, written = problem.question[::-1], response.strip()
        text = f"{problem.question} backwards is {gold}, and {written} is claimed."
        return Check(text, holds=(written == gold,))


if __name__ == "__main__":
    out = sys.argv[1] if len(sys.argv) > 1 else "runs/reverse"
    run = strop.gap(model="ladder/40k", task=Reverse(), problems=20, samples=4, shots=2, out=out)
    print(run.estimates.filter(quantity="gap").select("verifier", "weigh", "value", "low", "high"))
