"""Arithmetic as text: what an expression is worth, exactly, and which numbers stand in it.

Integers, + - * / and parentheses; nothing else, and no sign before a number. Short texts only, so that every reading is bounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_LENGTH = 200
SIGNS = str.maketrans(
    {"×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "−": "-", "–": "-"}
)
CHARACTERS = " 0123456789()+*/-" + "".join(map(chr, SIGNS))
"""All that a readable expression is made of."""

_READABLE = re.compile(r"[ 0-9()+*/-]*")
_TOKEN = re.compile(
    r"0|[1-9][0-9]{0,3}|[()+*/-]"
)  # a longer number falls in two, and two numbers in a row are no expression
_RANK = {"(": 0, ")": 1, "+": 2, "-": 2, "*": 3, "/": 3}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation worked out; ``result`` is None for a division by zero."""

    left: Fraction
    sign: str
    right: Fraction
    result: Fraction | None

    def __str__(self) -> str:
        """``13-9=4``, ``8/(1/3)=24``, ``4/0=?``: operands that are negative or no integers stand in parentheses."""
        left, right = (
            str(x) if x.denominator == 1 and x >= 0 else f"({x})" for x in (self.left, self.right)
        )
        return f"{left}{self.sign}{right}={'?' if self.result is None else self.result}"


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression that could be read: ``text`` in plain signs without spaces, its ``numbers`` and ``steps`` in order.

    ``value`` is None where something is divided by zero; ``steps`` then leave out what depends on that.
    """

    text: str
    value: Fraction | None
    numbers: tuple[int, ...]
    steps: tuple[Step, ...]


def work_out(left: Fraction, sign: str, right: Fraction) -> Fraction | None:
    """The value of one operation, None for a division by zero."""
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    return left / right if right else None


def parse(text: str) -> Expression | None:
    """The expression that the whole text is, or None. Never raises, whatever the text.

    Precedence is the usual one, and equals are worked out from left to right. Two stacks instead of recursion: no depth is too deep.
    """
    plain = text.translate(SIGNS) if len(text) <= MAX_LENGTH else ""
    tokens = _TOKEN.findall(plain) if _READABLE.fullmatch(plain) else []
    values: list[Fraction | None] = []
    pending, steps = ["("], list[Step]()  # this parenthesis is closed behind the last token
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
    numbers = tuple(int(token) for token in tokens if token.isdigit())
    return None if pending else Expression("".join(tokens), values[0], numbers, tuple(steps))


def _reduce(values: list[Fraction | None], sign: str, steps: list[Step]) -> None:
    """Replace the last two values by what ``sign`` makes of them."""
    right, left = values.pop(), values.pop()
    if left is None or right is None:
        values.append(None)
        return
    values.append(work_out(left, sign, right))
    steps.append(Step(left, sign, right, values[-1]))
