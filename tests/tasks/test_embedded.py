"""Facts about the embedded tasks, worked out by other means."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from strop.errors import UsageError
from strop.tasks import Arithmetic, Recall, Signs, Sudoku4
from strop.tasks.signs import choices
from strop.tasks.sudoku4 import GRIDS, has_one_solution


def solutions(cells: str, cell: int = 0) -> int:
    """How many complete grids keep the clues: from one cell to the next, every digit that its row, column and box do not have."""
    if cell == 16:
        return 1
    row, column = divmod(cell, 4)
    near = [
        place
        for place in range(16)
        if place // 4 == row
        or place % 4 == column
        or (place // 8, place % 4 // 2) == (row // 2, column // 2)
    ]
    seen = {cells[place] for place in near if place != cell}
    digits = "1234" if cells[cell] == "." else cells[cell]
    return sum(
        solutions(cells[:cell] + digit + cells[cell + 1 :], cell + 1)
        for digit in digits
        if digit not in seen
    )


def test_there_are_288_grids_and_every_puzzle_has_one_solution_by_an_independent_solver() -> None:
    assert len(set(GRIDS)) == 288 == solutions("." * 16)
    for task in (Sudoku4(), *map(Sudoku4.at, ("easy", "hard")), Sudoku4(blanks=(1, 12))):
        for problem in task.problems("test", 100, seed=0):
            clues, grid = (
                problem.question.replace(" ", ""),
                (problem.reference or "").replace(" ", ""),
            )
            assert solutions(clues) == 1 == solutions(grid) and all(
                clue in (".", cell) for clue, cell in zip(clues, grid, strict=True)
            )
            assert clues.count(".") == problem.metadata["blanks"] in task.blanks


def test_uniqueness_agrees_with_an_independent_solver_on_any_clues() -> None:
    rng = random.Random(0)
    found: Counter[int] = Counter()
    for _ in range(1_000):
        blanked = rng.sample(range(16), rng.randint(6, 13))
        clues = "".join(
            "." if cell in blanked else digit for cell, digit in enumerate(rng.choice(GRIDS))
        )
        if rng.random() < 0.2:
            clues = clues.replace(
                "1", "2", 1
            )  # where a unit has two of a digit, no grid keeps them
        count = solutions(clues)
        assert has_one_solution(clues) == (count == 1), clues
        found[min(count, 2)] += 1
    assert min(found[count] for count in range(3)) > 50


def test_signs_has_several_targets_and_a_reachable_one() -> None:
    for problem in Signs().problems("test", 40, seed=0):
        assert (
            problem.reference in choices(problem.question) and len(choices(problem.question)) == 16
        )


def test_difficulties_are_fields() -> None:
    assert Arithmetic(steps=6).problems("test", 1, 0)[0].question.count("=") == 0
    assert len(Arithmetic(steps=6).problems("test", 1, 0)[0].question) == 13
    with pytest.raises(UsageError, match="1 to 12"):
        Sudoku4(blanks=(14,))
    with pytest.raises(UsageError, match="ask for fewer"):
        Recall().problems("test", 1000, 0)
