"""Facts about the embedded tasks, worked out by other means."""

from __future__ import annotations

import pytest

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks import Arithmetic, Recall, Signs, Sudoku4
from strop.tasks.signs import choices
from strop.tasks.sudoku4 import GRIDS, UNITS, has_one_solution


def chain(question: str, reference: str) -> Problem:
    return Problem("p", "test", question, reference)


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        ("9*3=7 7+1=8 #8", 1, 1), (" 9*3=7 7+1=8 #8 ", 1, 1), ("9*3=7 7+1=8", 0, 1), ("9*3=7, then 7+1=8, so #8.", 0, 1),
        ("9*3=7 7+1=9 #9", 0, 0), ("9*3=6 6+2=8 #8", 0, 0), ("#8", 0, 0), ("8", 0, 0), ("", 0, 0),
        ("9*3=7 7+1=8 #7", 0, 0), ("9*3=7 7+1=8 8+0=8 #8", 0, 0), ("7+1=8 9*3=7 #7", 0, 0), ("9*3=7\n7+1=8\n#8", 0, 1),
        ("9*3=27 7+1=8 #8", 0, 0), ("9*3=7 7+1=8 #8 and more", 0, 1), ("9 * 3 = 7 7 + 1 = 8 #8", 0, 0),
        ("9*3=7 7+1=8 #87", 0, 0), ("9*3=7 7+1=88 #8", 0, 0),
    ],
)  # fmt: skip
def test_arithmetic_hard_cases(text: str, strict: float, flexible: float) -> None:
    grade = Arithmetic(steps=2).grade(text, chain("9*3+1", "8"))
    assert (grade.utility_strict, grade.utility_flexible) == (strict, flexible)


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        ("9+1+1-1+5", 0, 0), ("9+1+1+1-0", 0, 0), ("9-1-1+1+4", 1, 1), (" 9-1-1+1+4", 1, 1), ("9 - 1 - 1 + 1 + 4", 0, 1),
        ("9-1-1+1+4=2", 0, 1), ("9-1-1+1", 0, 0), ("9*1-1+1+4", 0, 0), ("", 0, 0), ("-9-1-1+1+4", 0, 0), ("9-1-1+1+4 ok", 0, 1),
        ("9-1-1+1+47", 0, 0), ("9-1-1+1+4+1", 0, 0),
    ],
)  # fmt: skip
def test_signs_hard_cases(text: str, strict: float, flexible: float) -> None:
    grade = Signs().grade(text, chain("9?1?1?1?4=2 (+-)", "9-1-1+1+4"))
    assert (grade.utility_strict, grade.utility_flexible) == (strict, flexible)


@pytest.mark.parametrize(
    ("text", "strict", "flexible"), [("go", 1, 1), (" go", 1, 1), ("Go.", 0, 1), ("go on", 0, 1), ("og", 0, 0), ("", 0, 0)]
)
def test_recall_hard_cases(text: str, strict: float, flexible: float) -> None:
    grade = Recall().grade(text, chain("abc", "go"))
    assert (grade.utility_strict, grade.utility_flexible) == (strict, flexible)


SOLVED = "1234 3412 2143 4321"


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        (SOLVED, 1, 1), (f" {SOLVED}\n", 1, 1), (SOLVED.replace(" ", ""), 0, 1), (SOLVED.replace(" ", "\n"), 0, 1),
        (f"{SOLVED} done", 0, 1),
        ("1234 3412 2143 4312", 0, 0), ("1234 3412 2143", 0, 0), ("", 0, 0),
        ("1243 3412 2134 4321", 0, 0), (SOLVED.replace("1", "5"), 0, 0),
        ("12934 3412 2143 4321", 0, 0),
    ],
)  # fmt: skip
def test_sudoku_hard_cases(text: str, strict: float, flexible: float) -> None:
    grade = Sudoku4().grade(text, chain("12.. 3... .14. ....", SOLVED))
    assert (grade.utility_strict, grade.utility_flexible) == (strict, flexible)


def test_there_are_288_grids_and_uniqueness_agrees_with_a_solver() -> None:
    assert len(set(GRIDS)) == 288

    def solutions(cells: str) -> int:
        """An independent count: fill the first blank with every digit that no unit forbids."""
        if "." not in cells:
            return 1
        cell = cells.index(".")
        taken = {cells[other] for unit in UNITS if cell in unit for other in unit}
        return sum(solutions(cells[:cell] + digit + cells[cell + 1 :]) for digit in "1234" if digit not in taken)

    for problem in Sudoku4(blanks=(6, 10, 12)).problems("test", 60, seed=0):
        clues = problem.question.replace(" ", "")
        assert solutions(clues) == 1 and has_one_solution(clues) and clues.count(".") == problem.metadata["blanks"]
    assert not has_one_solution("." * 16) and solutions("12..............") > 1


def test_signs_has_several_targets_and_a_reachable_one() -> None:
    for problem in Signs().problems("test", 40, seed=0):
        assert problem.reference in choices(problem.question) and len(choices(problem.question)) == 16


def test_difficulties_are_fields() -> None:
    assert Arithmetic(steps=6).problems("test", 1, 0)[0].question.count("=") == 0
    assert len(Arithmetic(steps=6).problems("test", 1, 0)[0].question) == 13
    with pytest.raises(UsageError, match="1 to 12"):
        Sudoku4(blanks=(14,))
    with pytest.raises(UsageError, match="ask for fewer"):
        Recall().problems("test", 1000, 0)
