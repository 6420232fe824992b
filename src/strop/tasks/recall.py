"""Facts that can only be remembered: a key of three letters, a value of two.

Keys are met with frequencies that follow a Zipf law, so that some are known well and some hardly. Checking a fact takes the same
knowledge as giving it, so the first paper expects no gap here (section 4.3). Test facts must occur in pre-training: what is
measured is memory.
"""

from __future__ import annotations

import random
import re
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from string import ascii_lowercase
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.seeds import derive, fraction
from strop.tasks.base import Check, Grade, Task, draw_distinct
from strop.tasks.extraction import Found, whole

FACTS = 900
FIRST_WORD = re.compile(r"\s*[.,:;]*(\S+)")


def _make_facts() -> dict[str, str]:
    rng = random.Random(derive("recall facts"))
    facts: dict[str, str] = {}
    while len(facts) < FACTS:
        facts.setdefault(
            "".join(rng.choices(ascii_lowercase, k=3)), "".join(rng.choices(ascii_lowercase, k=2))
        )
    return facts


FACT_OF = _make_facts()
KEYS = list(FACT_OF)
KEY_WEIGHTS = list(accumulate(1 / rank for rank in range(1, FACTS + 1)))


def draw_key(rng: random.Random, ranks: tuple[int, int] = (0, FACTS)) -> str:
    """Keys follow a Zipf law in the order of their making; only those with a rank from ``ranks[0]`` to below ``ranks[1]`` are drawn."""
    below, above = KEY_WEIGHTS[ranks[0]] - 1 / (ranks[0] + 1), KEY_WEIGHTS[ranks[1] - 1]
    return KEYS[bisect(KEY_WEIGHTS, rng.uniform(below, above), *ranks)]


@dataclass(frozen=True)
class Recall(Task):
    """Drawn by the facts' frequency, without repetition. ``ranks``: from the first to before the second; 0 is the most frequent."""

    ranks: tuple[int, int] = (0, FACTS)

    name: ClassVar[str] = "recall"
    description: ClassVar[str] = (
        "facts of skewed frequency: checking one takes the same knowledge as giving it"
    )
    max_tokens: ClassVar[int] = 8
    verification_max_tokens: ClassVar[int] = 24
    levels: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"ranks": (0, FACTS // 2)},
        "standard": {},
        "hard": {"ranks": (FACTS // 2, FACTS)},
    }

    def __post_init__(self) -> None:
        if not 0 <= self.ranks[0] < self.ranks[1] <= FACTS:
            raise UsageError(
                f"recall ranks {self.ranks}: expected two numbers from 0 to {FACTS}, the first below the second"
            )

    def draw(self, rng: random.Random) -> Problem:
        """One fact of either split."""
        key = draw_key(rng, self.ranks)
        split = "test" if fraction("held out", self.name, key) < 0.5 else "train"
        return Problem(f"recall-{key}", split, key, FACT_OF[key], {"rank": KEYS.index(key)})

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        """Strict: the value alone. Flexible: the value as the first word."""
        word = FIRST_WORD.match(text, 0, 1_000)
        flexible = (
            Found(word[1].rstrip(".,:;").lower(), "first word", word.start(1)) if word else None
        )
        return Grade.of(whole(text, 100), flexible, lambda answer: answer == problem.reference)

    def check(self, problem: Problem, response: str) -> Check:
        """The remembered value beside the claimed one: ``go:goy``."""
        truth = FACT_OF[problem.question]
        return Check(f"{truth}:{response}{'y' if truth == response else 'n'}", (truth == response,))
