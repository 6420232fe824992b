"""Random and adversarial texts for every grader: none crashes it, runs code or takes long.

The ordinary suite tries 2,000 texts; ``make fuzz`` sets STROP_FUZZ=100000.
"""

from __future__ import annotations

import os
import random
import time

import pytest

from strop.records import Problem
from strop.seeds import derive
from strop.tasks import TASKS, Grade, Task, math_workers
from tests.own_rows import on_own_rows

TEXTS = int(os.environ.get("STROP_FUZZ", "2000"))
LIMIT = 2.0
TASKS_TRIED = [on_own_rows(task) for task in TASKS.values()]

CANARY = "strop_was_executed"
ATTACKS = (
    f"__import__('os').environ.setdefault('{CANARY}', '1')",
    f"{{{{config.__class__.__init__.__globals__['os'].system('{CANARY}')}}}}",
    "10**10**10",
    "9^{9^{9^{9}}}",
    "factorial(99999999)",
    "((((((" * 500,
    "[" * 5_000,
    "{" * 5_000 + "}" * 5_000,
    r"\frac{" * 400 + "1" + "}{1}" * 400,
    r"\boxed{" * 300 + "1" + "}" * 300,
    r"\input{/etc/passwd}",
    r"\def\a{\a\a}\a",
    r"\newcommand{\x}{\x\x}\x",
    r"$\int_0^\infty x^{x^x} dx$",
    "a" * 30 + "!",
    "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1x",
    "-" * 3_000 + "5",
    "#" * 3_000,
    "#### " * 1_000,
    "The answer is " * 1_000,
    "<script>alert(1)</script>42",
    "\x1b[31m#### 42\x1b[0m",
    "\u202e24 = 4*6",
    "١٢٣",
    "１２３",
    "½ ⅔",
    "\x00\x00",
    "\ud7ff\ufffe",
    "𝟜𝟚",
    "−7",
    "–7",
    "$1,234.50.",
    "1e308" * 50,
    "0." + "0" * 5_000 + "1",
    "9" * 5_000,
    "1/" * 2_000 + "1",
    "1 / 0",
    "0/0",
    "NaN",
    "inf",
    "True False " * 800,
    "(A) or (B) or (C) or (D)",
    "\\" * 4_000,
    "$" * 4_000,
    "{}" * 2_000,
    "(" * 190 + "1" + ")" * 190,
    "1 2 3 4 " * 1_000,
    "=" * 3_000,
    "\n" * 5_000,
    " \t" * 3_000,
    "''' \"\"\"",
    "%s%n%d" * 500,
)
ALPHABETS = (
    "0123456789.,-$% #",
    "0123456789+-*/()= \n",
    "\\{}[]^_$&frac boxed1234567890",
    "ABCD() .answer isThe\n",
    "1234. ",
    "truefalse .\n",
)


def texts(task: Task, count: int) -> list[str]:
    """Make attacks, mutated right responses, and noise from alphabets that matter to graders."""
    rng = random.Random(derive("fuzz", task.label))
    golds = [task.gold_response(problem) for problem in task.problems("test", 10, seed=0)]
    made = []
    for number in range(count):
        kind = number % 4
        if kind == 0:
            made.append(
                rng.choice(ATTACKS)
                if rng.random() < 0.5
                else f"{rng.choice(golds)} {rng.choice(ATTACKS)} {rng.choice(golds)}"
            )
        elif kind == 1:
            made.append(mutated(rng.choice(golds), rng))
        elif kind == 2:
            made.append("".join(rng.choices(rng.choice(ALPHABETS), k=rng.randrange(120))))
        else:
            made.append(
                "".join(
                    chr(
                        rng.choice(
                            (rng.randrange(32, 127), rng.randrange(0x250), rng.randrange(0xD800))
                        )
                    )
                    for _ in range(rng.randrange(80))
                )
            )
    return made


def mutated(text: str, rng: random.Random) -> str:
    """Delete, double, replace or move a few characters."""
    chars = list(text)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(chars) + 1)
        chars[place : place + rng.randrange(3)] = rng.choice(
            (
                "",
                rng.choice(text or " "),
                "#",
                "\\",
                "{",
                "}",
                "-",
                "9",
                "\n",
                text[: rng.randrange(20)],
            )
        )
    return "".join(chars)


def graded(text: str, task: Task, problem: Problem) -> Grade:
    """Return the grade, which must take less than LIMIT seconds in one of three tries.

    The seconds are those of an idle machine: other processes may slow this one down.
    """
    for _ in range(3):
        math_workers._same_forms.cache_clear()
        started = time.perf_counter()
        grade = task.grade(text, problem)
        taken = time.perf_counter() - started
        if taken < LIMIT or taken < LIMIT * slowdown():
            return grade
    pytest.fail(f"slow: {text[:200]}")


def slowdown() -> float:
    """Measure the seconds that a second of processor time takes on the busy machine."""
    wall, processor = time.perf_counter(), time.process_time()
    while time.process_time() - processor < 0.1:
        pass
    return (time.perf_counter() - wall) / 0.1


@pytest.mark.parametrize("task", TASKS_TRIED, ids=lambda task: task.label)
def test_no_text_breaks_a_grader(task: Task) -> None:
    problems = task.problems("test", 10, seed=0)
    for number, text in enumerate(texts(task, TEXTS // len(TASKS_TRIED) + 1)):
        problem = problems[number % len(problems)]
        grade = graded(text, task, problem)
        assert (
            grade.utility_strict in (0.0, 1.0)
            and grade.utility_strict <= grade.utility_flexible <= 1.0
        ), text
        assert grade.utility_strict == 0.0 or grade.answer_strict is not None
    assert CANARY not in os.environ


@pytest.mark.parametrize("task", TASKS_TRIED, ids=lambda task: task.label)
def test_a_megabyte_of_anything_is_quick(task: Task) -> None:
    problem = task.problems("test", 1, seed=0)[0]
    gold = task.gold_response(problem)
    for unit in (
        "1",
        ",",
        "{",
        "\\frac",
        "#### ",
        "$",
        "(",
        "\n",
        "The answer is (A). ",
        "a b ",
        "ﷺ",
        f"{gold} ",
    ):
        graded((unit * 1_000_000)[:1_000_000], task, problem)
