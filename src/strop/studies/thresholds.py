"""The gap against the threshold ("Mind the Gap", section 6.1, Figures 5 and 6).

Is the best threshold the same for all models? The study chooses the threshold on the smallest model
and judges it on the others, and compares this with the choice on each model itself. Both choices
are cross-fitted over problems, so that neither looks better than it is, and both are made anew in
every resample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import polars as pl

from strop.records import Estimate
from strop.studies.frame.base import Study
from strop.studies.frame.data import (
    as_frame,
    estimate_row,
    in_per_cent,
    unique_values,
    with_short_names,
)
from strop.studies.frame.figures import panels_by, stacked_panels
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    FOUR_SIZES,
    THREE_SIZES,
    check_equal_samples,
    points,
    short_name,
)
from strop.studies.frame.runs import Runs, RunSpec, run_grid
from strop.studies.threshold_curves import (
    Curve,
    axis_title,
    best_interval,
    curve,
    shape,
    swept_weight,
    transfer,
)
from strop.tasks import Task
from strop.text import listed

PAPER = (
    "the gap is concave in the threshold for MC and the tournament and rises for CoT-Score; the "
    "best threshold is similar for all models of a task, so that a small model can choose it "
    "(section 6.1, Figures 5 and 6)."
)

CellKey = tuple[str, str]
"""Model and task."""
Transfers = Mapping[CellKey, tuple[Estimate, Estimate]]
"""The result of ``transfer`` for every model but the smallest."""


@dataclass(frozen=True)
class ThresholdsStudy(Study):
    """Quantiles for mc and cot-score, rounds for the tournament."""

    models: tuple[str, ...] = FOUR_SIZES
    tasks: tuple[str | Task, ...] = ("arithmetic", "signs", "sudoku4")
    verifiers: tuple[str, ...] = ("mc", "cot-score", "tournament")
    problems: int = 200
    samples: int = 32
    seed: int = 0

    name: ClassVar[str] = "thresholds"
    description: ClassVar[str] = (
        "the gap against the threshold, and whether a small model can choose it"
    )

    @classmethod
    def quick(cls) -> ThresholdsStudy:
        return cls(models=THREE_SIZES, tasks=("arithmetic", "sudoku4"), problems=48, samples=16)

    def wanted(self) -> Sequence[RunSpec]:
        return list(run_grid(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        smallest, *others = self.models
        for verifier in self.verifiers:
            curves = {}
            for cell, spec in run_grid(self).items():
                curves[cell] = curve(runs.run(spec), verifier)
            # A gap depends on the number of samples, so models are compared at an equal number.
            check_equal_samples([gap_curve.run for gap_curve in curves.values()])
            transfers = {}
            for task in dict.fromkeys(task for _, task in curves):
                for model in others:
                    cell = (model, task)
                    transfers[cell] = transfer(curves[smallest, task], curves[cell])
            yield self._finding(verifier, curves, transfers)

    def _finding(
        self, verifier: str, curves: Mapping[CellKey, Curve], transfers: Transfers
    ) -> Finding:
        data = as_frame(_rows(verifier, curves))
        return Finding(
            f"thresholds-{verifier}",
            f"Gap against threshold: {verifier}",
            PAPER,
            self._seen(verifier, curves, transfers),
            _holds(verifier, curves, transfers),
            data,
            _figure(data, verifier),
            self._table(verifier, curves, transfers),
        )

    def _seen(self, verifier: str, curves: Mapping[CellKey, Curve], transfers: Transfers) -> str:
        shapes = [shape(gap_curve) for gap_curve in curves.values()]
        shape_counts = listed(f"{shapes.count(name)} {name}" for name in dict.fromkeys(shapes))
        best_of_task: dict[str, list[float]] = {}
        for (_, task), gap_curve in curves.items():
            best_of_task.setdefault(task, []).append(gap_curve.best)
        ranges = []
        for task, best in best_of_task.items():
            ranges.append(f"{min(best):g} to {max(best):g} on {task}")
        text = (
            f"of {len(shapes)} cells {shape_counts}; the best {axis_title(verifier)} of the models "
            f"ranges from {listed(ranges)}."
        )
        losses = _known_losses(transfers)
        if losses:
            worst = min(losses, key=lambda loss: loss.value or 0.0)
            smallest = short_name(self.models[0])
            text += (
                f" If the threshold is chosen on {smallest} instead of on the model itself, the "
                f"gap changes by {points(worst)} points in the worst case."
            )
        return text

    def _table(self, verifier: str, curves: Mapping[CellKey, Curve], transfers: Transfers) -> str:
        lines = []
        for (model, task), gap_curve in curves.items():
            low, high = best_interval(gap_curve)
            best = f"{gap_curve.best:g} [{low:g}, {high:g}]"
            best_gap = points(gap_curve.gaps[gap_curve.best_index])
            # The smallest model chooses for itself: it has no transfer.
            own_gap = loss = "–"
            if (model, task) in transfers:
                change, own_choice = transfers[model, task]
                loss = points(change)
                own_gap = points(own_choice)
            lines.append([task, model, best, best_gap, shape(gap_curve), own_gap, loss])
        header = [
            "task",
            "model",
            f"best {axis_title(verifier)} [95% of resamples]",
            "gap there (in-sample), points",
            "shape",
            "gap, chosen on itself (cross-fitted)",
            f"change when chosen on {short_name(self.models[0])}",
        ]
        return markdown_table(header, lines)


def _rows(verifier: str, curves: Mapping[CellKey, Curve]) -> Iterator[dict[str, Any]]:
    """Yield one row for each model, task and threshold."""
    for (model, task), gap_curve in curves.items():
        thresholds = gap_curve.threshold_T.tolist()
        for threshold, gap, kept in zip(thresholds, gap_curve.gaps, gap_curve.kept, strict=True):
            row = estimate_row(
                gap,
                model=model,
                task=task,
                verifier=verifier,
                kind=swept_weight(verifier),
                threshold=threshold,
            )
            row["kept_share"] = kept.value
            row["best"] = threshold == gap_curve.best
            yield row


def _known_losses(transfers: Transfers) -> list[Estimate]:
    """Return the changes of the gap by transfer, where they are defined."""
    return [loss for loss, _ in transfers.values() if loss.value is not None]


def _holds(verifier: str, curves: Mapping[CellKey, Curve], transfers: Transfers) -> str:
    expected = "rising" if verifier == "cot-score" else "concave"
    shapes = [shape(gap_curve) for gap_curve in curves.values()]
    # Cells without a curve are not counted against the paper.
    drawn = len(shapes) - shapes.count("no curve")
    two_levels = ""
    if drawn < len(shapes):
        two_levels = ", and scores of two levels have no curve"
    return (
        f"{shapes.count(expected)} of {drawn} curves are {expected} as in the paper, judged by "
        f"their points; a curve within noise is called flat{two_levels}. {_transferred(transfers)}"
    )


def _transferred(transfers: Transfers) -> str:
    """Return a sentence about the loss by a choice on the smallest model."""
    losses = _known_losses(transfers)
    if not losses:
        return "With one model, or too few thresholds, there is no choice to transfer."
    lost = sum(loss.interval_sign < 0 for loss in losses)
    return (
        f"In {lost} of {len(losses)} cells the smallest model's choice costs some of the gap "
        "(whole interval below zero); the other cells show no loss, which does not prove that "
        "there is none."
    )


def _figure(data: pl.DataFrame, verifier: str) -> Any:
    shown = in_per_cent(with_short_names(data))
    # A number of rounds is whole, so that ticks between whole numbers would mislead.
    tick_step = 1 if swept_weight(verifier) == "survivors" else alt.Undefined
    x = alt.X(
        "threshold:Q",
        title=axis_title(verifier),
        axis=alt.Axis(tickMinStep=tick_step),
        scale=alt.Scale(zero=False, nice=False, padding=10),
    )
    panels = panels_by(shown, "task", unique_values(shown, "task"), "gap, points")
    colour = alt.Color("model:N", sort=None, title=None)
    return stacked_panels(panels, x, colour, height=105)
