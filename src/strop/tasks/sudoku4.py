"""Sudoku on a 4x4 grid: every row, column and 2x2 box holds 1 to 4 ("Mind the Gap", section 4.4).

Puzzles come from the 288 complete grids and have exactly one solution; difficulty is the number of blanks. Whole grids are held out
for the test split, since a puzzle whose grid was seen could be answered from memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from strop.errors import UsageError
from strop.records import Problem
from strop.seeds import fraction
from strop.tasks.base import Check, Grade, Task, draw_distinct
from strop.tasks.extraction import Found

ROWS = tuple(tuple(4 * i + j for j in range(4)) for i in range(4))
COLUMNS = tuple(tuple(4 * i + j for i in range(4)) for j in range(4))
BOXES = tuple(
    tuple(8 * a + 2 * b + 4 * i + j for i in range(2) for j in range(2))
    for a in range(2)
    for b in range(2)
)
UNITS = ROWS + COLUMNS + BOXES
HELD_OUT_SHARE = 0.15


def _complete(grid: str = "") -> Iterator[str]:
    """All complete grids that begin with ``grid``, by depth-first search."""
    cell = len(grid)
    if cell == 16:
        yield grid
        return
    taken = {grid[other] for unit in UNITS if cell in unit for other in unit if other < cell}
    for digit in "1234":
        if digit not in taken:
            yield from _complete(grid + digit)


GRIDS = tuple(_complete())
_CELLS = np.array([list(grid.encode()) for grid in GRIDS], np.uint8)


def is_held_out(grid: str) -> bool:
    """Is this complete grid kept for the test split?"""
    return fraction("held out", "sudoku4", grid) < HELD_OUT_SHARE


def agrees(clues: str, grid: str) -> bool:
    """Does the grid keep every clue?"""
    return all(clue in (".", cell) for clue, cell in zip(clues, grid, strict=True))


def is_solution(clues: str, grid: str) -> bool:
    """Is this a complete, valid grid that keeps the clues?"""
    valid = (
        len(grid) == 16
        and set(grid) <= set("1234")
        and all(len({grid[cell] for cell in unit}) == 4 for unit in UNITS)
    )
    return valid and agrees(clues, grid)


def has_one_solution(clues: str) -> bool:
    """Does exactly one of the 288 grids keep the clues?"""
    wanted = np.frombuffer(clues.encode(), np.uint8)
    return int(((wanted == ord(".")) | (wanted == _CELLS)).all(axis=1).sum()) == 1


def in_rows(cells: str) -> str:
    """16 cells as four rows: ``1234 3412 2143 4321``."""
    return " ".join(cells[i : i + 4] for i in range(0, 16, 4))


@dataclass(frozen=True)
class Sudoku4(Task):
    """``blanks``: how many cells are blank; each problem takes one of these numbers."""

    blanks: tuple[int, ...] = (7, 8, 9)

    name: ClassVar[str] = "sudoku4"
    description: ClassVar[str] = (
        "4x4 Sudoku with one solution, from held-out grids; difficulty is the number of blanks"
    )
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
                f"sudoku4 blanks {self.blanks}: expected numbers from 1 to 12 (fewer than 4 clues never have one solution)"
            )

    def draw(self, rng: random.Random) -> Problem:
        """One puzzle of either split."""
        grid = rng.choice(GRIDS)
        blanks = rng.choice(self.blanks)
        while True:
            blanked = set(rng.sample(range(16), blanks))
            clues = "".join("." if cell in blanked else digit for cell, digit in enumerate(grid))
            if has_one_solution(clues):
                break
        split = "test" if is_held_out(grid) else "train"
        return Problem(f"sudoku4-{clues}", split, in_rows(clues), in_rows(grid), {"blanks": blanks})

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        """Strict: four rows of four digits. Flexible: the first 16 digits, however they are set."""
        places = [place for place, char in enumerate(text[:1_000]) if char in "0123456789"][:16]
        cells, clues = "".join(text[place] for place in places), problem.question.replace(" ", "")
        flexible = Found(cells, "first 16 digits", places[0]) if len(places) == 16 else None
        strict = flexible if text.strip() == in_rows(cells) else None
        return Grade.of(strict, flexible, lambda answer: is_solution(clues, answer))

    def check(self, problem: Problem, response: str) -> Check:
        """Every row beside its clues, then columns and boxes, each copied out and judged: ``..3.:4132y ... 1234y``."""
        clues, cells = problem.question.replace(" ", ""), response.replace(" ", "")
        lines, holds = [], []
        for unit in UNITS:
            copied = "".join(cells[cell] for cell in unit)
            hint = "".join(clues[cell] for cell in unit) if unit in ROWS else ""
            good = len(set(copied)) == 4 and (not hint or agrees(hint, copied))
            lines.append(f"{hint}{':' if hint else ''}{copied}{'y' if good else 'n'}")
            holds.append(good)
        return Check(" ".join(lines), tuple(holds))
