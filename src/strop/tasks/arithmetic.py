"""Chains of operations on single digits, worked one step after the other.

``9*3@1-4`` is read from left to right, every result reduced to its last digit: 9*3=7, then 7@1, and
so on. Besides + - * there are seven invented operations, @ to !, each a fixed table of 100 facts
that can only be learned by heart. A derivation is right if every step is: the last digit alone
would be right by chance one time in ten.
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
from strop.tasks.base import Check, Gold, Grade, Task, draw_distinct, gold_text, mark
from strop.tasks.extraction import Found

OPERATIONS = "+-*@&~^%$!"
SKEW = 1.3
# Cumulative weights, as ``random.choices`` takes them.
DIGIT_WEIGHTS = list(accumulate(1 / digit for digit in range(1, 10)))
HELD_OUT_SHARE = 0.02
MAX_TEXT = 10_000

# The lookarounds reject a step inside a longer number; the counts bound the scan.
STEP = re.compile(rf"(?<![0-9])([0-9])([{re.escape(OPERATIONS)}])([0-9])=([0-9])(?![0-9])")
SOLUTION = re.compile(rf"(?:[0-9][{re.escape(OPERATIONS)}][0-9]=[0-9] ){{1,16}}#[0-9]")
FINAL = re.compile(r"#([0-9]{1,20})")


def _make_table(operation: str) -> list[list[int]]:
    """Return the results of an invented operation on all pairs of digits."""
    table = []
    for a in range(10):
        table.append([int(10 * fraction("table", operation, a, b)) for b in range(10)])
    return table


INVENTED = {operation: _make_table(operation) for operation in OPERATIONS[3:]}


def apply(a: int, op: str, b: int) -> int:
    """Return the last digit of ``a op b``."""
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
    """Draw an operation from a Zipf law with exponent ``skew``; 0 is the uniform distribution.

    The law makes some facts common and others rare.
    """
    return rng.choices(operations, cum_weights=_operation_weights(len(operations), skew))[0]


def draw_digit(rng: random.Random) -> int:
    """Draw a second operand from a Zipf law over 1 to 9."""
    return rng.choices(range(1, 10), cum_weights=DIGIT_WEIGHTS)[0]


def read_chain(question: str) -> tuple[int, list[tuple[str, int]]]:
    """Return the first digit and the steps: ``9*3-1`` is (9, [("*", 3), ("-", 1)])."""
    steps = [(question[i], int(question[i + 1])) for i in range(1, len(question), 2)]
    return int(question[0]), steps


def solve(question: str) -> list[int]:
    """Return the result after each step."""
    current, steps = read_chain(question)
    results = []
    for op, operand in steps:
        current = apply(current, op, operand)
        results.append(current)
    return results


def write_solution(question: str, results: list[int]) -> str:
    """Write the worked solution that claims these results, right or wrong."""
    current, steps = read_chain(question)
    lines = []
    for (op, operand), result in zip(steps, results, strict=True):
        lines.append(f"{current}{op}{operand}={result}")
        current = result
    return " ".join(lines) + f" #{current}"


def is_derivation(question: str, steps: list[tuple[str, str, str, str]]) -> bool:
    """Return whether these steps, as written, are those of the question and all of them right."""
    current, chain = read_chain(question)
    if len(steps) != len(chain):
        return False
    for (op, operand), (a, written_op, b, result) in zip(chain, steps, strict=True):
        if (a, written_op, b) != (str(current), op, str(operand)):
            return False
        if int(result) != apply(current, op, operand):
            return False
        current = int(result)
    return True


def is_held_out(question: str) -> bool:
    """Return whether this chain is kept for the test split."""
    return fraction("held out", "arithmetic", question) < HELD_OUT_SHARE


@dataclass(frozen=True)
class Arithmetic(Task):
    """Chains of ``steps`` operations.

    ``operations`` are the possible ones; ``skew`` is the exponent of their frequencies.
    """

    steps: int = 4
    operations: str = OPERATIONS
    skew: float = SKEW

    name: ClassVar[str] = "arithmetic"
    description: ClassVar[str] = (
        "chains of digit operations, left to right, every step worked; "
        "a derivation is right when every step is"
    )
    max_tokens: ClassVar[int] = 64
    verification_max_tokens: ClassVar[int] = 96
    levels: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"steps": 3, "operations": "+-*"},
        "standard": {},
        "hard": {"steps": 6, "skew": 0.0},
    }

    def draw(self, rng: random.Random) -> Problem:
        """Draw one problem of either split."""
        question = str(rng.randrange(10))
        for _ in range(self.steps):
            question += draw_operation(rng, self.operations, self.skew)
            question += str(draw_digit(rng))
        used = [OPERATIONS.index(op) for op, _ in read_chain(question)[1]]
        return Problem(
            id=f"arithmetic-{question}",
            split="test" if is_held_out(question) else "train",
            question=question,
            reference=str(solve(question)[-1]),
            metadata={"steps": self.steps, "rarest_operation": max(used)},
        )

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        return write_solution(problem.question, solve(problem.question))

    def grade(self, text: str, problem: Problem) -> Grade:
        """Grade the derivation and its answer.

        Strict: the worked steps and ``#answer``, nothing else. Flexible: the steps wherever they
        stand, and ``#answer`` or else the last result.
        """
        read = text[:MAX_TEXT]
        steps = list(STEP.finditer(read))
        final = FINAL.search(read)
        flexible = None
        if final:
            flexible = Found(final[1], "after #", final.start(1))
        elif steps:
            flexible = Found(steps[-1][4], "last step", steps[-1].start(4))
        strict = flexible if SOLUTION.fullmatch(text.strip()) else None
        derived = is_derivation(problem.question, STEP.findall(read))
        return Grade.of(strict, flexible, lambda answer: derived and answer == problem.reference)

    def read_gold(self, gold: Gold, question: str) -> str:
        """Return the digit of a bare gold answer, or the one behind the ``#`` of a solution."""
        text = gold_text(gold).strip()
        final = FINAL.search(text)
        answer = final[1] if final else text
        if len(answer) != 1 or answer not in "0123456789":
            raise ValueError("one digit, or a solution that ends in one such as 9*3=7 #7")
        return answer

    def answer_is_right(self, answer: str, problem: Problem) -> bool:
        """Judge the digit alone: an extracted answer comes without its derivation."""
        return answer.strip().lstrip("#") == problem.reference

    def check(self, problem: Problem, response: str) -> Check:
        """Recompute each step from the value claimed before it: ``9*3=7:7y 7+1=8:9n``.

        A step is its true result, the claimed one, and y or n.
        """
        current, chain = read_chain(problem.question)
        claims = [int(result) for *_, result in STEP.findall(response)][: len(chain)]
        lines, holds = [], []
        for (op, operand), claim in zip(chain, claims, strict=False):
            truth = apply(current, op, operand)
            right = truth == claim
            holds.append(right)
            lines.append(f"{current}{op}{operand}={truth}:{claim}{mark(right)}")
            current = claim
        if len(claims) < len(chain):
            holds.append(False)  # steps are missing
        return Check(" ".join(lines), tuple(holds))
