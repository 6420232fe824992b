"""Courses of self-improvement that studies read.

Each course has a folder of its own, and a stored course is never made again.

Another seed means other problems, other samples and another training. Numbers of several seeds are
therefore independent values of one quantity, and Student's interval of their mean covers all three
sources of chance.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from strop.improvement.course import Course
from strop.improvement.rounds import NOTHING_KEPT, improve
from strop.json_files import read_json
from strop.measure.intervals import ANYTHING
from strop.measure.replicates import mean_over_draws
from strop.records import Estimate, interval_sign
from strop.run.store import default_folder
from strop.text import listed, slug

Document = Mapping[str, Any]
"""The contents of a course's improve.json."""


@dataclass(frozen=True)
class Courses:
    """The courses stored in ``root``. ``tell`` prints what is being made.

    ``left`` collects descriptions of the courses that ended before their last round.
    """

    root: Path
    tell: Callable[[str], None]
    left: list[str] = field(default_factory=list)

    @property
    def ended(self) -> str:
        """A sentence about the courses that ended early; empty if there are none."""
        if not self.left:
            return ""
        return f" Ended before the last round: {listed(self.left)}."

    def document(self, course: Course, like: Course | None = None) -> Document:
        """Return the results of a course, which is run if it is not stored.

        ``like`` is a stored course of the same base model and seed. Its held-out samples of the
        base model are reused, and its training samples too if both courses draw them alike.
        """
        folder = self.folder(course)
        stored = _stored(folder, course)
        if stored is not None:
            return self._with_all_rounds(stored, course)
        self.tell(
            f"{course.method} of {course.model} on {course.task.label},"
            f" filter {course.filter.spec}, seed {course.seed}"
        )
        if like is not None and not folder.exists():
            _copy_base_samples(self.folder(like), like, folder, course)
        return self._with_all_rounds(improve(course, out=folder).document, course)

    def folder(self, course: Course) -> Path:
        """Return the folder, named by all settings of the course but the number of rounds."""
        settings = course.as_record()
        # The record describes a task in full; the folder's name has its label only.
        settings["task"] = slug(course.task.label)
        return self.root / default_folder("improve", settings).name

    def _with_all_rounds(self, document: Document, course: Course) -> Document:
        """Cut the document to the course's rounds, and fill missing rounds with unknown numbers."""
        rounds = document["rounds"][: course.rounds + 1]
        missing = course.rounds + 1 - len(rounds)
        if missing:
            self.left.append(
                f"{course.model} on {course.task.label} by {course.filter.spec},"
                f" seed {course.seed} ({document['stopped']})"
            )
        return {**document, "rounds": [*rounds, *missing * [_Unknown()]]}


def _stored(folder: Path, course: Course) -> Document | None:
    """Return the stored document if it has all rounds, or ended because nothing was kept."""
    file = folder / "improve.json"
    if not file.exists():
        return None
    document: Document = read_json(file)
    # A course that was stopped in its first round has settings only.
    if document.get("asked") != course.as_record() or "rounds" not in document:
        return None
    # More rounds than wanted do no harm: round t does not depend on the rounds after it.
    if len(document["rounds"]) > course.rounds:
        return document
    # A course that ended because nothing was kept would end there again.
    return document if NOTHING_KEPT in document["stopped"] else None


class _Unknown(dict[str, Any]):
    """A round that was never run. Any path of keys through it ends at None."""

    def __missing__(self, key: str) -> Any:
        return None if key in ("value", "low", "high") else self


def _copy_base_samples(source: Path, like: Course, target: Path, course: Course) -> None:
    """Copy the base model's samples into a course that would draw the same ones."""
    without_locks = shutil.ignore_patterns(".lock")
    for name, training in (("held-out", False), ("train", True)):
        run = source / "round-0" / name
        drawn_alike = course.drawing(training) == like.drawing(training)
        if drawn_alike and (run / "run.json").exists():
            shutil.copytree(run, target / "round-0" / name, ignore=without_locks)


# --- numbers of one course ---


def round_value(document: Document, number: int, *path: str) -> float:
    """Return the value at a path of keys of a round; NaN if it is unknown."""
    entry = document["rounds"][number]
    for key in path:
        entry = entry[key]
    value = entry["value"]
    return float("nan") if value is None else float(value)


def change_from_base(document: Document, number: int, *path: str) -> float:
    """Return a round's value minus the base model's."""
    return round_value(document, number, *path) - round_value(document, 0, *path)


def largest_k(documents: Sequence[Document]) -> str:
    """Return the largest k of pass@k, as a key of the documents."""
    # JSON has text keys only. The sizes are the same in all documents and rounds.
    sizes = documents[0]["rounds"][0]["pass_at_k"]
    return str(max(map(int, sizes)))


# --- numbers of several seeds ---


def interval_signs(documents: Sequence[Document], number: int, name: str) -> list[int]:
    """Return, for each seed, the sign of a round's interval over problems: 1, -1, or 0 if open."""
    signs = []
    for document in documents:
        entry = document["rounds"][number][name]
        signs.append(interval_sign(entry.get("low"), entry.get("high")))
    return signs


def count_seed_signs(documents: Sequence[Document], number: int, name: str) -> str:
    """Count the seeds whose interval over problems lies above zero, and below."""
    signs = interval_signs(documents, number, name)
    return f"{signs.count(1)} of {len(signs)} seeds above zero, {signs.count(-1)} below"


def mean_over_seeds(
    values: Iterable[float], definition: str, bounds: tuple[float, float] = ANYTHING
) -> Estimate:
    """Return the mean over seeds with Student's interval."""
    return mean_over_draws(np.array(list(values), dtype=float), definition, bounds)


def mean_at_round(
    documents: Sequence[Document],
    number: int,
    *path: str,
    bounds: tuple[float, float] = ANYTHING,
) -> Estimate:
    """Return a number of one round, as the mean over seeds.

    ``path`` leads to the number in the round's record: ``"pass_at_k", "8"``.
    """
    values = [round_value(document, number, *path) for document in documents]
    return mean_over_seeds(values, path[0], bounds)


def mean_change(documents: Sequence[Document], number: int, *path: str) -> Estimate:
    """Return a number of one round minus the base model's, as the mean over seeds."""
    changes = [change_from_base(document, number, *path) for document in documents]
    return mean_over_seeds(changes, f"change of {path[0]}")


def mean_difference(
    documents: Sequence[Document], others: Sequence[Document], number: int, *path: str
) -> Estimate:
    """Return a number of one round minus that of other courses, paired by seed."""
    differences = []
    for document, other in zip(documents, others, strict=True):
        value = round_value(document, number, *path)
        differences.append(value - round_value(other, number, *path))
    return mean_over_seeds(differences, f"difference of {path[0]}")
