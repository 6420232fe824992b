"""Sudoku: the grids and the uniqueness of solutions, against an independent solver."""

from __future__ import annotations

import random
from collections import Counter

from strop.tasks import Sudoku4
from strop.tasks.sudoku4 import GRIDS, has_one_solution


def solutions(cells: str, cell: int = 0) -> int:
    """Count the complete grids that keep the clues, by trying every digit cell by cell."""
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
