"""How well does the gap predict what a round brings (an open question of "Mind the Gap")? Forecasts against what came.

The cells were listed before any of them was trained. Each is forecast from the eps_update of others: of other models and tasks alone,
those on the same task where there are enough, as ``strop gap`` does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.improvement.course import Course
from strop.measure import kept_accuracy
from strop.measure.forecast import FEWEST, forecast
from strop.measure.intervals import Floats
from strop.measure.student import t_quantile
from strop.records import Estimate
from strop.run.run import Run
from strop.run.updates import Update, others, write
from strop.studies.frame.base import Study
from strop.studies.frame.cost import Cost, cost_of_course
from strop.studies.frame.courses import Courses, Document, mean_over_seeds, round_value
from strop.studies.frame.figures import COLUMN
from strop.studies.frame.findings import Finding, markdown_table, write_findings
from strop.studies.frame.numbers import points, short_name
from strop.studies.frame.runs import Tell
from strop.studies.improvement import SIZES
from strop.tasks import Task, find_task

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
FEW = {"recall": 400}
"""Training problems of tasks that have no more than about so many."""
OWN = "cot-binary"
"""The verifier of the method."""
UPDATES = "updates.csv"
PAPER = "a metric that predicts whether a task can be self-improved, and how well the gap does, are open questions (conclusion)."

Cell = tuple[str, str, str]


@dataclass(frozen=True)
class Came:
    """One cell over its seeds: gap, gain, eps_update (strict and flexible), and what came of the answer's form alone; values of M seeds."""

    cell: Cell
    gap_M: Floats
    gain_M: Floats
    eps_M: Floats
    flexible_M: Floats
    format_M: Floats
    after_M: Floats

    @classmethod
    def of(cls, cell: Cell, documents: Sequence[Document]) -> Came:
        def each(name: str, number: int = 1) -> Floats:
            return np.array([round_value(one, number, name) for one in documents])

        names = ("gain", "eps_update", "eps_update_flexible", "gain_in_format", "accuracy")
        return cls(cell, each("gap_filter", 0), *map(each, names))

    def update(self, course: Course) -> Update:
        """Means over seeds, as forecasts of other cells read them."""
        numbers = (float(values.mean()) for values in (self.gap_M, self.gain_M, self.eps_M))
        return Update(course.model, course.task.label, course.filter.spec, course.method, *numbers)


@dataclass(frozen=True)
class ForecastStudy(Study):
    """One round of rft for each of the ``cells`` and seeds; or every one of ``models`` on every one of ``tasks``, where these are given."""

    cells: tuple[Cell, ...] = CELLS
    models: tuple[str, ...] = ()
    tasks: tuple[str | Task, ...] = ()
    seeds: int = 3
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    name: ClassVar[str] = "forecast"
    description: ClassVar[str] = (
        "the accuracy forecast from the gap before training, against what came of one round"
    )

    @classmethod
    def quick(cls) -> ForecastStudy:
        small = {"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8}
        cells = tuple(
            (model, task, "majority")
            for model in ("ladder/25k", "ladder/40k")
            for task in ("arithmetic", "recall")
        )
        return cls(cells=cells, seeds=1, sizes=small)

    def courses(self) -> dict[Cell, list[Course]]:
        """One for each seed."""
        tasks = {
            found.label: found
            for found in map(find_task, (*(task for _, task, _ in self.cells), *self.tasks))
        }
        return {
            cell: [self._course(cell, tasks[cell[1]], seed) for seed in range(self.seeds)]
            for cell in self._cells
        }

    @property
    def _cells(self) -> tuple[Cell, ...]:
        if not (self.models or self.tasks):
            return self.cells
        models, tasks = (dict.fromkeys(cell[place] for cell in self.cells) for place in (0, 1))
        named = [find_task(task).label for task in self.tasks] or tasks
        return tuple((model, task, OWN) for model in self.models or models for task in named)

    def _course(self, cell: Cell, task: Task, seed: int) -> Course:
        model, name, verifier = cell
        sizes = self.sizes | {
            "train_problems": min(
                self.sizes["train_problems"], FEW.get(name, self.sizes["train_problems"])
            )
        }
        own = (
            None if verifier == OWN else verifier
        )  # the method's own, as the improvement study leaves it
        return Course(model, task, "rft", 1, filter_by=own, seed=seed, **sizes)

    def besides(self) -> Iterable[Cost]:
        return (cost_of_course(course) for own in self.courses().values() for course in own)

    def run(self, out: Path, tell: Tell) -> Path:
        stored, courses = Courses(out.parent / "courses", tell), self.courses()
        documents = {
            cell: [stored.document(course) for course in own] for cell, own in courses.items()
        }
        came = [
            one
            for one in (Came.of(cell, own) for cell, own in documents.items())
            if not np.isnan(one.gain_M).any()
        ]
        updates = [one.update(courses[one.cell][0]) for one in came]
        told_ahead = {one.cell: self._forecasts(stored, courses[one.cell], updates) for one in came}
        out.mkdir(parents=True, exist_ok=True)
        write(updates, out / UPDATES)
        return write_findings(
            out,
            "Forecast and outcome",
            self.setting + stored.ended,
            self._findings(came, updates, told_ahead),
            self.name,
        )

    def _forecasts(
        self, stored: Courses, courses: Sequence[Course], updates: Sequence[Update]
    ) -> list[Estimate]:
        """Of each seed's accuracy after the round, from the run before it and the updates of other cells."""
        found = []
        for course in courses:
            run = Run(stored.folder(course) / "round-0" / "held-out", (), course.task)
            samples = run.evidence.samples
            kept = kept_accuracy(
                samples.utility_PK, run.evidence.weigh(course.filter), samples.mask_PK
            )
            eps = [
                one.eps_update
                for one in others(updates, course.model, course.task.label, course.method, FEWEST)
            ]
            found.append(forecast(kept, np.array(eps)))
        return found

    def _findings(
        self,
        came: Sequence[Came],
        updates: Sequence[Update],
        ahead: Mapping[Cell, Sequence[Estimate]],
    ) -> Iterator[Finding]:
        title = "Forecast of one round, and what came"
        if not came:
            yield Finding(
                "forecast",
                title,
                PAPER,
                "no cell could be trained.",
                "Not testable here.",
                pl.DataFrame({"model": []}),
            )
            return
        rows = list(self._rows(came, updates, ahead))
        data = pl.DataFrame(rows, infer_schema_length=None)
        pairs = [
            (one, value)
            for cell in came
            for one, value in zip(ahead[cell.cell], cell.after_M, strict=True)
        ]
        held = [
            one.low <= value <= one.high
            for one, value in pairs
            if one.low is not None and one.high is not None
        ]
        predictors = _predictors(data)
        errors = {
            name: (data["gain"] - values).abs().to_numpy() for name, values in predictors.items()
        }
        mean_errors = "; ".join(f"{name} {_size(error)}" for name, error in errors.items())
        against = {
            name: mean_over_seeds(errors["forecast"] - error, "")
            for name, error in errors.items()
            if name != "forecast"
        }
        beside = ", ".join(f"{points(value)} against {name}" for name, value in against.items())
        correlation = "; ".join(
            f"{name} {_correlation(values.to_numpy(), data['gain'].to_numpy())}"
            for name, values in predictors.items()
            if values.n_unique() > 1
        )
        in_format = [one.cell for one in came if abs(one.format_M.mean()) > 0.005]
        seen = (
            f"over {len(came)} cells, mean absolute error of the gain in points: {mean_errors} (paired by cell: {beside}). Correlation "
            f"with the gain that came: {correlation or 'unknown'}. {sum(held)} of {len(held)} 95% intervals for the accuracy after the "
            f"round held what came. Cells whose gain is a matter of format by more than half a point: {len(in_format)}."
        )
        better = [name for name, value in against.items() if value.interval_sign < 0]
        holds = (
            f"The forecast errs less than {' and '.join(better)}, whole interval."
            if better
            else "The forecast errs no less than the simpler ones, as far as these cells tell."
        )
        yield Finding(
            "forecast", title, PAPER, seen, holds, data, self._figure(data), self._table(came, data)
        )

    def _rows(
        self,
        came: Sequence[Came],
        updates: Sequence[Update],
        ahead: Mapping[Cell, Sequence[Estimate]],
    ) -> Iterator[dict[str, Any]]:
        for one, update in zip(came, updates, strict=True):
            model, task, verifier = one.cell
            every = [other.eps_update for other in updates if other is not update]
            near = [
                other.eps_update
                for other in others(updates, update.model, update.task, update.method, FEWEST)
            ]
            gain = mean_over_seeds(one.gain_M, "gain", (-1, 1))
            values = [estimate.value for estimate in ahead[one.cell] if estimate.value is not None]
            yield {
                "model": model,
                "task": task,
                "verifier": verifier,
                "gap": update.gap,
                "gain": update.gain,
                "gain_low": gain.low,
                "gain_high": gain.high,
                "eps_update": update.eps_update,
                "eps_update_flexible": float(one.flexible_M.mean()),
                "gain_in_format": float(one.format_M.mean()),
                "forecast_gain": update.gap - float(np.mean(near or [np.nan])),
                "forecast_gain_all_cells": update.gap - float(np.mean(every or [np.nan])),
                "other_cells": len(near),
                "forecast_accuracy": float(np.mean(values)) if values else None,
                "accuracy": float(one.after_M.mean()),
                "seeds": len(one.gap_M),
            }

    def _figure(self, data: pl.DataFrame) -> Any:
        rows = data.with_columns(
            pl.col("forecast_gain", "gain", "gain_low", "gain_high") * 100
        ).with_columns(
            pl.format(
                "{}, {}, {}",
                pl.col("model").map_elements(short_name, pl.String),
                "task",
                "verifier",
            ).alias("cell")
        )
        x = alt.X("forecast_gain:Q", title="gain forecast, points")
        base = alt.Chart(rows).encode(x=x, color=alt.Color("task:N", title=None))
        spans = base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(
            y=alt.Y("gain_low:Q", title="gain that came, points"), y2="gain_high:Q"
        )
        marks = base.mark_point(filled=True, size=40, opacity=1).encode(
            y="gain:Q", shape=alt.Shape("model:N", title=None)
        )
        ends = rows["forecast_gain"].drop_nans().to_list()
        if not ends:
            return None
        corners = alt.Data(values=[{"at": one} for one in (min(ends), max(ends))])
        same = alt.Chart(corners).mark_line(strokeDash=[3, 3], strokeWidth=0.8, color="#777")
        return alt.layer(same.encode(x="at:Q", y="at:Q"), spans, marks).properties(
            width=COLUMN, height=240
        )

    def _table(self, came: Sequence[Came], data: pl.DataFrame) -> str:
        header = [
            "model",
            "task",
            "verifier",
            "gap",
            "forecast gain",
            "gain that came",
            "eps_update",
            "in format alone",
        ]
        lines = []
        for one, row in zip(came, data.iter_rows(named=True), strict=True):
            measured = [
                mean_over_seeds(values, "", (-1, 1))
                for values in (one.gain_M, one.eps_M, one.format_M)
            ]
            ahead = "–" if np.isnan(row["forecast_gain"]) else f"{100 * row['forecast_gain']:+.1f}"
            lines.append([*one.cell, f"{100 * row['gap']:+.1f}", ahead, *map(points, measured)])
        return markdown_table(header, lines)


def _predictors(data: pl.DataFrame) -> dict[str, pl.Series]:
    """Gains predicted for each cell: by the forecast, by the same with the updates of all other cells, by no change, by the whole gap."""
    return {
        "forecast": data["forecast_gain"],
        "updates of all other cells": data["forecast_gain_all_cells"],
        "no change": pl.Series([0.0] * data.height),
        "whole gap": data["gap"],
    }


def _size(error: Floats) -> str:
    """The mean of the errors that are known, in points."""
    known = error[~np.isnan(error)]
    return f"{100 * known.mean():.1f}" if len(known) else "unknown"


def _correlation(one: Any, other: Any) -> str:
    """Pearson's correlation with Fisher's interval, cells being the unit."""
    known = ~(np.isnan(one) | np.isnan(other))
    if known.sum() < 4:
        return "unknown (fewer than four cells)"
    value = float(np.corrcoef(one[known], other[known])[0, 1])
    reach = t_quantile(0.975, 1e9) / (known.sum() - 3) ** 0.5
    low, high = np.tanh(np.arctanh(np.clip(value, -0.999999, 0.999999)) + np.array([-reach, reach]))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"
