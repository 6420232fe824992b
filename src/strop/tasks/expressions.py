"""Exact values of arithmetic expressions in a text, and the numbers that they use.

An expression consists of integers, + - * / and parentheses, without a sign before a number. Only
short texts are read, so every reading is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_LENGTH = 200
SIGNS = str.maketrans("×·⋅∗÷∕−–", "****//--")
CHARACTERS = " 0123456789()+*/-" + "".join(map(chr, SIGNS))
"""All characters that a readable expression can contain."""

_READABLE = re.compile(r"[ 0-9()+*/-]*")
# A longer number matches as two, and two numbers in a row are no expression.
_TOKEN = re.compile(r"0|[1-9][0-9]{0,3}|[()+*/-]")
_RANK = {"(": 0, ")": 1, "+": 2, "-": 2, "*": 3, "/": 3}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation and its ``result``, which is None for a division by zero."""

    left: Fraction
    sign: str
    right: Fraction
    result: Fraction | None

    def __str__(self) -> str:
        """Write the step: ``13-9=4``, ``8/(1/3)=24``, ``4/0=?``.

        Operands that are negative or not integers stand in parentheses.
        """
        result = "?" if self.result is None else self.result
        return f"{_operand(self.left)}{self.sign}{_operand(self.right)}={result}"


def _operand(value: Fraction) -> str:
    return str(value) if value.denominator == 1 and value >= 0 else f"({value})"


@dataclass(frozen=True, slots=True)
class Expression:
    """A readable expression.

    ``text`` has plain signs and no spaces; ``numbers`` and ``steps`` are in order. ``value`` is
    None if a division by zero occurs; ``steps`` then leave out what depends on it.
    """

    text: str
    value: Fraction | None
    numbers: tuple[int, ...]
    steps: tuple[Step, ...]


def work_out(left: Fraction, sign: str, right: Fraction) -> Fraction | None:
    """Return the value of one operation, or None for a division by zero."""
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    return left / right if right else None


def parse(text: str) -> Expression | None:
    """Return the expression that the whole text is, or None. No text raises an error.

    Precedence is the usual one, and operations of the same rank are worked out from left to right.
    Two stacks instead of recursion (the shunting-yard algorithm): no depth is too deep.
    """
    plain = text.translate(SIGNS) if len(text) <= MAX_LENGTH else ""
    tokens = _TOKEN.findall(plain) if _READABLE.fullmatch(plain) else []
    values: list[Fraction | None] = []
    steps: list[Step] = []
    # One more pair of parentheses around everything: closing it works out what is left.
    pending = ["("]
    after_operand = False
    for token in [*tokens, ")"]:
        starts_operand = token == "(" or token.isdigit()
        if starts_operand == after_operand or not pending:
            return None
        if token.isdigit():
            values.append(Fraction(token))
        elif token == "(":
            pending.append(token)
        else:
            while _RANK[pending[-1]] >= _RANK[token]:
                _reduce(values, pending.pop(), steps)
            if token == ")":
                pending.pop()
            else:
                pending.append(token)
        after_operand = token == ")" or token.isdigit()
    if pending:
        return None
    numbers = tuple(int(token) for token in tokens if token.isdigit())
    return Expression("".join(tokens), values[0], numbers, tuple(steps))


def _reduce(values: list[Fraction | None], sign: str, steps: list[Step]) -> None:
    """Replace the last two values by the result of ``sign`` on them, and record the step."""
    right = values.pop()
    left = values.pop()
    if left is None or right is None:
        values.append(None)
        return
    result = work_out(left, sign, right)
    values.append(result)
    steps.append(Step(left, sign, right, result))
