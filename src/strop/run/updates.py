"""Updates that training made in finished courses: eps_update of their first rounds.

Forecasts of other courses rest on them.

``ladder/updates.csv`` holds those of the embedded models (``strop study forecast``); the
improve.json of a course holds its own.
"""

from __future__ import annotations

import csv
import importlib.resources
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from strop.errors import CorruptPartError, UsageError

SHIPPED = "ladder/updates.csv"
UPDATES = "updates.csv"
"""The file in a run folder with the updates that were named for its verdict (``--past``)."""


@dataclass(frozen=True)
class Update:
    """One first round: its settings, the gap before it, its gain, and eps_update = gap - gain."""

    model: str
    task: str
    filter: str
    method: str
    gap: float
    gain: float
    eps_update: float


def shipped() -> tuple[Update, ...]:
    """Return the updates of the embedded models; none before the study has run."""
    with importlib.resources.as_file(importlib.resources.files("strop") / SHIPPED) as file:
        return read(file) if file.is_file() else ()


def read(file: Path) -> tuple[Update, ...]:
    """Read a file of ``write``. CorruptPartError for a file that was changed."""
    try:
        with file.open(encoding="utf-8") as lines:
            return tuple(_update(row) for row in csv.DictReader(lines))
    except (ValueError, KeyError, TypeError):
        raise CorruptPartError(
            f"{file} cannot be read; it was changed: restore it, or delete it"
        ) from None


def of_courses(folders: Iterable[Path]) -> tuple[Update, ...]:
    """The first rounds of ``strop improve`` folders. UsageError for a folder that holds none."""
    found = []
    for folder in folders:
        try:
            document = json.loads((folder / "improve.json").read_text(encoding="utf-8"))
            base, first = document["rounds"][:2]
            told = {"filter": document["filter_by"]} | {
                name: document[name] for name in ("model", "task", "method")
            }
            numbers = {
                "gap": base["gap_filter"]["value"],
                "gain": first["gain"]["value"],
                "eps_update": first["eps_update"]["value"],
            }
            found.append(_update(told | numbers))
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(
                f"--past {folder}: expected a folder that strop improve has finished a round in"
            ) from None
    return tuple(found)


def others(past: Sequence[Update], model: str, task: str, method: str, least: int) -> list[Update]:
    """Return the updates of other models and tasks by the same method.

    The pair itself is excluded: its update would be the answer. If there are at least ``least``
    updates on the same task, only those are returned, because the task decides most.
    """
    known = [one for one in past if one.method == method and (one.model, one.task) != (model, task)]
    same = [one for one in known if one.task == task]
    return same if len(same) >= least else known


def write(updates: Sequence[Update], path: Path) -> None:
    """Write the updates as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Update)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(one) for one in updates)


def _update(row: Mapping[str, Any]) -> Update:
    model, task, kept_by, method = (
        str(row[name]) for name in ("model", "task", "filter", "method")
    )
    gap, gain, eps_update = (float(row[name]) for name in ("gap", "gain", "eps_update"))
    return Update(model, task, kept_by, method, gap, gain, eps_update)
