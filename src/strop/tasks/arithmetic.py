"""Chains of operations on single digits, worked one step after the other.

``9*3@1-4`` is read from left to right, every result reduced to its last digit: 9*3=7, then 7@1, and so on. Besides + - * there are
three invented operations, @ & ~, each a fixed table of 100 facts that can only be learned by heart. A derivation is right when every
step is: the last digit alone would be right by luck one time in ten.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from strop.records import Problem
from strop.seeds import fraction
from strop.tasks.base import Check, Grade, Task, draw_distinct

OPERATIONS = "+-*@&~"
INVENTED = {op: [[int(10 * fraction("table", op, a, b)) for b in range(10)] for a in range(10)] for op in OPERATIONS[3:]}
OPERATION_WEIGHTS = list(accumulate(1 / rank**1.3 for rank in range(1, len(OPERATIONS) + 1)))
DIGIT_WEIGHTS = list(accumulate(1 / digit for digit in range(1, 10)))
HELD_OUT_SHARE = 0.02

STEP = re.compile(r"(?<![0-9])([0-9])([-+*@&~])([0-9])=([0-9])(?![0-9])")
SOLUTION = re.compile(r"(?:[0-9][-+*@&~][0-9]=[0-9] ){1,16}#([0-9])")


def apply(a: int, op: str, b: int) -> int:
    """The last digit of ``a op b``."""
    if op == "+":
        return (a + b) % 10
    if op == "-":
        return (a - b) % 10
    if op == "*":
        return a * b % 10
    return INVENTED[op][a][b]


def draw_operation(rng: random.Random) -> str:
    """Operations follow a Zipf law, so that facts range from common to rare."""
    return rng.choices(OPERATIONS, cum_weights=OPERATION_WEIGHTS)[0]


def draw_digit(rng: random.Random) -> int:
    """Second operands follow a Zipf law over 1 to 9."""
    return rng.choices(range(1, 10), cum_weights=DIGIT_WEIGHTS)[0]


def read_chain(question: str) -> tuple[int, list[tuple[str, int]]]:
    """``9*3-1`` as (9, [("*", 3), ("-", 1)])."""
    return int(question[0]), [(question[i], int(question[i + 1])) for i in range(1, len(question), 2)]


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
        if (a, written_op, b) != (str(current), op, str(operand)) or int(result) != apply(current, op, operand):
            return False
        current = int(result)
    return True


@dataclass(frozen=True)
class Arithmetic(Task):
    """``steps``: operations in a chain, the task's difficulty."""

    steps: int = 4

    name: ClassVar[str] = "arithmetic"
    description: ClassVar[str] = "chains of digit operations, left to right, every step worked; a derivation is right when every step is"
    max_tokens: ClassVar[int] = 64
    verification_max_tokens: ClassVar[int] = 96

    def draw(self, rng: random.Random) -> Problem:
        """One problem of either split."""
        question = str(rng.randrange(10)) + "".join(draw_operation(rng) + str(draw_digit(rng)) for _ in range(self.steps))
        held_out = fraction("held out", self.name, question) < HELD_OUT_SHARE
        return Problem(
            id=f"arithmetic-{question}",
            split="test" if held_out else "train",
            question=question,
            reference=str(solve(question)[-1]),
            metadata={"steps": self.steps, "rarest_operation": max(OPERATIONS.index(op) for op, _ in read_chain(question)[1])},
        )

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        return write_solution(problem.question, solve(problem.question))

    def grade(self, text: str, problem: Problem) -> Grade:
        """Strict: the worked steps and ``#answer``, nothing else. Flexible: the steps wherever they stand, their last result."""
        steps = STEP.findall(text[:10_000])
        right = is_derivation(problem.question, steps)
        whole = SOLUTION.fullmatch(text.strip())
        strict = whole.group(1) if whole else None
        final = re.search(r"#([0-9]{1,20})", text[:10_000])
        flexible = final.group(1) if final else (steps[-1][3] if steps else None)
        return Grade(
            answer_strict=strict,
            answer_flexible=flexible,
            utility_strict=float(right and strict == problem.reference),
            utility_flexible=float(right and flexible == problem.reference),
        )

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
