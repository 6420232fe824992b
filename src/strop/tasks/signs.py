"""Choose one of two operations for each gap, so that the chain has a target value.

``9?1?1?1?5=2 (+-)`` asks for a choice of + and - that makes 2, read from left to right on last
digits; ``9+1+1-1+5`` is a solution if its value is 2. The task is hard to solve and easy to check:
finding a solution means searching 16 chains, checking one takes four steps.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

from strop.records import Problem
from strop.tasks.arithmetic import (
    HELD_OUT_SHARE,
    OPERATIONS,
    SKEW,
    apply,
    draw_digit,
    draw_operation,
    solve,
)
from strop.tasks.base import Check, Grade, Task, draw_distinct, mark, split_of
from strop.tasks.extraction import Found, whole


def read_question(question: str) -> tuple[str, int, str]:
    """Return the digits, the target and the operations: ``9?1?5=2 (+-)`` is ("915", 2, "+-")."""
    chain, _, rest = question.partition("=")
    return chain.replace("?", ""), int(rest[0]), question[-3:-1]


def fill(digits: str, signs: tuple[str, ...] | str) -> str:
    """Join digits and the operations between them to one expression."""
    return digits[0] + "".join(op + digit for op, digit in zip(signs, digits[1:], strict=True))


def choices(question: str) -> list[str]:
    """Return every expression that the question allows."""
    digits, _, pair = read_question(question)
    return [fill(digits, signs) for signs in product(pair, repeat=len(digits) - 1)]


def reachable(digits: str, pair: str) -> set[int]:
    """Return the values of all expressions of these digits and operations."""
    values = {int(digits[0])}
    for digit in digits[1:]:
        values = {apply(value, op, int(digit)) for value in values for op in pair}
    return values


def is_allowed(question: str, expression: str) -> bool:
    """Return whether the expression joins the question's digits, in order, by its operations."""
    digits, _, pair = read_question(question)
    return (
        len(expression) == 2 * len(digits) - 1
        and expression[0::2] == digits
        and all(op in pair for op in expression[1::2])
    )


@dataclass(frozen=True)
class Signs(Task):
    """Chains of ``numbers`` digits; ``skew`` is the exponent of the operations' frequencies."""

    numbers: int = 5
    skew: float = SKEW

    name: ClassVar[str] = "signs"
    description: ClassVar[str] = (
        "choose one of two operations for each gap to reach a target: hard to find, easy to check"
    )
    needs_reference: ClassVar[bool] = False
    max_tokens: ClassVar[int] = 24
    verification_max_tokens: ClassVar[int] = 64
    levels: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"numbers": 4},
        "standard": {},
        "hard": {"numbers": 7, "skew": 0.0},
    }

    def draw(self, rng: random.Random) -> Problem:
        """Draw one problem of either split, with a target that only some expressions reach."""
        first = draw_operation(rng, skew=self.skew)
        second = first
        while second == first:
            second = draw_operation(rng, skew=self.skew)
        digits = "11"  # too few values: the loop runs at least once
        while len(reachable(digits, first + second)) <= 2:
            digits = "".join(str(draw_digit(rng)) for _ in range(self.numbers))
        expression = fill(digits, tuple(rng.choice((first, second)) for _ in digits[1:]))
        target = solve(expression)[-1]
        pair = "".join(sorted(first + second))
        chain = f"{'?'.join(digits)}={target}"
        return Problem(
            id=f"signs-{chain}({pair})",
            split=split_of(HELD_OUT_SHARE, self.name, digits, *pair),
            question=f"{chain} ({first}{second})",
            reference=expression,
            metadata={"numbers": self.numbers},
        )

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        """Grade an expression: any with the target's value is right.

        Flexible: spaces, and text behind the expression, are allowed.
        """
        digits, target, _ = read_question(problem.question)
        length = 2 * len(digits) - 1
        joined = "".join(text[:1_000].split())
        flexible = None
        # More digits or operations behind it would make it a longer expression.
        if joined[length : length + 1] not in tuple(OPERATIONS + "0123456789"):
            start = len(text) - len(text.lstrip())
            flexible = Found(joined[:length], "first expression", start)
        return Grade.of(
            whole(text, length + 1),
            flexible,
            right=lambda answer: solve(answer)[-1] == target,
            form=lambda answer: answer if is_allowed(problem.question, answer) else "",
        )

    def check(self, problem: Problem, response: str) -> Check:
        """Work out the value, then compare it with the target: ``9+1=0 0+5=5 5:2n``."""
        target = read_question(problem.question)[1]
        lines = []
        current = response[0]
        for op, digit in zip(response[1::2], response[2::2], strict=True):
            value = str(apply(int(current), op, int(digit)))
            lines.append(f"{current}{op}{digit}={value}")
            current = value
        holds = current == str(target) and is_allowed(problem.question, response)
        lines.append(f"{current}:{target}{mark(holds)}")
        return Check(" ".join(lines), (holds,))
