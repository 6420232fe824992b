"""The rounds that the forecast study trains, listed and divided before any of them was trained.

The division was drawn once, with ``random.Random(20261127)``: a task that no fitting round has, and
the models of the judging half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from strop.improvement.course import Course
from strop.improvement.pilot import Pilot
from strop.improvement.runner import RoundRunner
from strop.progress import Silent
from strop.records import Estimate
from strop.run.executors import as_executor
from strop.run.run import Run
from strop.run.updates import Update, first_round
from strop.studies.frame.courses import Courses, Document, round_value
from strop.tasks import find_task

FIT_MODELS = ("ladder/25k", "ladder/40k", "ladder/125k", "ladder/400k")
JUDGE_MODELS = ("ladder/70k", "ladder/250k", "ladder/lean-125k", "ladder/lean-250k")
TASKS = ("arithmetic", "sudoku4", "signs", "recall")
UNSEEN_TASK = "arithmetic"
LEVELS = ("", ":hard", ":easy")
FILTERS = ("cot-score", "logprob", "majority")
FILTER_MODELS = ("ladder/125k", "ladder/250k")
METHOD_VERIFIER = "cot-binary"
FEW = {"recall": 400, "recall:hard": 200, "recall:easy": 200}
"""Training problems of tasks that have no more than about this many."""


@dataclass(frozen=True)
class ForecastCell:
    """One first round of rft. ``fits``: it fits the forecast; the other rounds judge it."""

    model: str
    task: str
    verifier: str
    fits: bool

    @property
    def label(self) -> str:
        return f"{self.model} / {self.task} / {self.verifier}"

    def course(self, sizes: dict[str, Any], seed: int, rounds: int = 1) -> Course:
        """Return the course of this cell."""
        limit = FEW.get(self.task, sizes["train_problems"])
        sizes = sizes | {"train_problems": min(sizes["train_problems"], limit)}
        # The method's own verifier is left to the method, as in the study of rounds.
        filter_by = None if self.verifier == METHOD_VERIFIER else self.verifier
        return Course(
            self.model, find_task(self.task), "rft", rounds, filter_by=filter_by, seed=seed, **sizes
        )


def listed_cells() -> tuple[ForecastCell, ...]:
    """Return all cells: every model, task and difficulty, and other filters for two models."""
    cells = []
    for level, model, task in product(LEVELS, (*FIT_MODELS, *JUDGE_MODELS), TASKS):
        cells.append(_cell(model, task + level, METHOD_VERIFIER))
    for verifier, model, task in product(FILTERS, FILTER_MODELS, TASKS):
        cells.append(_cell(model, task, verifier))
    return tuple(cells)


def _cell(model: str, task: str, verifier: str) -> ForecastCell:
    is_unseen = task.partition(":")[0] == UNSEEN_TASK
    return ForecastCell(model, task, verifier, fits=model in FIT_MODELS and not is_unseen)


@dataclass(frozen=True)
class Outcome:
    """What came of a cell, and what was known before: shares of 1.

    ``headroom``: greedy accuracy minus accuracy. ``auroc``: of log-probability within problems, NaN
    if unknown. ``pilot`` is None where the filter kept nothing of the pilot's problems.
    """

    cell: ForecastCell
    update: Update
    gap: Estimate
    accuracy: float
    headroom: float
    auroc: float
    gain_in_format: float
    pilot: Pilot | None


def outcome_of(cell: ForecastCell, course: Course, courses: Courses) -> Outcome | None:
    """Return what came of a cell, which is trained if it is not stored; None if it kept nothing."""
    document = courses.document(course, _like(cell, course, courses))
    if document["rounds"][1]["gain"]["value"] is None:
        return None
    folder = courses.folder(course)
    held_out = Run(folder / "round-0" / "held-out", (), course.task)
    runner = RoundRunner(folder.resolve(), course, as_executor(None), Silent())
    if not runner.has_pilot:
        courses.tell(f"pilot: {cell.label}")
    pilot = runner.pilot(held_out)
    accuracy = round_value(document, 0, "accuracy")
    auroc = held_out.document["verdict"]["likelihood_auroc"]["value"]
    return Outcome(
        cell,
        _update(document, course, pilot),
        Estimate.from_json(document["rounds"][0]["gap_filter"]),
        accuracy,
        round_value(document, 0, "greedy") - accuracy,
        float("nan") if auroc is None else float(auroc),
        round_value(document, 1, "gain_in_format"),
        pilot,
    )


def _update(document: Document, course: Course, pilot: Pilot | None) -> Update:
    base, first = document["rounds"][:2]
    if pilot is not None:
        base = base | {"pilot": pilot.as_json()}
    asked = {"trainer": course.trainer.settings()}
    return first_round({**document, "asked": asked, "rounds": [base, first]})


def _like(cell: ForecastCell, course: Course, courses: Courses) -> Course | None:
    """Return the course of the same model and task, whose base samples can be reused."""
    if cell.verifier == METHOD_VERIFIER:
        return None
    sizes: Sequence[str] = ("train_problems", "train_samples", "problems", "samples")
    own = {name: getattr(course, name) for name in sizes}
    like = Course(course.model, course.task, "rft", 1, seed=course.seed, **own)
    return like if courses.folder(like).exists() else None
