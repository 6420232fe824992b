"""Hard to find, easy to check: put one of two operations in each gap so that the chain comes out at a target.

``9?1?1?1?5=2 (+-)`` asks for a choice of + and - that makes 2, read from left to right on last digits; ``9+1+1-1+5`` is a solution
if its value is 2. Finding one means searching 16 chains; checking one takes four steps.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

from strop.records import Problem
from strop.seeds import fraction
from strop.tasks.arithmetic import (
    HELD_OUT_SHARE,
    OPERATIONS,
    SKEW,
    apply,
    draw_digit,
    draw_operation,
    solve,
)
from strop.tasks.base import Check, Grade, Task, draw_distinct
from strop.tasks.extraction import Found, whole


def read_question(question: str) -> tuple[str, int, str]:
    """``9?1?5=2 (+-)`` as ("915", 2, "+-")."""
    return (
        question[: question.index("=")].replace("?", ""),
        int(question[question.index("=") + 1]),
        question[-3:-1],
    )


def fill(digits: str, signs: tuple[str, ...] | str) -> str:
    """Digits and the operations between them, as one expression."""
    return digits[0] + "".join(op + digit for op, digit in zip(signs, digits[1:], strict=True))


def choices(question: str) -> list[str]:
    """Every expression that the question allows."""
    digits, _, pair = read_question(question)
    return [fill(digits, signs) for signs in product(pair, repeat=len(digits) - 1)]


def reachable(digits: str, pair: str) -> set[int]:
    """The values that some expression takes."""
    values = {int(digits[0])}
    for digit in digits[1:]:
        values = {apply(value, op, int(digit)) for value in values for op in pair}
    return values


def is_allowed(question: str, expression: str) -> bool:
    """The question's own digits in order, joined by its two operations?"""
    digits, _, pair = read_question(question)
    return (
        len(expression) == 2 * len(digits) - 1
        and expression[0::2] == digits
        and all(op in pair for op in expression[1::2])
    )


@dataclass(frozen=True)
class Signs(Task):
    """``numbers``: digits in a chain; ``skew``: how much rarer each operation is than the one before it, 0 for not at all."""

    numbers: int = 5
    skew: float = SKEW

    name: ClassVar[str] = "signs"
    description: ClassVar[str] = (
        "choose one of two operations for each gap to reach a target: hard to find, easy to check"
    )
    max_tokens: ClassVar[int] = 24
    verification_max_tokens: ClassVar[int] = 64
    levels: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"numbers": 4},
        "standard": {},
        "hard": {"numbers": 7, "skew": 0.0},
    }

    def draw(self, rng: random.Random) -> Problem:
        """One problem of either split, with a target that some but not all expressions reach."""
        first = second = draw_operation(rng, skew=self.skew)
        while second == first:
            second = draw_operation(rng, skew=self.skew)
        digits = "11"
        while len(reachable(digits, first + second)) <= 2:
            digits = "".join(str(draw_digit(rng)) for _ in range(self.numbers))
        expression = fill(digits, tuple(rng.choice((first, second)) for _ in digits[1:]))
        target, pair = solve(expression)[-1], "".join(sorted(first + second))
        question = f"{'?'.join(digits)}={target} ({first}{second})"
        held_out = fraction("held out", self.name, digits, *pair) < HELD_OUT_SHARE
        return Problem(
            id=f"signs-{'?'.join(digits)}={target}({pair})",
            split="test" if held_out else "train",
            question=question,
            reference=expression,
            metadata={"numbers": self.numbers},
        )

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        """Any expression with the target's value is right. Flexible forgives spaces and what follows the expression."""
        digits, target, _ = read_question(problem.question)
        length, joined = 2 * len(digits) - 1, "".join(text[:1_000].split())
        ended = joined[length : length + 1] not in tuple(OPERATIONS + "0123456789")
        first = (
            Found(joined[:length], "first expression", len(text) - len(text.lstrip()))
            if ended
            else None
        )
        return Grade.of(
            whole(text, length + 1),
            first,
            right=lambda answer: solve(answer)[-1] == target,
            form=lambda answer: answer if is_allowed(problem.question, answer) else "",
        )

    def check(self, problem: Problem, response: str) -> Check:
        """The value worked out step by step, then compared with the target: ``9+1=0 0+5=5 5:2n``."""
        target = read_question(problem.question)[1]
        lines, current = [], response[0]
        for op, digit in zip(response[1::2], response[2::2], strict=True):
            value = str(apply(int(current), op, int(digit)))
            lines.append(f"{current}{op}{digit}={value}")
            current = value
        holds = current == str(target) and is_allowed(problem.question, response)
        return Check(" ".join([*lines, f"{current}:{target}{'y' if holds else 'n'}"]), (holds,))
