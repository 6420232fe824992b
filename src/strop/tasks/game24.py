"""The game of 24: join four numbers from 1 to 13 with + - * / and parentheses to make 24.

Of the 1,820 hands, 1,362 can be solved; those are the problems. Any expression that uses every
number exactly once and has the value 24 is right, so answers are worked out, not compared. Finding
one is a search; checking one takes three operations.
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
from strop.seeds import derive
from strop.tasks.base import (
    Check,
    Gold,
    Grade,
    Task,
    draw_distinct,
    gold_text,
    mark,
    split_of,
)
from strop.tasks.expressions import CHARACTERS, Expression, parse, work_out
from strop.tasks.extraction import Found, MappedText, whole

TARGET = 24
LARGEST = 13
HELD_OUT_SHARE = 0.5

Hand = tuple[int, ...]
Term = tuple[str, int]
"""An expression, and how tightly it binds: 0 a sum or difference, 1 a product or quotient,
2 a number."""


def join(left: Term, sign: str, right: Term) -> Term:
    """Join two terms to one, with no more parentheses than needed."""
    rank = 1 if sign in "*/" else 0
    left_text = left[0] if left[1] >= rank else f"({left[0]})"
    # a-(b-c) needs its parentheses, a+(b+c) does not
    right_binds = right[1] > rank or (right[1] == rank and sign in "+*")
    right_text = right[0] if right_binds else f"({right[0]})"
    return f"{left_text}{sign}{right_text}", rank


@cache
def partitions(hand: Hand) -> tuple[tuple[Hand, Hand], ...]:
    """Return the ways to divide a hand in two, the smaller part first.

    No two of them differ only in the order of the parts or of equal numbers.
    """
    indices = range(len(hand))
    parts: dict[tuple[Hand, Hand], None] = {}
    for size in range(1, len(hand) // 2 + 1):
        for chosen in combinations(indices, size):
            # Of two halves of equal size, only the one with the first number is taken.
            if 2 * size == len(hand) and 0 not in chosen:
                continue
            part = tuple(hand[i] for i in chosen)
            rest = tuple(hand[i] for i in indices if i not in chosen)
            parts[part, rest] = None
    return tuple(parts)


@cache
def reachable(hand: Hand) -> dict[Fraction, Term]:
    """Return every value that all numbers of a sorted hand can make, with its shortest term."""
    if len(hand) == 1:
        return {Fraction(hand[0]): (str(hand[0]), 2)}
    terms: dict[Fraction, Term] = {}
    for part, rest in partitions(hand):
        for small, large in product(reachable(part).items(), reachable(rest).items()):
            operations = [(large, sign, small) for sign in "+*-/"]
            operations += [(small, sign, large) for sign in "-/"]
            for (a, left), sign, (b, right) in operations:
                value = work_out(a, sign, b)
                term = join(left, sign, right)
                if value is None:
                    continue
                if value not in terms or len(term[0]) < len(terms[value][0]):
                    terms[value] = term
    return terms


def solutions(hand: Hand) -> Iterator[str]:
    """Yield expressions with the value 24 of a sorted hand; none only if there are none.

    The last operation divides the hand in two, and for each value of one part at most six values of
    the other lead to 24.
    """
    for part, rest in partitions(hand):
        others = reachable(rest)
        for a, term in reachable(part).items():
            # b such that "a sign b" is 24
            after = [("+", TARGET - a), ("-", a - TARGET)]
            # b such that "b sign a" is 24
            before = [("-", a + TARGET)]
            if a:
                after += [("*", TARGET / a), ("/", a / TARGET)]
                before += [("/", a * TARGET)]
            for sign, b in after:
                if b in others:
                    yield join(term, sign, others[b])[0]
            for sign, b in before:
                if b in others:
                    yield join(others[b], sign, term)[0]


@cache
def solved() -> dict[Hand, str]:
    """Return every hand that can be solved, with the shortest solution that the search yields."""
    shortest: dict[Hand, str] = {}
    for hand in combinations_with_replacement(range(1, LARGEST + 1), 4):
        solution = min(solutions(hand), key=len, default=None)
        if solution is not None:
            shortest[hand] = solution
    return shortest


@cache
def problem_of(hand: Hand) -> Problem:
    """Return the problem of a hand.

    Its numbers are in a random order that is the same in every list, so that the order says nothing
    about the solution.
    """
    question = list(hand)
    random.Random(derive("order", "game24", *hand)).shuffle(question)
    split = split_of(HELD_OUT_SHARE, "game24", *hand)
    name = "game24-" + "-".join(map(str, hand))
    return Problem(name, split, " ".join(map(str, question)), solved()[hand])


MAX_TEXT = 10_000
MAX_CANDIDATES = 100
SHORTEST = 7
"""The fewest characters of an expression of four numbers: ``1+2+3+4``."""

_LATEX = {
    r"\times": "*",
    r"\cdot": "*",
    r"\div": "/",
    r"\left": "",
    r"\right": "",
    r"\(": "$",
    r"\)": "$",
}
_LATEX_COMMAND = re.compile("|".join(map(re.escape, _LATEX)))
_LETTER_X = re.compile(r"(?<=[0-9)]) ?[xX] ?(?=[0-9(])")
_LIST_MARK = re.compile(r"^(?:[-*+•]|[0-9]{1,2}[.)]) +", re.MULTILINE)
_CHARACTER = re.escape(CHARACTERS)
# A run of characters that could be one expression and is not part of something longer, such as
# ``sqrt(4)``, ``2^3``, ``1.5`` or ``\frac{1}{2}``. The possessive ``++`` keeps the search linear.
_RUN = re.compile(
    rf"(?<![{_CHARACTER}^√\\])(?:(?= )|(?<![\w.]))[{_CHARACTER}]++"
    r"(?![\^!%]|\}\{|\.[0-9]|(?<! )\w)"
)


def numbers_of(question: str) -> list[int]:
    """Return the numbers of a question. Raises ValueError for any other text."""
    try:
        return [int(number) for number in question.split()]
    except ValueError:
        raise ValueError("a question of four numbers such as '4 5 6 10'") from None


def uses_numbers(expression: Expression, problem: Problem) -> bool:
    """Return whether the expression uses each of the problem's numbers exactly once."""
    return sorted(expression.numbers) == sorted(numbers_of(problem.question))


def read_whole(text: str) -> Expression | None:
    """Return the expression that the whole text is, with or without ``= 24`` behind it."""
    before, equals, last = text.strip().rpartition("=")
    if not equals:
        return parse(last)
    return parse(before) if last.strip(" ") == str(TARGET) else None


def read_anywhere(text: str, problem: Problem) -> Found | None:
    """Return the last expression of the problem's numbers in the text.

    Only the last MAX_TEXT characters and the last MAX_CANDIDATES possible expressions are read.
    """
    plain = _end_of(text)
    plain = plain.replaced(_LATEX_COMMAND, lambda match: _LATEX[match[0]])
    plain = plain.replaced(_LIST_MARK, lambda _: "")
    plain = plain.replaced(_LETTER_X, lambda _: "*")
    runs = [run for run in _RUN.finditer(plain.text) if len(run[0]) >= SHORTEST]
    for run in islice(reversed(runs), MAX_CANDIDATES):
        written = run[0].strip(" ").removeprefix("**").removesuffix("**")  # Markdown's bold
        expression = parse(written)
        if expression and uses_numbers(expression, problem):
            begin = run.end() - len(run[0].lstrip(" *"))
            return Found(expression.text, "last expression", plain.at[begin])
    return None


def _end_of(text: str) -> MappedText:
    """Return the last MAX_TEXT characters of the stripped text."""
    end = len(text.rstrip())
    text = text.strip()
    if len(text) <= MAX_TEXT:
        return MappedText.of(text, end - len(text))
    # The "^" in front rejects an expression whose beginning is cut off.
    return MappedText("^" + text[-MAX_TEXT:], range(end - MAX_TEXT - 1, end))


@dataclass(frozen=True)
class Game24(Task):
    """All hands that can be solved; half of them are held out."""

    name: ClassVar[str] = "game24"
    description: ClassVar[str] = (
        "the game of 24: make 24 of four numbers; hard to find, easy to check"
    )
    instruction: ClassVar[str] = (
        "Use each of these four numbers exactly once, with + - * / and parentheses, to make 24. "
        "Write the expression."
    )
    needs_reference: ClassVar[bool] = False
    max_tokens: ClassVar[int] = 64
    verification_max_tokens: ClassVar[int] = 128

    def draw(self, rng: random.Random) -> Problem:
        """Draw one problem of either split."""
        return problem_of(rng.choice(list(solved())))

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def size(self, split: str) -> int:
        return sum(problem_of(hand).split == split for hand in solved())

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return f"{problem.reference} = {TARGET}"

    def grade(self, text: str, problem: Problem) -> Grade:
        """Grade an expression of the problem's numbers.

        Strict: the response is one, with or without ``= 24``. Flexible: the last one in the text.
        """

        def form(answer: str) -> str:
            expression = read_whole(answer)
            return expression.text if expression and uses_numbers(expression, problem) else ""

        def right(answer: str) -> bool:
            expression = parse(answer)
            return expression is not None and expression.value == TARGET

        return Grade.of(whole(text), read_anywhere(text, problem), right, form)

    def read_gold(self, gold: Gold, question: str) -> str:
        """Return an expression of the question's numbers with the value 24, or 24 itself."""
        text = gold_text(gold).strip()
        expression = read_whole(text)
        if expression is None or expression.value != TARGET:
            raise ValueError("an expression with the value 24, or 24 itself; or leave it out")
        if text != str(TARGET) and sorted(expression.numbers) != sorted(numbers_of(question)):
            raise ValueError("an expression of the question's numbers, each used once")
        return text

    def check(self, problem: Problem, response: str) -> Check:
        """Work out every operation, then judge the numbers used and the value.

        For example ``13-9=4 10-4=6 4*6=24 numbers:y 24:24y``.
        """
        expression = read_whole(response)
        if expression is None:
            return Check("expression:n", (False,))
        value = "?" if expression.value is None else str(expression.value)
        numbers_hold = uses_numbers(expression, problem)
        value_holds = expression.value == TARGET
        statements = [str(step) for step in expression.steps]
        statements.append(f"numbers:{mark(numbers_hold)}")
        statements.append(f"{value}:{TARGET}{mark(value_holds)}")
        return Check(" ".join(statements), (numbers_hold, value_holds))
