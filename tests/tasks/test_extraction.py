"""Mapped texts keep each character's index, and each task's rules point at what they found."""

from __future__ import annotations

import re

import pytest

from strop.records import Problem
from strop.tasks import TASKS
from strop.tasks.extraction import Found, MappedText, whole
from tests.own_rows import on_own_rows


def test_a_mapped_text_keeps_the_indices_of_the_original() -> None:
    mapped = MappedText.of(r"2 \times 3<b>4", offset=10)
    mapped = (
        mapped.replaced(re.compile(r"\\times"), lambda _: "*")
        .replaced(re.compile("<b>"), lambda _: "")
        .replaced(re.compile(r"\*"), lambda _: "mal")
    )
    assert mapped.text == "2 mal 34" and list(mapped.at) == [10, 11, 12, 12, 12, 18, 19, 23]
    assert (
        mapped.extract(6, 8, "rule") == Found("34", "rule", 19)
        and mapped.extract(1, 2, "rule") is None
    )


def test_a_whole_text_is_cut_and_stands_where_it_begins() -> None:
    assert whole(" \n two words ", 5) == Found("two w", "whole response", 3)
    assert whole(" \n ") is None is whole("")


STRICT, FLEXIBLE = Found("a b", "strict", 0), Found("B", "flexible", 2)


RULES = [
    ("arithmetic", "1+1=2 2+3=5 #5", "after #", "5"),
    ("arithmetic", "first 1+1=2, then 2+3=5.", "last step", "5."),
    ("signs", " 9+1+1-1+5", "whole response", "9+1"),
    ("signs", "9 + 1+1-1 +5 is it", "first expression", "9 + 1"),
    ("recall", " go\n", "whole response", "go"),
    ("recall", ' ".,:Go. Yes', "first word", '".,:Go'),
    ("recall", " .:Go. Yes", "first word", "Go."),
    ("sudoku4", "So: 1234 3412 2143 4321", "first 16 digits", "1234"),
    ("prontoqa", "Rex is rusty. The answer is True.", "last sentence", "True."),
    ("prontoqa", "Rex is, I say, not true", "last true or false", "not true"),
    ("game24", " (1 + 2 + 3) * 4 = 24", "whole response", "(1"),
    ("game24", "We write\n- **(1 \\times 2 x 3)\\cdot 4** is 24. Or 1+2", "last expression", "(1 "),
    (
        "game24",
        "1+2+3 \\left( 4 " * 2_000 + "\n\n  $\\left(1+2+3\\right)\\times 4$ ",
        "last expression",
        "(1",
    ),
    ("gsm8k", "It is &#49;2. ####<b>7</b> or 8", "after ####", "7"),
    ("gsm8k", "It is 12 or \x1b[1m$1,000\x1b[0m!", "last number", "$1,000"),
    ("math", r"So \boxed{\frac12} it is.", "boxed", r"\frac12}"),
    ("math", "So $x = 5$ it is.", "last formula", "5$"),
    ("mmlu-physics", "The answer is (B).", "the answer is", "B)."),
    ("mmlu-physics", "I take option C", "last letter", "C"),
    ("natural-questions", "\nParis, France. It is", "first line", "Paris"),
    ("natural-questions", "I think. Answer: The Seine", "after Answer:", "The Seine"),
]


@pytest.mark.parametrize(("name", "text", "how", "begins"), RULES)
def test_a_rule_points_at_what_it_found(name: str, text: str, how: str, begins: str) -> None:
    task = on_own_rows(TASKS[name])
    asked = {
        "arithmetic": "1+1+3",
        "signs": "9?1?1?1?5=5 (+-)",
        "game24": "4 2 3 1",
        "sudoku4": "12.. .... .... 4321",
    }
    grade = task.grade(text, Problem("p", "test", asked.get(name, "?"), "?"))
    assert (
        grade.found_by == how
        and grade.found_at is not None
        and text[grade.found_at :].startswith(begins)
    ), grade
