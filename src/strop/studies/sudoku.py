"""Sudoku by number of blanks ("Mind the Gap", section 4.4): a task whose answers are far easier to check than to find."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure import Ratio, estimate_all, resample_counts
from strop.records import Estimate
from strop.run.run import Run
from strop.seeds import derive
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.numbers import (
    check_equal_samples,
    gaps,
    listed,
    per_cent,
    points,
    share,
    short,
    side,
    told,
)
from strop.studies.frame.runs import Runs, RunSpec, each
from strop.tasks import Task

CUT = -0.5
"""A relative gap may fall without end where little is wrong; the figure stops here, the data do not."""
PANELS = {"accuracy": "accuracy, %", "gap": "gap, points", "relative_gap": "relative gap"}
PAPER = (
    "on 4x4 Sudoku only the largest models verify well: Qwen-2 0.5, 1.5, 7 and 72B have accuracies of 0.6, 0.6, 2.1 and 8.8% and gaps of "
    "-0.09, 0.14, -0.07 and 16.99 points (section 4.4)."
)


@dataclass(frozen=True)
class SudokuStudy(Study):
    """``tasks``: runs whose problems are put together, and then told apart by how many cells are blank (else by task)."""

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
        return list(each(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        places = each(self)
        labels = list(dict.fromkeys(task for _, task in places))
        rows, lines, found = [], [], {}
        for model in self.models:
            own = [runs.run(places[model, task]) for task in labels]
            check_equal_samples(own)
            for verifier in self.verifiers:
                for (blanks, quantity), value in self._by_blanks(own, verifier).items():
                    rows.append(
                        {
                            "model": model,
                            "blanks": blanks,
                            "verifier": verifier,
                            "quantity": quantity,
                        }
                        | told(value)
                    )
                    found[model, blanks, verifier, quantity] = value
        every = list(dict.fromkeys(row["blanks"] for row in rows))
        for model in self.models:
            for blanks in every:
                cells = [
                    f"{points(found[model, blanks, v, 'gap'])}; {share(found[model, blanks, v, 'relative_gap'])}"
                    for v in self.verifiers
                ]
                lines.append(
                    [
                        model,
                        blanks,
                        per_cent(found[model, blanks, self.verifiers[0], "accuracy"]),
                        *cells,
                    ]
                )
        header = [
            "model",
            "blanks",
            "accuracy, %",
            *(f"{v}: gap, points; relative" for v in self.verifiers),
        ]
        data = pl.DataFrame(rows, infer_schema_length=None)
        yield Finding(
            "sudoku",
            "Sudoku by number of blanks",
            PAPER,
            self._seen(found, every),
            self._holds(found, every),
            data,
            self._figure(data),
            markdown_table(header, lines),
        )

    def _by_blanks(self, runs: Sequence[Run], verifier: str) -> dict[tuple[str, str], Estimate]:
        """Each number of blanks with the problems that have it, resampled on their own."""
        blanks_P = np.concatenate([_blanks(run) for run in runs])
        measured = [gaps(run, verifier) for run in runs]
        found: dict[tuple[str, str], Estimate] = {}
        for blanks in sorted(set(blanks_P.tolist()), key=_order):
            of_P = blanks_P == blanks
            ratios = {
                (blanks, quantity): _some([one[quantity] for one in measured], of_P)
                for quantity in measured[0]
            }
            found |= estimate_all(
                ratios, resample_counts(int(of_P.sum()), derive(self.seed, "blanks", blanks))
            )
        return found

    def _judge(self) -> str:
        return self.shown if self.shown in self.verifiers else self.verifiers[0]

    def _seen(self, found: dict[Any, Estimate], every: Sequence[str]) -> str:
        judge = self._judge()
        parts = []
        for model in self.models:
            ends = [
                f"{blanks}: accuracy {per_cent(found[model, blanks, judge, 'accuracy'])}%, gap "
                f"{points(found[model, blanks, judge, 'gap'])}"
                for blanks in dict.fromkeys((every[0], every[-1]))
            ]
            parts.append(f"{short(model)} at {' and at '.join(ends)} points")
        return f"with {judge}, by number of blanks: {'; '.join(parts)}."

    def _holds(self, found: dict[Any, Estimate], every: Sequence[str]) -> str:
        judge = self._judge()
        above = {
            model: sum(side(found[model, blanks, judge, "gap"]) > 0 for blanks in every)
            for model in self.models
        }
        told_above = listed(
            f"{short(model)} {count} of {len(every)}" for model, count in above.items()
        )
        hard = [
            short(model) for model in self.models if side(found[model, every[-1], judge, "gap"]) > 0
        ]
        only = (
            "Yes: only the largest has"
            if hard == [short(self.models[-1])]
            else "No: not only the largest has"
            if hard
            else "Not shown: none has"
        )
        return (
            f"{only} a gap above zero where most is blank ({listed(hard)}). Numbers of blanks with a gap above zero: "
            f"{told_above}. What differs: these models were trained on this task and on its checks, the paper's were not."
        )

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(
            pl.col("verifier") == self._judge(), pl.col("value").is_not_null()
        ).with_columns(pl.col("model").map_elements(short, return_dtype=pl.String))
        every = data["blanks"].unique(maintain_order=True).to_list()
        panels = []
        for number, (quantity, title) in enumerate(PANELS.items()):
            times = 1 if quantity == "relative_gap" else 100
            own = shown.filter(pl.col("quantity") == quantity).with_columns(
                pl.col("value", "low", "high") * times
            )
            if quantity == "relative_gap" and own.select((pl.col("low") < CUT).any()).item():
                own, title = (
                    own.filter(pl.col("value") >= CUT).with_columns(pl.col("low").clip(CUT)),
                    f"{title}, cut at {CUT}",
                )
            last = number == len(PANELS) - 1
            x = alt.X(
                "blanks:O",
                sort=None,
                scale=alt.Scale(domain=every),
                title="blanks" if last else None,
                axis=alt.Axis(labelAngle=0, labels=last),
            )
            chart = points_with_intervals(
                own,
                x,
                "value:Q",
                alt.Color("model:N", sort=None, title=None),
                title=title,
                apart="model:N",
            )
            panels.append(
                (alt.layer(level(0), chart) if number else chart).properties(
                    width=COLUMN, height=105
                )
            )
        return alt.vconcat(*panels, spacing=6)


def _blanks(run: Run) -> np.ndarray:
    """The number of blanks of each problem as text, or the task's label where problems have none."""
    metadata = [json.loads(text) for text in run.problems["metadata"]]
    return np.array([str(one.get("blanks", run.plan.task.label)) for one in metadata])


def _order(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdigit() else (0, text)


def _some(ratios: Sequence[Ratio], of_P: np.ndarray) -> Ratio:
    """The ratios' problems side by side, and of these some."""
    above_P, below_P = (
        np.concatenate([getattr(ratio, side) for ratio in ratios])[of_P]
        for side in ("above_P", "below_P")
    )
    return Ratio(above_P, below_P, ratios[0].definition, ratios[0].why, ratios[0].bounds)
