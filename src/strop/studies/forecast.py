"""How well does the gap predict what a round brings (an open question of "Mind the Gap")? Forecasts against what came.

The cells were listed before any of them was trained. Each is forecast from all the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from strop.api import find_task
from strop.course import Course
from strop.studies.base import Study
from strop.studies.improvement import SIZES

CELLS = (
    ("ladder/125k", "arithmetic", "cot-binary"),
    ("ladder/125k", "sudoku4", "cot-binary"),
    ("ladder/125k", "signs", "cot-binary"),
    ("ladder/125k", "recall", "cot-binary"),
    ("ladder/125k", "arithmetic", "cot-score"),
    ("ladder/125k", "arithmetic", "logprob"),
    ("ladder/125k", "arithmetic", "chance"),
    ("ladder/125k", "sudoku4", "cot-score"),
    ("ladder/70k", "arithmetic", "cot-binary"),
    ("ladder/70k", "sudoku4", "cot-binary"),
    ("ladder/250k", "arithmetic", "cot-binary"),
    ("ladder/250k", "sudoku4", "cot-binary"),
    ("ladder/250k", "signs", "cot-binary"),
    ("ladder/400k", "arithmetic", "cot-binary"),
)
"""Model, task and verifier."""


@dataclass(frozen=True)
class ForecastStudy(Study):
    """One round of rft for each of the ``cells`` and seeds."""

    cells: tuple[tuple[str, str, str], ...] = CELLS
    seeds: int = 3
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    name: ClassVar[str] = "forecast"
    description: ClassVar[str] = "the accuracy forecast from the gap before training, against what came of one round"

    @classmethod
    def quick(cls) -> ForecastStudy:
        small = {"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8}
        cells = tuple((model, task, "majority") for model in ("ladder/25k", "ladder/40k") for task in ("arithmetic", "recall"))
        return cls(cells=cells, seeds=1, sizes=small)

    def courses(self) -> dict[tuple[str, str, str], list[Course]]:
        """By cell, one for each seed."""
        return {cell: [self._course(cell, seed) for seed in range(self.seeds)] for cell in self.cells}

    def _course(self, cell: tuple[str, str, str], seed: int) -> Course:
        model, task, verifier = cell
        own = None if verifier == "cot-binary" else verifier  # the method's own, as the improvement study leaves it
        return Course(model, find_task(task), "rft", 1, filter_by=own, seed=seed, **self.sizes)
