"""Chains of operations on single digits, worked one step after the other.

``9*3@1-4`` is read from left to right, every result reduced to its last digit: 9*3=7, then 7@1, and so on. Besides + - * there are
seven invented operations, @ to !, each a fixed table of 100 facts that can only be learned by heart. A derivation is right when every
step is: the last digit alone would be right by luck one time in ten.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import Any, ClassVar

from strop.records import Problem
from strop.seeds import fraction
from strop.tasks.base import Check, Grade, Task, draw_distinct
from strop.tasks.extraction import Found

OPERATIONS = "+-*@&~^%$!"
INVENTED = {
    op: [[int(10 * fraction("table", op, a, b)) for b in range(10)] for a in range(10)]
    for op in OPERATIONS[3:]
}
SKEW = 1.3
DIGIT_WEIGHTS = list(accumulate(1 / digit for digit in range(1, 10)))
HELD_OUT_SHARE = 0.02

STEP = re.compile(rf"(?<![0-9])([0-9])([{re.escape(OPERATIONS)}])([0-9])=([0-9])(?![0-9])")
SOLUTION = re.compile(rf"(?:[0-9][{re.escape(OPERATIONS)}][0-9]=[0-9] ){{1,16}}#[0-9]")
FINAL = re.compile(r"#([0-9]{1,20})")


def apply(a: int, op: str, b: int) -> int:
    """The last digit of ``a op b``."""
    if op == "+":
        return (a + b) % 10
    if op == "-":
        return (a - b) % 10
    if op == "*":
        return a * b % 10
    return INVENTED[op][a][b]


@cache
def _operation_weights(count: int, skew: float) -> list[float]:
    return list(accumulate(1 / rank**skew for rank in range(1, count + 1)))


def draw_operation(rng: random.Random, operations: str = OPERATIONS, skew: float = SKEW) -> str:
    """Operations follow a Zipf law with exponent ``skew``, so that facts range from common to rare; 0 draws all of them alike."""
    return rng.choices(operations, cum_weights=_operation_weights(len(operations), skew))[0]


def draw_digit(rng: random.Random) -> int:
    """Second operands follow a Zipf law over 1 to 9."""
    return rng.choices(range(1, 10), cum_weights=DIGIT_WEIGHTS)[0]


def read_chain(question: str) -> tuple[int, list[tuple[str, int]]]:
    """``9*3-1`` as (9, [("*", 3), ("-", 1)])."""
    return int(question[0]), [
        (question[i], int(question[i + 1])) for i in range(1, len(question), 2)
    ]


def solve(question: str) -> list[int]:
    """The result after each step."""
    current, steps = read_chain(question)
    results = []
    for op, operand in steps:
        current = apply(current, op, operand)
        results.append(current)
    return results


def write_solution(question: str, results: list[int]) -> str:
    """The worked solution that claims these results, right or wrong."""
    current, steps = read_chain(question)
    lines = []
    for (op, operand), result in zip(steps, results, strict=True):
        lines.append(f"{current}{op}{operand}={result}")
        current = result
    return " ".join(lines) + f" #{current}"


def is_derivation(question: str, steps: list[tuple[str, str, str, str]]) -> bool:
    """Do these steps work the question out, each of them right?"""
    current, chain = read_chain(question)
    if len(steps) != len(chain):
        return False
    for (op, operand), (a, written_op, b, result) in zip(chain, steps, strict=True):
        if (a, written_op, b) != (str(current), op, str(operand)) or int(result) != apply(
            current, op, operand
        ):
            return False
        current = int(result)
    return True


def is_held_out(question: str) -> bool:
    """Is this chain kept for the test split?"""
    return fraction("held out", "arithmetic", question) < HELD_OUT_SHARE


@dataclass(frozen=True)
class Arithmetic(Task):
    """``steps``: operations in a chain; ``operations``: which; ``skew``: how much rarer each is than the one before it."""

    steps: int = 4
    operations: str = OPERATIONS
    skew: float = SKEW

    name: ClassVar[str] = "arithmetic"
    description: ClassVar[str] = (
        "chains of digit operations, left to right, every step worked; a derivation is right when every step is"
    )
    max_tokens: ClassVar[int] = 64
    verification_max_tokens: ClassVar[int] = 96
    levels: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"steps": 3, "operations": "+-*"},
        "standard": {},
        "hard": {"steps": 6, "skew": 0.0},
    }

    def draw(self, rng: random.Random) -> Problem:
        """One problem of either split."""
        steps = (
            draw_operation(rng, self.operations, self.skew) + str(draw_digit(rng))
            for _ in range(self.steps)
        )
        question = str(rng.randrange(10)) + "".join(steps)
        return Problem(
            id=f"arithmetic-{question}",
            split="test" if is_held_out(question) else "train",
            question=question,
            reference=str(solve(question)[-1]),
            metadata={
                "steps": self.steps,
                "rarest_operation": max(OPERATIONS.index(op) for op, _ in read_chain(question)[1]),
            },
        )

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        return write_solution(problem.question, solve(problem.question))

    def grade(self, text: str, problem: Problem) -> Grade:
        """Strict: the worked steps and ``#answer``, nothing else. Flexible: the steps wherever they stand, their last result."""
        read = text[:10_000]
        steps, final = list(STEP.finditer(read)), FINAL.search(read)
        last = Found(steps[-1][4], "last step", steps[-1].start(4)) if steps else None
        flexible = Found(final[1], "after #", final.start(1)) if final else last
        strict = flexible if SOLUTION.fullmatch(text.strip()) else None
        derived = is_derivation(problem.question, STEP.findall(read))
        return Grade.of(strict, flexible, lambda answer: derived and answer == problem.reference)

    def check(self, problem: Problem, response: str) -> Check:
        """Each step recomputed from the value claimed before it, then the claim, then y or n: ``9*3=7:7y 7+1=8:9n``."""
        current, chain = read_chain(problem.question)
        claims = [int(result) for *_, result in STEP.findall(response)][: len(chain)]
        lines, holds = [], []
        for (op, operand), claim in zip(chain, claims, strict=False):
            truth = apply(current, op, operand)
            holds.append(truth == claim)
            lines.append(f"{current}{op}{operand}={truth}:{claim}{'y' if truth == claim else 'n'}")
            current = claim
        complete = len(claims) == len(chain)
        return Check(" ".join(lines), (*holds, *(() if complete else (False,))))
