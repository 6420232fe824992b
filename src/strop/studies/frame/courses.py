"""Courses of self-improvement that studies read: each in a folder of its own, and what is stored is never made again.

A seed is another draw of problems and of samples and another training, so what several seeds give are independent values of one number:
their mean has Student's interval, which holds both sources of chance.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from strop.improvement.course import Course
from strop.improvement.rounds import NOTHING_KEPT, improve
from strop.measure.replicates import over_draws
from strop.records import Estimate
from strop.run.store import default_folder
from strop.studies.frame.numbers import listed
from strop.text import slug

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Courses:
    """The courses below a folder. ``tell`` hears of those that are made."""

    place: Path
    tell: Callable[[str], None]
    left: list[str] = field(default_factory=list)

    @property
    def ended(self) -> str:
        """A sentence about the courses that ended before their last round, where there are any."""
        return f" Ended before the last round: {listed(self.left)}." if self.left else ""

    def document(self, course: Course, like: Course | None = None) -> Document:
        """What came of the course, run if it is not stored. ``like``: a stored one of the same base model and seed, whose held-out samples
        of the base model, and training samples where they are drawn alike, are these ones too, so that they are not drawn again."""
        folder = self.folder(course)
        if (stored := _stored(folder, course)) is not None:
            return self._whole(stored, course)
        self.tell(
            f"{course.method} of {course.model} on {course.task.label}, filter {course.filter.spec}, seed {course.seed}"
        )
        if like is not None and not folder.exists():
            _begin_like(folder, course, self.folder(like), like)
        return self._whole(improve(course, out=folder).document, course)

    def _whole(self, document: Document, course: Course) -> Document:
        """The document with all rounds and no more; those that never came to be are unknown."""
        rounds = document["rounds"][: course.rounds + 1]
        if missing := course.rounds + 1 - len(rounds):
            self.left.append(
                f"{course.model} on {course.task.label} by {course.filter.spec}, seed {course.seed} ({document['stopped']})"
            )
        return {**document, "rounds": [*rounds, *missing * [_Unknown()]]}

    def folder(self, course: Course) -> Path:
        """Named by everything that was asked but the number of rounds."""
        return (
            self.place
            / default_folder("improve", course.as_record() | {"task": slug(course.task.label)}).name
        )


def _stored(folder: Path, course: Course) -> Document | None:
    """A finished document with at least as many rounds, or as far as one came that kept nothing."""
    file = folder / "improve.json"
    document = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if document.get("asked") != course.as_record() or not (
        len(document["rounds"]) > course.rounds or NOTHING_KEPT in document["stopped"]
    ):
        return None
    return document


class _Unknown(dict[str, Any]):
    """A round that did not come to be: every number of it is None."""

    def __missing__(self, key: str) -> Any:
        return None if key in ("value", "low", "high") else self


def _begin_like(folder: Path, course: Course, other: Path, like: Course) -> None:
    base = other / "round-0"
    for name, training in (("held-out", False), ("train", True)):
        if (base / name / "run.json").exists() and course.drawing(training) == like.drawing(
            training
        ):
            shutil.copytree(
                base / name, folder / "round-0" / name, ignore=shutil.ignore_patterns(".lock")
            )


def of_round(document: Document, number: int, *path: str) -> float:
    """A number of a round, NaN where it is unknown."""
    place = document["rounds"][number]
    for name in path:
        place = place[name]
    value = place["value"]
    return float("nan") if value is None else float(value)


def change(document: Document, number: int, *path: str) -> float:
    """A round's number minus the base model's."""
    return of_round(document, number, *path) - of_round(document, 0, *path)


def sides(documents: Sequence[Document], number: int, name: str) -> list[int]:
    """Of each seed: 1 where the interval over problems of a round's number lies above zero, -1 below, 0 where it does not tell."""
    found = [document["rounds"][number][name] for document in documents]
    return [
        0 if one.get("low") is None else int(one["low"] > 0) - int(one["high"] < 0) for one in found
    ]


def each_seed(documents: Sequence[Document], number: int, name: str) -> str:
    """In how many seeds the interval over problems of a round's number lies above zero, and below."""
    found = sides(documents, number, name)
    return f"{found.count(1)} of {len(found)} seeds above zero, {found.count(-1)} below"


def over(
    values: Iterable[float], definition: str, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """The mean over seeds with Student's interval."""
    return over_draws(np.array(list(values), dtype=float), definition, bounds)


def largest_k(documents: Sequence[Document]) -> str:
    """The largest k of pass@k."""
    return str(max(map(int, documents[0]["rounds"][0]["pass_at_k"])))
