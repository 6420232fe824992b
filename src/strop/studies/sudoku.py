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
from strop.studies.frame.data import (
    as_frame,
    estimate_row,
    known_values,
    scaled,
    unique_values,
    with_short_names,
)
from strop.studies.frame.figures import Panel, stacked_panels
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    FOUR_SIZES,
    THREE_SIZES,
    check_equal_samples,
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
Values = Mapping[ValueKey, Estimate]


@dataclass(frozen=True)
class SudokuStudy(Study):
    """The problems of all ``tasks`` are pooled and grouped by their number of blank cells.

    Problems without blanks are grouped by task. ``shown`` is the verifier of the figure.
    """

    models: tuple[str, ...] = FOUR_SIZES
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
        return cls(models=THREE_SIZES, problems=48, samples=16)

    def wanted(self) -> Sequence[RunSpec]:
        return list(run_grid(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        values = self._values(runs)
        data = as_frame(_rows(values))
        all_blanks = unique_values(data, "blanks")
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
        blanks_P = np.concatenate(list(map(blanks_of, runs)))
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
            counts_BP = resample_counts(int(in_group_P.sum()), seed)
            values |= estimate_all(ratios, counts_BP)
        return values

    @property
    def _verifier(self) -> str:
        """The verifier of the figure and of the sentences."""
        if self.shown in self.verifiers:
            return self.shown
        return self.verifiers[0]

    def _seen(self, values: Values, all_blanks: Sequence[str]) -> str:
        verifier = self._verifier
        parts = []
        # Without duplicates: there may be one number of blanks only.
        fewest_and_most = dict.fromkeys((all_blanks[0], all_blanks[-1]))
        for model in self.models:
            ends = []
            for blanks in fewest_and_most:
                accuracy = per_cent(values[model, blanks, verifier, "accuracy"])
                gap = points(values[model, blanks, verifier, "gap"])
                ends.append(f"{blanks}: accuracy {accuracy}%, gap {gap}")
            parts.append(f"{short_name(model)} at {' and at '.join(ends)} points")
        return f"with {verifier}, by number of blanks: {'; '.join(parts)}."

    def _holds(self, values: Values, all_blanks: Sequence[str]) -> str:
        counted = []
        # Models with a gap above zero at the largest number of blanks.
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

    def _table(self, values: Values, all_blanks: Sequence[str]) -> str:
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
        shown = data.filter(verifier=self._verifier)
        shown = known_values(with_short_names(shown))
        panels = [_panel(shown, quantity) for quantity in PANELS]
        x = alt.X(
            "blanks:O",
            sort=None,
            scale=alt.Scale(domain=unique_values(data, "blanks")),
            title="blanks",
            axis=alt.Axis(labelAngle=0),
        )
        colour = alt.Color("model:N", sort=None, title=None)
        return stacked_panels(panels, x, colour, height=105, apart="model:N")


def _panel(shown: pl.DataFrame, quantity: str) -> Panel:
    """Return the panel of one quantity; relative gaps are cut at ``CUT``."""
    title = PANELS[quantity]
    rows = shown.filter(quantity=quantity)
    if quantity == "relative_gap":
        reaches_below = rows.select((pl.col("low") < CUT).any()).item()
        if reaches_below:
            # Points below the cut are left out; intervals that reach below it end there.
            rows = rows.filter(pl.col("value") >= CUT)
            rows = rows.with_columns(pl.col("low").clip(CUT))
            title = f"{title}, cut at {CUT}"
    else:
        rows = scaled(rows, 100)
    # An accuracy has no need of a line at zero.
    return Panel(rows, title, has_zero=quantity != "accuracy")


def _rows(values: Values) -> Iterator[dict[str, Any]]:
    for (model, blanks, verifier, quantity), value in values.items():
        yield estimate_row(value, model=model, blanks=blanks, verifier=verifier, quantity=quantity)


def blanks_of(run: Run) -> np.ndarray:
    """Return each problem's number of blanks as text, or the task's label if it has none."""
    label = run.plan.task.label
    blanks = []
    for text in run.problems["metadata"]:
        metadata = json.loads(text)
        blanks.append(str(metadata.get("blanks", label)))
    return np.array(blanks)


def _sort_key(blanks: str) -> tuple[int, str]:
    """Sort numbers by value, and task labels before them by name."""
    if blanks.isdigit():
        return int(blanks), ""
    return 0, blanks


def _pooled(ratios: Sequence[Ratio], in_group_P: np.ndarray) -> Ratio:
    """Return one ratio over the problems of several runs that belong to a group."""
    above_P = np.concatenate([ratio.above_P for ratio in ratios])[in_group_P]
    below_P = np.concatenate([ratio.below_P for ratio in ratios])[in_group_P]
    first = ratios[0]
    return Ratio(above_P, below_P, first.definition, first.why, first.bounds)
