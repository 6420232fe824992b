"""Facts that can only be remembered: a key of three letters, a value of two.

Keys are met with frequencies that follow a Zipf law, so that some are known well and some hardly. Checking a fact takes the same
knowledge as giving it, so the first paper expects no gap here (section 4.3). Test facts must occur in pre-training: what is
measured is memory.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate
from string import ascii_lowercase
from typing import ClassVar

from strop.records import Problem
from strop.seeds import derive, fraction
from strop.tasks.base import Check, Grade, Task, draw_distinct

FACTS = 500


def _make_facts() -> dict[str, str]:
    rng = random.Random(derive("recall facts"))
    facts: dict[str, str] = {}
    while len(facts) < FACTS:
        facts.setdefault("".join(rng.choices(ascii_lowercase, k=3)), "".join(rng.choices(ascii_lowercase, k=2)))
    return facts


FACT_OF = _make_facts()
KEYS = list(FACT_OF)
KEY_WEIGHTS = list(accumulate(1 / rank for rank in range(1, FACTS + 1)))


def draw_key(rng: random.Random) -> str:
    """Keys follow a Zipf law in the order of their making."""
    return rng.choices(KEYS, cum_weights=KEY_WEIGHTS)[0]


@dataclass(frozen=True)
class Recall(Task):
    """Problems are drawn by the facts' frequency, without repetition."""

    name: ClassVar[str] = "recall"
    description: ClassVar[str] = "facts of skewed frequency: checking one takes the same knowledge as giving it"
    max_tokens: ClassVar[int] = 8
    verification_max_tokens: ClassVar[int] = 24

    def draw(self, rng: random.Random) -> Problem:
        """One fact of either split."""
        key = draw_key(rng)
        split = "test" if fraction("held out", self.name, key) < 0.5 else "train"
        return Problem(f"recall-{key}", split, key, FACT_OF[key], {"rank": KEYS.index(key)})

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        """Strict: the value alone. Flexible: the value as the first word."""
        strict = text.strip()[:100]
        flexible = (text[:1_000].split() or [""])[0].strip(".,:;").lower()
        return Grade(strict or None, flexible or None, float(strict == problem.reference), float(flexible == problem.reference))

    def check(self, problem: Problem, response: str) -> Check:
        """The remembered value beside the claimed one: ``go:goy``."""
        truth = FACT_OF[problem.question]
        return Check(f"{truth}:{response}{'y' if truth == response else 'n'}", (truth == response,))
