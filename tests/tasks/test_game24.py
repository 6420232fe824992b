"""The game of 24, compared with an evaluator and a search that share no code with it.

Covers ``game24.py`` and ``expressions.py``.
"""

from __future__ import annotations

import ast
import operator
import random
import re
import time
from collections import Counter
from fractions import Fraction
from itertools import combinations, combinations_with_replacement

import pytest

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.expressions import MAX_LENGTH, parse
from strop.tasks.game24 import Game24, problem_of, solved

TASK = Game24()
PROBLEM = Problem("p", "test", "4 9 10 13", "(10-4)*(13-9)")
OPERATIONS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def evaluate(text: str) -> tuple[Fraction | None, list[int]] | None:
    """Return the value and the numbers of an expression, by Python's own grammar.

    Four operations and integers of four digits; the value is None for a division by zero.
    """
    numbers: list[int] = []
    if re.search(r"(?<![0-9])00", text):  # the one leading zero that Python lets pass
        return None

    def walk(node: ast.expr) -> Fraction | None:
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS:
            left, right = walk(node.left), walk(node.right)
            if left is None or right is None or (isinstance(node.op, ast.Div) and right == 0):
                return None
            return OPERATIONS[type(node.op)](left, right)
        if not isinstance(node, ast.Constant) or type(node.value) is not int or node.value > 9999:
            raise SyntaxError
        numbers.append(node.value)
        return Fraction(node.value)

    try:
        return walk(ast.parse(text.strip(), mode="eval").body), numbers
    except SyntaxError:
        return None


def is_right(text: str, question: str) -> bool:
    read = evaluate(text)
    return (
        read is not None
        and read[0] == 24
        and Counter(read[1]) == Counter(map(int, question.split()))
    )


def can_make_24(values: tuple[Fraction, ...]) -> bool:
    """Search as usual: join any two numbers, and go on with one number fewer."""
    if len(values) == 1:
        return values[0] == 24
    for i, j in combinations(range(len(values)), 2):
        a, b = values[i], values[j]
        rest = tuple(value for place, value in enumerate(values) if place not in (i, j))
        made = {a + b, a - b, b - a, a * b} | ({a / b} if b else set()) | ({b / a} if a else set())
        if any(can_make_24((value, *rest)) for value in made):
            return True
    return False


def test_1362_of_1820_hands_can_be_solved() -> None:
    hands = list(combinations_with_replacement(range(1, 14), 4))
    assert len(hands) == 1820 and len(solved()) == 1362 and set(solved()) <= set(hands)
    for hand in random.Random(0).sample(hands, 120):
        assert can_make_24(tuple(map(Fraction, hand))) == (hand in solved()), hand


def test_every_printed_solution_is_right_and_reads_back_unchanged() -> None:
    for hand, solution in solved().items():
        problem = problem_of(hand)
        assert problem.reference == solution and is_right(solution, problem.question)
        assert sorted(map(int, problem.question.split())) == list(hand)
        for text in (
            solution,
            TASK.gold_response(problem),
            " " + solution.replace("*", " × ").replace("-", " − ") + "=24\n",
        ):
            grade = TASK.grade(text, problem)
            assert (grade.answer_strict, grade.answer_flexible) == (solution, solution)
            assert grade.utility_strict == grade.utility_flexible == 1.0
        assert TASK.check(problem, TASK.gold_response(problem)).correct


def mutate(text: str, rng: random.Random) -> str:
    """Make one small change: replace, delete, insert or swap characters."""
    at, other = rng.randrange(len(text)), rng.randrange(len(text))
    kind = rng.randrange(5)
    if kind == 0:
        return text[:at] + rng.choice("123456789+-*/()") + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2:
        return text[:at] + rng.choice("0123456789+-*/() ") + text[at:]
    if kind == 3:
        characters = list(text)
        characters[at], characters[other] = characters[other], characters[at]
        return "".join(characters)
    operators = [place for place, character in enumerate(text) if character in "+-*/"]
    at = rng.choice(operators)
    return text[:at] + rng.choice("+-*/") + text[at + 1 :]


def test_changed_solutions_are_judged_as_by_the_independent_evaluator() -> None:
    rng = random.Random(1)
    verdicts: Counter[bool] = Counter()
    readable: Counter[bool] = Counter()
    judged = set()
    for hand, solution in solved().items():
        problem = problem_of(hand)
        for _ in range(9):
            text = mutate(solution, rng)
            text = mutate(text, rng) if rng.random() < 0.3 else text
            expected = is_right(text, problem.question)
            grade = TASK.grade(text + rng.choice(("", " = 24", "=24")), problem)
            assert (grade.utility_strict, grade.utility_flexible) == (expected, expected), (
                text,
                problem.question,
            )
            assert TASK.check(problem, text).correct == expected, (text, problem.question)
            found, read = parse(text), evaluate(text)
            assert (found is None) == (read is None), text
            assert found is None or read is None or (found.value, list(found.numbers)) == read, text
            verdicts[expected] += 1
            readable[found is not None] += 1
            judged.add((hand, text))
    assert len(judged) >= 10_000 and min(verdicts.values()) > 300 and min(readable.values()) > 1_000


GOLD = "(10-4)*(13-9)"
HARD = [
    (GOLD, 1, 1),
    (f"{GOLD}=24", 1, 1),
    (f"  {GOLD} = 24 \n", 1, 1),
    ("( 10 − 4 ) × ( 13 – 9 )", 1, 1),
    ("((((10-4)))*((13-9)))", 1, 1),
    ("(10-4)·(13-9)", 1, 1),
    ("4*(10-13+9)", 1, 1),
    ("(13-9)*(10-4) = 24", 1, 1),
    ("(9-13)*(4-10)", 1, 1),
    (f"24 = {GOLD}", 0, 1),
    (f"{GOLD} = 24 = 24", 0, 1),
    (f"{GOLD} = 25", 0, 1),
    (f"{GOLD} = 6*4 = 24", 0, 1),
    (f"{GOLD} = 24.", 0, 1),
    (f"Answer: {GOLD} = 24", 0, 1),
    (f"**{GOLD}**", 0, 1),
    (f"**Answer:** {GOLD}", 0, 1),
    (f"- {GOLD}", 0, 1),
    (f"1) {GOLD}", 0, 1),
    (f"2. {GOLD}", 0, 1),
    (f"So we get {GOLD} which is 24!", 0, 1),
    (f"`{GOLD}`", 0, 1),
    (f"4 9 10 13\n{GOLD}", 0, 1),
    (f"Sure! {GOLD} = 24", 0, 1),
    ("√(10-4)*(13-9)", 0, 0),
    ("2^(10-4)*(13-9)", 0, 0),
    ("3!*(10-4)*(13-9)", 0, 0),
    (r"\boxed{(10-4) \times (13-9)}", 0, 1),
    (r"\( \left(10-4\right) \cdot (13-9) \)", 0, 1),
    ("(10-4) x (13-9) = 24", 0, 1),
    ("10+4+13-9\n(10-4)*(13-9)", 0, 1),
    (f"{GOLD}\nNumbers: 1 2 3 4\n1*2*3*4", 0, 1),
    (f"{GOLD}\n(10-4)*(13-9)*1 = 24", 0, 1),
    ("(10-4)*(13-9)\nor rather 10+4+13-9", 0, 0),
    ("10+4+13-9", 0, 0),
    ("10+4+13-9 = 24", 0, 0),
    ("4*(10-9)+13", 0, 0),
    ("13-9=4 10-4=6 6*4=24", 0, 0),
    ("4*6", 0, 0),
    ("24", 0, 0),
    ("= 24", 0, 0),
    ("=", 0, 0),
    ("", 0, 0),
    ("4 9 10 13", 0, 0),
    ("(10-4)*(13-9)*1", 0, 0),
    ("(10-4)*(9-4-1)", 0, 0),
    ("(10-4)*4", 0, 0),
    ("(10-4)*(13-9)+4-4", 0, 0),
    ("12+12", 0, 0),
    ("4/(9-9)*10+13", 0, 0),
    ("4+9+10/(13-13)", 0, 0),
    ("13/(9*0+10-10)", 0, 0),
    ("(10-4)(13-9)", 0, 0),
    ("(10-4)*(13-9", 0, 0),
    ("10-4)*(13-9)", 0, 0),
    ("(10-4)*(13-9))", 0, 0),
    ("()", 0, 0),
    ("(10-4)**(13-9)", 0, 0),
    ("2**(10-4)*(13-9)", 0, 0),
    ("-(4-10)*(13-9)", 0, 0),
    ("(-4+10)*(13-9)", 0, 0),
    ("(1 0-4)*(13-9)", 0, 0),
    ("(010-4)*(13-9)", 0, 0),
    ("(10.0-4)*(13-9)", 0, 0),
    ("(1_0-4)*(13-9)", 0, 0),
    ("(٤-10)*(9-13)", 0, 0),
    ("(10-4)*(13-9)!", 0, 0),
    ("(10-4)*(13-9)^2", 0, 0),
    ("sqrt(10-4)*(13-9)", 0, 0),
    ("f(10-4)*(13-9)", 0, 0),
    ("0.(10-4)*(13-9)", 0, 0),
    ("(10-4)*(13-9)x", 0, 0),
    (r"\frac{(10-4)*(13-9)}{1}", 0, 0),
    ("__import__('os').system('true')", 0, 0),
    ("10**10**10", 0, 0),
    ("9" * 5000 + "*0+24", 0, 0),
    ("lambda: 24", 0, 0),
    ("\x00", 0, 0),
    ("(10-4)*\n(13-9)", 0, 0),
    ("(10-4)//(13-9)", 0, 0),
    ("10 choose 4", 0, 0),
]


@pytest.mark.parametrize(("text", "strict", "flexible"), HARD)
def test_hard_cases(text: str, strict: float, flexible: float) -> None:
    grade = TASK.grade(text, PROBLEM)
    assert (grade.utility_strict, grade.utility_flexible) == (strict, flexible)
    assert TASK.check(PROBLEM, text).correct == strict


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        (" ( 10 - 4 )×(13−9) = 24", GOLD, GOLD),
        ("10+4+13-9", "10+4+13-9", "10+4+13-9"),
        ("10+4+13", None, None),
        (f"{GOLD} or 10+4+13-9, maybe", None, "10+4+13-9"),
        ("4/(9-9)*10+13", None, None),
        ("9/(13-13)", None, None),
        (f"{GOLD} = 25", None, GOLD),
        ("nothing", None, None),
    ],
)
def test_answers_are_plain_expressions_of_the_right_numbers(
    text: str, strict: str | None, flexible: str | None
) -> None:
    grade = TASK.grade(text, PROBLEM)
    assert (grade.answer_strict, grade.answer_flexible) == (strict, flexible)


HUGE = {
    "parentheses": "(" * 1_000_000,
    "pairs": "()" * 500_000,
    "nested": "(" * 10_000 + "4" + ")" * 10_000,
    "digits": "9" * 1_000_000,
    "spaces": " " * 1_000_000,
    "gold again and again": GOLD * 80_000,
    "products": "9*" * 500_000 + "9",
    "lines": "1+2+3+4\n" * 125_000,
    "equals": "=24" * 300_000,
    "letters": "x " * 500_000,
    "list": "1) " * 330_000,
    "stars": "**" * 500_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_a_megabyte_takes_milliseconds(text: str) -> None:
    start = time.process_time()
    grade, check = TASK.grade(text, PROBLEM), TASK.check(PROBLEM, text)
    assert time.process_time() - start < 0.2
    assert grade.utility_flexible == 0.0 and not check.correct


def test_of_a_long_text_the_end_is_read_but_nothing_that_is_cut_off() -> None:
    assert TASK.grade("word " * 100_000 + GOLD, PROBLEM).utility_flexible == 1.0
    assert TASK.grade(GOLD + " word" * 100_000, PROBLEM).utility_flexible == 0.0
    assert (
        TASK.grade(GOLD + "\n" * 20_000, PROBLEM).utility_strict
        == TASK.grade(f"so {GOLD}" + "\n" * 20_000, PROBLEM).utility_flexible
        == 1.0
    )
    cut = "0*" * 50 + GOLD
    for extra in range(9_980, 10_001):
        assert (
            TASK.grade(cut + "\n" * 3 + "." * (extra - len(GOLD)), PROBLEM).utility_flexible == 0.0
        )


def test_what_is_read_is_bounded_and_depth_is_not() -> None:
    deep = "(" * 99 + "4" + ")" * 99
    assert len(deep) < MAX_LENGTH and (found := parse(deep)) is not None and found.value == 4
    assert parse("1" + "+1" * 99) is not None and parse("1" + "+1" * 100) is None
    assert parse("9999+1") is not None and parse("10000+1") is None


@pytest.mark.parametrize(
    ("text", "value", "numbers", "steps"),
    [
        ("2+3*4-6/2", Fraction(11), (2, 3, 4, 6, 2), "3*4=12 2+12=14 6/2=3 14-3=11"),
        ("8-4-2", Fraction(2), (8, 4, 2), "8-4=4 4-2=2"),
        ("8/4/2", Fraction(1), (8, 4, 2), "8/4=2 2/2=1"),
        ("8/(3-8/3)", Fraction(24), (8, 3, 8, 3), "8/3=8/3 3-(8/3)=1/3 8/(1/3)=24"),
        ("(4-10)*(9-13)", Fraction(24), (4, 10, 9, 13), "4-10=-6 9-13=-4 (-6)*(-4)=24"),
        ("1/(2-2)+3*4", None, (1, 2, 2, 3, 4), "2-2=0 1/0=? 3*4=12"),
        ("7", Fraction(7), (7,), ""),
    ],
)
def test_operations_are_worked_out_innermost_first(
    text: str, value: Fraction | None, numbers: tuple[int, ...], steps: str
) -> None:
    found = parse(text)
    assert found is not None and (found.value, found.numbers, " ".join(map(str, found.steps))) == (
        value,
        numbers,
        steps,
    )


@pytest.mark.parametrize(
    ("response", "text", "holds"),
    [
        ("(13-9)*(10-4) = 24", "13-9=4 10-4=6 4*6=24 numbers:y 24:24y", (True, True)),
        ("4+9+10-13", "4+9=13 13+10=23 23-13=10 numbers:y 10:24n", (True, False)),
        ("12+12", "12+12=24 numbers:n 24:24y", (False, True)),
        ("4/(9-9)", "9-9=0 4/0=? numbers:n ?:24n", (False, False)),
        ("24 = 4+", "expression:n", (False,)),
    ],
)
def test_check_is_written_out(response: str, text: str, holds: tuple[bool, ...]) -> None:
    check = TASK.check(PROBLEM, response)
    assert (check.text, check.holds) == (text, holds)


def test_each_hand_is_one_problem_of_one_split() -> None:
    of = {
        split: {problem.id: problem for problem in TASK.problems(split, 600, seed=5)}
        for split in ("train", "test")
    }
    again = {problem.id: problem for problem in TASK.problems("test", 600, seed=6)}
    hands = [
        tuple(sorted(map(int, problem.question.split())))
        for problems in of.values()
        for problem in problems.values()
    ]
    assert len(set(hands)) == 1200 and set(hands) <= set(solved())
    shared = of["test"].keys() & again.keys()
    assert (
        len(shared) > 400
        and all(of["test"][key] == again[key] for key in shared)
        and list(of["test"]) != list(again)
    )
    in_order = sum(
        list(map(int, p.question.split())) == sorted(map(int, p.question.split()))
        for p in of["test"].values()
    )
    assert in_order < 100
    with pytest.raises(
        UsageError,
        match=r"asked for 1000 test problems, but only 6\d\d different ones could be drawn; "
        "ask for fewer",
    ):
        TASK.problems("test", 1000, seed=0)
