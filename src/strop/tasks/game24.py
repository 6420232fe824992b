"""The game of 24: join four numbers from 1 to 13 with + - * / and parentheses so that they make 24.

Of the 1,820 hands, 1,362 can be solved; those are the problems. Any expression that uses every number exactly once and is worth 24 is
right, so answers are worked out, not compared. Finding one is a search; checking one takes three operations.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, combinations_with_replacement, islice, product
from typing import ClassVar

from strop.records import Problem
from strop.seeds import derive, fraction
from strop.tasks.base import Check, Grade, Task, draw_distinct
from strop.tasks.expressions import CHARACTERS, Expression, parse, work_out
from strop.tasks.extraction import Found, Seen, whole

TARGET = 24
LARGEST = 13
HELD_OUT_SHARE = 0.5

Hand = tuple[int, ...]
Term = tuple[str, int]
"""An expression as text, and how tightly it binds: 0 a sum or difference, 1 a product or quotient, 2 a number."""


def join(left: Term, sign: str, right: Term) -> Term:
    """Two terms as one, with no more parentheses than needed."""
    rank = int(sign in "*/")
    first = left[0] if left[1] >= rank else f"({left[0]})"
    second = right[0] if right[1] > rank or (right[1] == rank and sign in "+*") else f"({right[0]})"
    return f"{first}{sign}{second}", rank


@cache
def partitions(hand: Hand) -> tuple[tuple[Hand, Hand], ...]:
    """The ways to part a hand in two, the smaller part first; none differs from another in order only."""
    places = range(len(hand))
    chosen = [
        some
        for size in range(1, len(hand) // 2 + 1)
        for some in combinations(places, size)
        if 2 * size < len(hand) or 0 in some
    ]
    parts = (
        (tuple(hand[i] for i in some), tuple(hand[i] for i in places if i not in some))
        for some in chosen
    )
    return tuple(dict.fromkeys(parts))


@cache
def reachable(hand: Hand) -> dict[Fraction, Term]:
    """Every value that all the numbers of a sorted hand can make, with the shortest way to make it."""
    if len(hand) == 1:
        return {Fraction(hand[0]): (str(hand[0]), 2)}
    found: dict[Fraction, Term] = {}
    for part, rest in partitions(hand):
        for small, large in product(reachable(part).items(), reachable(rest).items()):
            for (a, left), sign, (b, right) in [(large, s, small) for s in "+*-/"] + [
                (small, s, large) for s in "-/"
            ]:
                value, term = work_out(a, sign, b), join(left, sign, right)
                if value is not None and (
                    value not in found or len(term[0]) < len(found[value][0])
                ):
                    found[value] = term
    return found


def solutions(hand: Hand) -> Iterator[str]:
    """Expressions worth 24 of a sorted hand; none only if there are none.

    The last operation parts the hand in two, and each value of one part leaves at most six that the other could have.
    """
    for part, rest in partitions(hand):
        others = reachable(rest)
        for a, term in reachable(part).items():
            after = [("+", TARGET - a), ("-", a - TARGET)] + (
                [("*", TARGET / a), ("/", a / TARGET)] if a else []
            )
            before = [("-", a + TARGET)] + ([("/", a * TARGET)] if a else [])
            yield from (join(term, sign, others[b])[0] for sign, b in after if b in others)
            yield from (join(others[b], sign, term)[0] for sign, b in before if b in others)


@cache
def solved() -> dict[Hand, str]:
    """Every hand that can be solved, with the shortest of its solutions that the search meets."""
    hands = combinations_with_replacement(range(1, LARGEST + 1), 4)
    return {
        hand: found
        for hand in hands
        if (found := min(solutions(hand), key=len, default=None)) is not None
    }


@cache
def problem_of(hand: Hand) -> Problem:
    """The problem of a hand. Its numbers stand in an order that gives nothing away, the same in every list."""
    question = list(hand)
    random.Random(derive("order", "game24", *hand)).shuffle(question)
    split = "test" if fraction("held out", "game24", *hand) < HELD_OUT_SHARE else "train"
    return Problem(
        "game24-" + "-".join(map(str, hand)), split, " ".join(map(str, question)), solved()[hand]
    )


READ, CANDIDATES = 10_000, 100
_LATEX = {
    r"\times": "*",
    r"\cdot": "*",
    r"\div": "/",
    r"\left": "",
    r"\right": "",
    r"\(": "$",
    r"\)": "$",
}
_SPELLED = re.compile("|".join(map(re.escape, _LATEX)))
_LETTER_X = re.compile(r"(?<=[0-9)]) ?[xX] ?(?=[0-9(])")
_LIST_MARK = re.compile(r"^(?:[-*+•]|[0-9]{1,2}[.)]) +", re.MULTILINE)
_C = re.escape(CHARACTERS)
_RUN = re.compile(rf"(?<![{_C}^√\\])(?:(?= )|(?<![\w.]))[{_C}]++(?![\^!%]|\}}\{{|\.[0-9]|(?<! )\w)")
"""All that could be read as one expression and is not part of something longer: ``sqrt(4)``, ``2^3``, ``1.5``, ``\\frac{1}{2}``."""


def uses(expression: Expression | None, problem: Problem) -> bool:
    """Is this an expression of exactly the problem's numbers?"""
    return expression is not None and sorted(expression.numbers) == sorted(
        map(int, problem.question.split())
    )


def read_whole(text: str) -> Expression | None:
    """The expression that the text is, but for ``= 24`` behind it."""
    before, equals, last = text.strip().rpartition("=")
    if not equals:
        return parse(last)
    return parse(before) if last.strip(" ") == str(TARGET) else None


def read_anywhere(text: str, problem: Problem) -> Found | None:
    """The last expression of the problem's numbers that stands in the text. Of a long text only the end is read."""
    end, text = len(text.rstrip()), text.strip()
    seen = Seen.of(text, end - len(text))
    if len(text) > READ:
        seen = Seen(
            "^" + text[-READ:], range(end - READ - 1, end)
        )  # so that an expression which is cut off there does not count
    seen = seen.replaced(_SPELLED, lambda match: _LATEX[match[0]])
    seen = seen.replaced(_LIST_MARK, lambda _: "").replaced(_LETTER_X, lambda _: "*")
    runs = [run for run in _RUN.finditer(seen.text) if len(run[0]) >= 7]
    for run in islice(reversed(runs), CANDIDATES):
        expression = parse(run[0].strip(" ").removeprefix("**").removesuffix("**"))
        if expression and uses(expression, problem):
            begin = run.end() - len(run[0].lstrip(" *"))
            return Found(expression.text, "last expression", seen.at[begin])
    return None


@dataclass(frozen=True)
class Game24(Task):
    """All hands that can be solved; half of them are held out."""

    name: ClassVar[str] = "game24"
    description: ClassVar[str] = (
        "the game of 24: make 24 of four numbers; hard to find, easy to check"
    )
    instruction: ClassVar[str] = (
        "Use each of these four numbers exactly once, with + - * / and parentheses, to make 24. Write the expression."
    )
    max_tokens: ClassVar[int] = 64
    verification_max_tokens: ClassVar[int] = 128

    def draw(self, rng: random.Random) -> Problem:
        """One problem of either split."""
        return problem_of(rng.choice(list(solved())))

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def size(self, split: str) -> int:
        return sum(problem_of(hand).split == split for hand in solved())

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return f"{problem.reference} = {TARGET}"

    def grade(self, text: str, problem: Problem) -> Grade:
        """Strict: one expression of the problem's numbers, with or without ``= 24``. Flexible: the last one in the text."""

        def form(answer: str) -> str:
            expression = read_whole(answer)
            return expression.text if expression and uses(expression, problem) else ""

        def right(answer: str) -> bool:
            expression = parse(answer)
            return expression is not None and expression.value == TARGET

        return Grade.of(whole(text), read_anywhere(text, problem), right, form)

    def check(self, problem: Problem, response: str) -> Check:
        """Every operation worked out, then the numbers and the value judged: ``13-9=4 10-4=6 4*6=24 numbers:y 24:24y``."""
        expression = read_whole(response)
        if expression is None:
            return Check("expression:n", (False,))
        value = "?" if expression.value is None else str(expression.value)
        holds = (uses(expression, problem), expression.value == TARGET)
        numbers, right = ("y" if hold else "n" for hold in holds)
        return Check(
            " ".join(
                [*map(str, expression.steps), f"numbers:{numbers}", f"{value}:{TARGET}{right}"]
            ),
            holds,
        )
