"""Sudoku on a 4x4 grid: every row, column and 2x2 box holds 1 to 4 ("Mind the Gap", section 4.4).

Puzzles come from the 288 complete grids and have exactly one solution; the difficulty is the number
of blanks. Whole grids are held out for the test split, since a puzzle from a known grid could be
answered from memory.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from strop.errors import UsageError
from strop.records import Problem
from strop.seeds import fraction
from strop.tasks.base import Check, Grade, Task, draw_distinct, mark
from strop.tasks.extraction import Found

# A cell is an index from 0 to 15, row by row. A unit is four cells that hold 1 to 4.
ROWS = tuple(tuple(range(first, first + 4)) for first in (0, 4, 8, 12))
COLUMNS = tuple(tuple(range(first, 16, 4)) for first in (0, 1, 2, 3))
BOXES = tuple((first, first + 1, first + 4, first + 5) for first in (0, 2, 8, 10))
UNITS = ROWS + COLUMNS + BOXES
HELD_OUT_SHARE = 0.15


def _complete(grid: str = "") -> Iterator[str]:
    """Yield all complete grids that begin with ``grid``, by depth-first search."""
    cell = len(grid)
    if cell == 16:
        yield grid
        return
    taken: set[str] = set()
    for unit in UNITS:
        if cell in unit:
            taken.update(grid[other] for other in unit if other < cell)
    for digit in "1234":
        if digit not in taken:
            yield from _complete(grid + digit)


GRIDS = tuple(_complete())
# The digits of all grids as bytes (288, 16), to compare clues with all of them at once.
_CELLS = np.array([list(grid.encode()) for grid in GRIDS], np.uint8)


def is_held_out(grid: str) -> bool:
    """Return whether this complete grid is kept for the test split."""
    return fraction("held out", "sudoku4", grid) < HELD_OUT_SHARE


def agrees(clues: str, grid: str) -> bool:
    """Return whether the grid keeps every clue."""
    return all(clue in (".", cell) for clue, cell in zip(clues, grid, strict=True))


def is_solution(clues: str, grid: str) -> bool:
    """Return whether this is a complete, valid grid that keeps the clues."""
    if len(grid) != 16 or not set(grid) <= set("1234"):
        return False
    if any(len({grid[cell] for cell in unit}) < 4 for unit in UNITS):
        return False
    return agrees(clues, grid)


def has_one_solution(clues: str) -> bool:
    """Return whether exactly one of the 288 grids keeps the clues."""
    clue_cells = np.frombuffer(clues.encode(), np.uint8)
    is_kept = (clue_cells == ord(".")) | (clue_cells == _CELLS)
    return int(is_kept.all(axis=1).sum()) == 1


def in_rows(cells: str) -> str:
    """Write 16 cells as four rows: ``1234 3412 2143 4321``."""
    return " ".join(cells[i : i + 4] for i in range(0, 16, 4))


@dataclass(frozen=True)
class Sudoku4(Task):
    """Puzzles with ``blanks`` blank cells; each problem takes one of these numbers."""

    blanks: tuple[int, ...] = (7, 8, 9)

    name: ClassVar[str] = "sudoku4"
    description: ClassVar[str] = (
        "4x4 Sudoku with one solution, from held-out grids; difficulty is the number of blanks"
    )
    needs_reference: ClassVar[bool] = False
    max_tokens: ClassVar[int] = 32
    verification_max_tokens: ClassVar[int] = 128
    levels: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"blanks": (4, 5, 6)},
        "standard": {},
        "hard": {"blanks": (10, 11, 12)},
    }

    def __post_init__(self) -> None:
        if not self.blanks or not all(1 <= count <= 12 for count in self.blanks):
            raise UsageError(
                f"sudoku4 blanks {self.blanks}: expected numbers from 1 to 12 "
                "(fewer than 4 clues never have one solution)"
            )

    def draw(self, rng: random.Random) -> Problem:
        """Draw one puzzle of either split."""
        grid = rng.choice(GRIDS)
        blanks = rng.choice(self.blanks)
        clues = self._blank(grid, blanks, rng)
        while not has_one_solution(clues):
            clues = self._blank(grid, blanks, rng)
        split = "test" if is_held_out(grid) else "train"
        return Problem(f"sudoku4-{clues}", split, in_rows(clues), in_rows(grid), {"blanks": blanks})

    @staticmethod
    def _blank(grid: str, blanks: int, rng: random.Random) -> str:
        """Replace this many random cells of a grid by points."""
        blanked = set(rng.sample(range(16), blanks))
        return "".join("." if cell in blanked else digit for cell, digit in enumerate(grid))

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        """Grade a grid. Strict: four rows of four digits. Flexible: the first 16 digits."""
        clues = problem.question.replace(" ", "")
        digits = list(islice(re.finditer("[0-9]", text[:1_000]), 16))
        cells = "".join(digit[0] for digit in digits)
        flexible = None
        if len(digits) == 16:
            flexible = Found(cells, "first 16 digits", digits[0].start())
        strict = flexible if text.strip() == in_rows(cells) else None
        return Grade.of(strict, flexible, lambda answer: is_solution(clues, answer))

    def check(self, problem: Problem, response: str) -> Check:
        """Copy out and judge every row beside its clues, then columns and boxes.

        For example ``..3.:4132y ... 1234y``.
        """
        clues = problem.question.replace(" ", "")
        cells = response.replace(" ", "")
        lines, holds = [], []
        for unit in UNITS:
            copied = "".join(cells[cell] for cell in unit)
            good = len(set(copied)) == 4
            shown_clues = ""
            if unit in ROWS:
                row_clues = "".join(clues[cell] for cell in unit)
                good = good and agrees(row_clues, copied)
                shown_clues = f"{row_clues}:"
            lines.append(f"{shown_clues}{copied}{mark(good)}")
            holds.append(good)
        return Check(" ".join(lines), tuple(holds))
