"""Facts that can only be remembered: a key of three letters, a value of two.

The frequencies of the keys follow a Zipf law, so some are known well and some hardly. Checking a
fact takes the same knowledge as giving it, so "Mind the Gap" expects no gap here (section 4.3).
Test facts must occur in pre-training: the task measures memory.
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
from strop.seeds import derive
from strop.tasks.base import Check, Grade, Task, draw_distinct, mark, split_of
from strop.tasks.extraction import Found, whole

FACTS = 900
HELD_OUT_SHARE = 0.5
FIRST_WORD = re.compile(r"\s*[.,:;]*(\S+)")


def _make_facts() -> dict[str, str]:
    rng = random.Random(derive("recall facts"))
    facts: dict[str, str] = {}
    while len(facts) < FACTS:
        key = "".join(rng.choices(ascii_lowercase, k=3))
        value = "".join(rng.choices(ascii_lowercase, k=2))
        facts.setdefault(key, value)
    return facts


FACT_OF = _make_facts()
KEYS = list(FACT_OF)
"""All keys, by falling frequency: the index of a key is its rank."""
# Cumulative weights of the Zipf law: KEY_WEIGHTS[rank] is the sum up to and including the rank.
KEY_WEIGHTS = list(accumulate(1 / rank for rank in range(1, FACTS + 1)))


def draw_key(rng: random.Random, ranks: tuple[int, int] = (0, FACTS)) -> str:
    """Draw a key from the Zipf law, restricted to ranks from ``ranks[0]`` to below ``ranks[1]``."""
    first, end = ranks
    # Draw from the range of the cumulative weights, then look up the rank on which the draw falls.
    below = KEY_WEIGHTS[first] - 1 / (first + 1)
    above = KEY_WEIGHTS[end - 1]
    return KEYS[bisect(KEY_WEIGHTS, rng.uniform(below, above), first, end)]


@dataclass(frozen=True)
class Recall(Task):
    """Facts drawn by their frequency, without repetition.

    ``ranks`` restricts them: from the first rank to before the second; 0 is the most frequent.
    """

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
                f"recall ranks {self.ranks}: expected two numbers from 0 to {FACTS}, "
                "the first below the second"
            )

    def draw(self, rng: random.Random) -> Problem:
        """Draw one fact of either split."""
        key = draw_key(rng, self.ranks)
        split = split_of(HELD_OUT_SHARE, self.name, key)
        return Problem(f"recall-{key}", split, key, FACT_OF[key], {"rank": KEYS.index(key)})

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        """Grade the value. Strict: the response is the value. Flexible: its first word is."""
        word = FIRST_WORD.match(text, 0, 1_000)
        flexible = None
        if word:
            flexible = Found(word[1].rstrip(".,:;").lower(), "first word", word.start(1))
        return Grade.of(whole(text, 100), flexible, lambda answer: answer == problem.reference)

    def check(self, problem: Problem, response: str) -> Check:
        """Write the true value beside the claimed one: ``go:goy``."""
        truth = FACT_OF[problem.question]
        right = truth == response
        return Check(f"{truth}:{response}{mark(right)}", (right,))
