"""Sudoku by number of blanks ("Mind the Gap", section 4.4).

The answers of this task are far easier to check than to find.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure import Ratio, estimate_all, resample_counts
from strop.records import Estimate
from strop.run.run import Run
from strop.seeds import derive
from strop.studies.frame.base import Study
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    check_equal_samples,
    estimate_columns,
    gaps,
    per_cent,
    points,
    share,
    short_name,
)
from strop.studies.frame.runs import Runs, RunSpec, run_grid
from strop.tasks import Task
from strop.text import listed

CUT = -0.5
"""The lowest relative gap in the figure; the data are not cut.

A relative gap has no lower bound: it can fall far below zero where few responses are wrong.
"""
PANELS = {"accuracy": "accuracy, %", "gap": "gap, points", "relative_gap": "relative gap"}
PAPER = (
    "on 4x4 Sudoku only the largest models verify well: Qwen-2 0.5, 1.5, 7 and 72B have accuracies "
    "of 0.6, 0.6, 2.1 and 8.8% and gaps of -0.09, 0.14, -0.07 and 16.99 points (section 4.4)."
)

ValueKey = tuple[str, str, str, str]
"""Model, number of blanks, verifier and quantity."""


@dataclass(frozen=True)
class SudokuStudy(Study):
    """The problems of all ``tasks`` are pooled and grouped by their number of blank cells.

    Problems without blanks are grouped by task. ``shown`` is the verifier of the figure.
    """

    models: tuple[str, ...] = ("ladder/40k", "ladder/125k", "ladder/250k", "ladder/400k")
    tasks: tuple[str | Task, ...] = ("sudoku4:easy", "sudoku4", "sudoku4:hard")
    verifiers: tuple[str, ...] = ("mc", "cot-binary", "cot-score")
    shown: str = "cot-binary"
    problems: int = 200
    samples: int = 32
    seed: int = 0

    name: ClassVar[str] = "sudoku"
    description: ClassVar[str] = "accuracy and gap on Sudoku by number of blanks"
    own_tasks: ClassVar[bool] = True

    @classmethod
    def quick(cls) -> SudokuStudy:
        return cls(models=("ladder/40k", "ladder/125k", "ladder/250k"), problems=48, samples=16)

    def wanted(self) -> Sequence[RunSpec]:
        return list(run_grid(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        values = self._values(runs)
        rows = []
        for (model, blanks, verifier, quantity), value in values.items():
            row = {"model": model, "blanks": blanks, "verifier": verifier, "quantity": quantity}
            rows.append(row | estimate_columns(value))
        all_blanks = list(dict.fromkeys(blanks for _, blanks, _, _ in values))
        data = pl.DataFrame(rows, infer_schema_length=None)
        yield Finding(
            "sudoku",
            "Sudoku by number of blanks",
            PAPER,
            self._seen(values, all_blanks),
            self._holds(values, all_blanks),
            data,
            self._figure(data),
            self._table(values, all_blanks),
        )

    def _values(self, runs: Runs) -> dict[ValueKey, Estimate]:
        """Measure every model and verifier, by number of blanks."""
        specs = run_grid(self)
        labels = list(dict.fromkeys(task for _, task in specs))
        values = {}
        for model in self.models:
            model_runs = [runs.run(specs[model, label]) for label in labels]
            check_equal_samples(model_runs)
            for verifier in self.verifiers:
                by_blanks = self._by_blanks(model_runs, verifier)
                for (blanks, quantity), value in by_blanks.items():
                    values[model, blanks, verifier, quantity] = value
        return values

    def _by_blanks(self, runs: Sequence[Run], verifier: str) -> dict[tuple[str, str], Estimate]:
        """Return the estimates by number of blanks; each group of problems is resampled alone."""
        blanks_P = np.concatenate([blanks_of(run) for run in runs])
        run_ratios = [gaps(run, verifier) for run in runs]
        values: dict[tuple[str, str], Estimate] = {}
        for blanks in sorted(set(blanks_P.tolist()), key=_sort_key):
            in_group_P = blanks_P == blanks
            ratios = {}
            for quantity in run_ratios[0]:
                of_runs = [of_run[quantity] for of_run in run_ratios]
                ratios[blanks, quantity] = _pooled(of_runs, in_group_P)
            # Groups differ in size, so the resamples of the runs do not fit: draw new ones.
            seed = derive(self.seed, "blanks", blanks)
            values |= estimate_all(ratios, resample_counts(int(in_group_P.sum()), seed))
        return values

    @property
    def _verifier(self) -> str:
        """The verifier of the figure and of the sentences."""
        return self.shown if self.shown in self.verifiers else self.verifiers[0]

    def _seen(self, values: Mapping[ValueKey, Estimate], all_blanks: Sequence[str]) -> str:
        verifier = self._verifier
        parts = []
        for model in self.models:
            ends = []
            for blanks in dict.fromkeys((all_blanks[0], all_blanks[-1])):
                accuracy = per_cent(values[model, blanks, verifier, "accuracy"])
                gap = points(values[model, blanks, verifier, "gap"])
                ends.append(f"{blanks}: accuracy {accuracy}%, gap {gap}")
            parts.append(f"{short_name(model)} at {' and at '.join(ends)} points")
        return f"with {verifier}, by number of blanks: {'; '.join(parts)}."

    def _holds(self, values: Mapping[ValueKey, Estimate], all_blanks: Sequence[str]) -> str:
        counted = []
        above_at_most_blanks = []
        for model in self.models:
            is_above = []
            for blanks in all_blanks:
                gap = values[model, blanks, self._verifier, "gap"]
                is_above.append(gap.interval_sign > 0)
            counted.append(f"{short_name(model)} {sum(is_above)} of {len(all_blanks)}")
            if is_above[-1]:
                above_at_most_blanks.append(short_name(model))
        if above_at_most_blanks == [short_name(self.models[-1])]:
            answer = "Yes: only the largest model has"
        elif above_at_most_blanks:
            answer = "No: other models than the largest have"
        else:
            answer = "Not shown: no model has"
        return (
            f"{answer} a gap above zero at the largest number of blanks "
            f"({listed(above_at_most_blanks)}). Numbers of blanks with a gap above zero: "
            f"{listed(counted)}. One difference: these models were trained on this task and on its "
            "checks, the paper's were not."
        )

    def _table(self, values: Mapping[ValueKey, Estimate], all_blanks: Sequence[str]) -> str:
        lines = []
        for model in self.models:
            for blanks in all_blanks:
                # The accuracy is that of all responses, the same under every verifier.
                accuracy = per_cent(values[model, blanks, self.verifiers[0], "accuracy"])
                cells = []
                for verifier in self.verifiers:
                    gap = points(values[model, blanks, verifier, "gap"])
                    relative = share(values[model, blanks, verifier, "relative_gap"])
                    cells.append(f"{gap}; {relative}")
                lines.append([model, blanks, accuracy, *cells])
        columns = [f"{verifier}: gap, points; relative" for verifier in self.verifiers]
        return markdown_table(["model", "blanks", "accuracy, %", *columns], lines)

    def _figure(self, data: pl.DataFrame) -> Any:
        all_blanks = data["blanks"].unique(maintain_order=True).to_list()
        shown = data.filter(
            pl.col("verifier") == self._verifier, pl.col("value").is_not_null()
        ).with_columns(pl.col("model").map_elements(short_name, return_dtype=pl.String))
        panels = []
        for index, (quantity, title) in enumerate(PANELS.items()):
            is_last = index == len(PANELS) - 1
            factor = 1 if quantity == "relative_gap" else 100
            rows = shown.filter(pl.col("quantity") == quantity)
            rows = rows.with_columns(pl.col("value", "low", "high") * factor)
            if quantity == "relative_gap" and rows.select((pl.col("low") < CUT).any()).item():
                # Points below the cut are left out; intervals that reach below it end there.
                rows = rows.filter(pl.col("value") >= CUT)
                rows = rows.with_columns(pl.col("low").clip(CUT))
                title = f"{title}, cut at {CUT}"
            x = alt.X(
                "blanks:O",
                sort=None,
                scale=alt.Scale(domain=all_blanks),
                title="blanks" if is_last else None,
                axis=alt.Axis(labelAngle=0, labels=is_last),
            )
            colour = alt.Color("model:N", sort=None, title=None)
            panel = points_with_intervals(rows, x, "value:Q", colour, title=title, apart="model:N")
            # An accuracy has no need of a line at zero.
            if quantity != "accuracy":
                panel = alt.layer(level(0), panel)
            panels.append(panel.properties(width=COLUMN, height=105))
        return alt.vconcat(*panels, spacing=6)


def blanks_of(run: Run) -> np.ndarray:
    """Return each problem's number of blanks as text, or the task's label if it has none."""
    metadata = [json.loads(text) for text in run.problems["metadata"]]
    return np.array([str(entry.get("blanks", run.plan.task.label)) for entry in metadata])


def _sort_key(blanks: str) -> tuple[int, str]:
    """Sort numbers by value, and task labels before them by name."""
    return (int(blanks), "") if blanks.isdigit() else (0, blanks)


def _pooled(ratios: Sequence[Ratio], in_group_P: np.ndarray) -> Ratio:
    """Return one ratio over the problems of several runs that belong to a group."""
    above_P = np.concatenate([ratio.above_P for ratio in ratios])[in_group_P]
    below_P = np.concatenate([ratio.below_P for ratio in ratios])[in_group_P]
    first = ratios[0]
    return Ratio(above_P, below_P, first.definition, first.why, first.bounds)
