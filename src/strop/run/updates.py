"""First rounds of training that are over: what forecasts of other rounds learn from.

``ladder/updates.csv`` holds those of the embedded models (``strop study forecast`` makes it again).
Anybody's own stand in the improve.json of their rounds (``--past DIR``).
"""

from __future__ import annotations

import csv
import importlib.resources
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from strop.engines import is_embedded
from strop.errors import CorruptPartError, StoreError, UsageError
from strop.json_files import read_json
from strop.measure.pooling import Cell, Pool

SHIPPED = "ladder/updates.csv"
UPDATES = "updates.csv"
"""The file of a run folder that holds the updates named with ``--past``, if any were."""
FACTORS = ("task", "setting", "model", "filter", "family", "trainer")
"""What may decide which share of a gap training keeps.

``setting``: a task at one difficulty.
"""
NORMAL_95 = 1.959964
PILOT_FACTOR, PILOT_FACTOR_SD = 1.2, 0.3
"""Prior of a round's gain over its pilot's: 23 rounds of an earlier trial gave 1.20."""
GAP_SE, GAIN_SE, GAIN_SE_PROBLEMS = 0.02, 0.012, 200
"""Standard errors where none are stated: those of about 200 problems with 16 responses."""


@dataclass(frozen=True)
class Update:
    """One first round: what was trained and how, the gap before it, and the gain; shares of 1.

    ``eps_update`` is gap - gain ("Mind the Gap", section 2.1). ``pilot`` is the gain of a pilot fit
    on the stored held-out responses (``strop.improvement.pilot``), NaN where none was made.
    ``trainer`` names the trainer and its settings, "" where they are unknown.
    """

    model: str
    task: str
    filter: str
    method: str
    gap: float
    gain: float
    eps_update: float
    gap_se: float = math.nan
    gain_se: float = math.nan
    pilot: float = math.nan
    pilot_se: float = math.nan
    trainer: str = ""


NEEDED = ("model", "task", "filter", "method", "gap", "gain", "eps_update")


def shipped() -> tuple[Update, ...]:
    """Return the updates of the embedded models that the package holds."""
    with importlib.resources.as_file(importlib.resources.files("strop") / SHIPPED) as file:
        return read(file) if file.is_file() else ()


def read(file: Path) -> tuple[Update, ...]:
    """Read what ``write`` wrote. CorruptPartError for a file that was changed."""
    try:
        with file.open(encoding="utf-8") as lines:
            return tuple(_update(row) for row in csv.DictReader(lines))
    except (ValueError, KeyError, TypeError):
        raise CorruptPartError(
            f"{file} cannot be read; it was changed: restore it, or delete it"
        ) from None


def write(updates: Sequence[Update], path: Path) -> None:
    """Write updates as CSV; unknown numbers are empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*NEEDED, *_later_fields()], lineterminator="\n")
        writer.writeheader()
        for update in updates:
            row = asdict(update)
            writer.writerow({name: "" if value != value else value for name, value in row.items()})


def of_courses(folders: Iterable[Path]) -> tuple[Update, ...]:
    """Return the first rounds of ``strop improve`` folders. UsageError for a folder without one."""
    updates = []
    for folder in folders:
        try:
            document = read_json(folder / "improve.json")
            updates.append(first_round(document))
        except (StoreError, ValueError, KeyError, TypeError):
            raise UsageError(
                f"--past {folder}: expected a folder in which strop improve has finished a round"
            ) from None
    return tuple(updates)


def first_round(document: Mapping[str, Any]) -> Update:
    """Return the first round of an improve.json document."""
    base, first = document["rounds"][:2]
    gap, gain = base["gap_filter"], first["gain"]
    pilot = base.get("pilot", {}).get("gain", {})
    trainer = document.get("asked", {}).get("trainer")
    return Update(
        model=str(document["model"]),
        task=str(document["task"]),
        filter=str(document["filter_by"]),
        method=str(document["method"]),
        gap=float(gap["value"]),
        gain=float(gain["value"]),
        eps_update=float(first["eps_update"]["value"]),
        gap_se=_standard_error(gap),
        gain_se=_standard_error(gain),
        pilot=float(pilot.get("value", math.nan)),
        pilot_se=_standard_error(pilot),
        trainer=trainer_label(trainer) if trainer else "",
    )


def trainer_label(settings: Mapping[str, Any]) -> str:
    """Name a trainer by what decides how far it moves a model."""
    length = (
        f"{settings['steps']} steps" if settings.get("steps") else f"{settings['epochs']:g} epochs"
    )
    rank = f", LoRA {settings['lora_rank']}" if settings.get("lora_rank") else ""
    return f"lr {settings['learning_rate']:g} x {length}, batch {settings['batch_size']}{rank}"


def default_trainer_label(embedded: bool) -> str:
    """Return the label of the trainer that ``strop improve`` uses by default."""
    rate = 3e-4 if embedded else 1e-5
    return trainer_label({"learning_rate": rate, "epochs": 1.0, "batch_size": 64})


def labels_of(model: str, task: str, filter_spec: str, trainer: str) -> dict[str, str]:
    """Return the level of every factor for one round."""
    return {
        "task": task.partition(":")[0],
        "setting": task,
        "model": model,
        "filter": filter_spec,
        "family": "embedded" if is_embedded(model) else "other",
        "trainer": trainer,
    }


def relevant(past: Sequence[Update], model: str, task: str, method: str) -> list[Update]:
    """Return the updates by the same method, without those of this very pair of model and task.

    The pair's own outcome would be the answer, and no forecast.
    """
    by_method = [update for update in past if update.method == method]
    return [update for update in by_method if (update.model, update.task) != (model, task)]


def pool_of_gaps(updates: Sequence[Update]) -> Pool:
    """Return the cells that say which share of its gap a round kept."""
    return Pool([_cell(update, update.gap, update.gap_se) for update in updates], FACTORS)


def pool_of_pilots(updates: Sequence[Update]) -> Pool:
    """Return the cells that say how a round's gain followed from its pilot's."""
    piloted = [update for update in updates if math.isfinite(update.pilot)]
    cells = [_cell(update, update.pilot, update.pilot_se) for update in piloted]
    return Pool(cells, FACTORS, PILOT_FACTOR, PILOT_FACTOR_SD)


def _cell(update: Update, predictor: float, predictor_se: float) -> Cell:
    return Cell(
        predictor,
        labels_of(update.model, update.task, update.filter, update.trainer),
        update.gain,
        predictor_se if math.isfinite(predictor_se) else GAP_SE,
        update.gain_se if math.isfinite(update.gain_se) else GAIN_SE,
    )


def _standard_error(estimate: Mapping[str, Any]) -> float:
    """Return a standard error from the width of a 95% interval, NaN where there is none."""
    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None:
        return math.nan
    return float(high - low) / (2 * NORMAL_95)


def _later_fields() -> list[str]:
    return [field.name for field in fields(Update) if field.name not in NEEDED]


def _update(row: Mapping[str, Any]) -> Update:
    """Build an update from a row of text. Files of earlier versions lack the later columns."""
    values: dict[str, Any] = {}
    for field in fields(Update):
        text = row[field.name] if field.name in NEEDED else row.get(field.name) or ""
        is_text = field.type == "str"
        values[field.name] = text if is_text else float(text or "nan")
    return Update(**values)
