"""Several verifications of each response ("Mind the Gap", section 3, footnote).

A response is verified M times. The gap with m verifications uses the mean of m of them as the
score. It is averaged over the disjoint sets of m verifications among the M, so that the gap with
few verifications is measured as precisely as the gap with many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure.gap import accuracy_P, kept_accuracy_P, mean_over_problems
from strop.measure.intervals import Floats, Ratio, difference
from strop.records import Estimate
from strop.run.run import Run
from strop.studies.frame.base import Study
from strop.studies.frame.data import (
    as_frame,
    estimate_row,
    in_per_cent,
    known_values,
    with_short_names,
)
from strop.studies.frame.figures import Panel, stacked_panels
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    THREE_SIZES,
    count_signs,
    estimates,
    points,
    scores_PKM,
    short_name,
)
from strop.studies.frame.runs import Runs, RunSpec, run_grid
from strop.tasks import Task

PAPER = (
    "one verification of each response was sampled; a footnote says that several would be better "
    "and were left out because of their cost."
)

CellKey = tuple[str, str, str]
"""Model, task and verifier."""
GapsByDraws = Mapping[CellKey, Mapping[int, Estimate]]
Changes = Mapping[CellKey, Estimate]
"""The gap with all verifications minus that with one."""


@dataclass(frozen=True)
class DrawsStudy(Study):
    """Every verifier judges each response ``draws`` times (M)."""

    models: tuple[str, ...] = THREE_SIZES
    tasks: tuple[str | Task, ...] = ("arithmetic", "sudoku4")
    verifiers: tuple[str, ...] = ("cot-binary", "cot-score")
    draws: int = 8
    problems: int = 100
    samples: int = 16
    seed: int = 0

    name: ClassVar[str] = "draws"
    description: ClassVar[str] = "several verifications of each response, averaged"

    @classmethod
    def quick(cls) -> DrawsStudy:
        return cls(models=("ladder/40k", "ladder/125k"), draws=4, problems=48)

    def wanted(self) -> Sequence[RunSpec]:
        return list(run_grid(self, draws=self.draws).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        # The gap by number of verifications, and its change from one to all of them.
        gaps: dict[CellKey, dict[int, Estimate]] = {}
        changes: dict[CellKey, Estimate] = {}
        for (model, task), spec in run_grid(self, draws=self.draws).items():
            for verifier in self.verifiers:
                cell = (model, task, verifier)
                gaps[cell], changes[cell] = _gaps_and_change(runs.run(spec), verifier)
        data = as_frame(_rows(gaps))
        yield Finding(
            "draws",
            "The gap with several verifications of each response",
            PAPER,
            self._seen(changes),
            self._holds(changes),
            data,
            self._figure(data),
            self._table(gaps, changes),
        )

    def _seen(self, changes: Changes) -> str:
        known = {cell: change for cell, change in changes.items() if change.value is not None}
        signs = count_signs(known.values())
        text = f"gap with {self.draws} verifications minus gap with one: {signs}."
        if known:
            largest = max(known, key=lambda cell: known[cell].value or 0.0)
            model, task, verifier = largest
            change = points(known[largest])
            text += (
                f" The largest change is {change} points, {verifier} of "
                f"{short_name(model)} on {task}."
            )
        return text

    def _holds(self, changes: Changes) -> str:
        signs = [change.interval_sign for change in changes.values()]
        return (
            f"Several verifications are better in {signs.count(1)} of {len(signs)} cells and worse "
            f"in {signs.count(-1)}; the other cells show no difference. A binary verifier keeps a "
            "response if at least half of the verifications call it correct. This is lenient if "
            "the number of verifications is even, so the curve can go down and up again."
        )

    def _table(self, gaps: GapsByDraws, changes: Changes) -> str:
        # A table of all M would be too wide.
        shown = [draws for draws in (1, 2, 4, 8, 16, 32) if draws <= self.draws]
        lines = []
        for (model, task, verifier), change in changes.items():
            by_draws = gaps[model, task, verifier]
            cells = [points(by_draws[draws]) for draws in shown]
            lines.append([task, model, verifier, *cells, points(change)])
        columns = [f"{draws}: gap, points" for draws in shown]
        return markdown_table(
            ["task", "model", "verifier", *columns, f"{self.draws} minus 1"], lines
        )

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = in_per_cent(with_short_names(known_values(data)))
        panels = []
        for verifier, task in shown.select("verifier", "task").unique(maintain_order=True).rows():
            rows = shown.filter(verifier=verifier, task=task)
            panels.append(Panel(rows, "gap, points", f"{verifier}, {task}"))
        title = "verifications of each response"
        x = alt.X("draws:O", title=title, axis=alt.Axis(labelAngle=0))
        colour = alt.Color("model:N", sort=None, title=None)
        return stacked_panels(panels, x, colour, height=85)


def _rows(gaps: GapsByDraws) -> Iterator[dict[str, Any]]:
    """Yield one row for each cell and number of verifications."""
    for (model, task, verifier), by_draws in gaps.items():
        for draws, gap in by_draws.items():
            yield estimate_row(gap, model=model, task=task, verifier=verifier, draws=draws)


def _gaps_and_change(run: Run, verifier: str) -> tuple[dict[int, Estimate], Estimate]:
    """Return the gap with 1 .. M verifications, and the gap with M minus the gap with one."""
    ratios = gaps_by_draws(run, verifier)
    most = max(ratios)
    definition = f"gap with {most} verifications minus that with one"
    change = difference(ratios[most], ratios[1], definition)
    values = estimates(run, {**ratios, "change": change})
    change_estimate = values.pop("change")
    return values, change_estimate


def gaps_by_draws(run: Run, stage: str) -> dict[int, Ratio]:
    """Return the gap with m = 1 .. M verifications: each problem's mean over disjoint sets of m."""
    score_PKM = scores_PKM(run, stage)
    samples = run.evidence.samples
    # The weight is applied anew to each mean: a threshold can decide otherwise than on one draw.
    weight = run.default_weight(stage)
    before_P = accuracy_P(samples.utility_PK, samples.mask_PK)

    def gap_P(score_PK: Floats) -> Floats:
        weight_PK = weight(score_PK, samples.mask_PK)
        return kept_accuracy_P(samples.utility_PK, weight_PK, samples.mask_PK) - before_P

    most = score_PKM.shape[2]
    ratios = {}
    for draws in range(1, most + 1):
        # Only whole sets of m count: with M = 5 and m = 2, the fifth verification is left out.
        starts = range(0, most - draws + 1, draws)
        gaps = []
        for start in starts:
            score_PKm = score_PKM[:, :, start : start + draws]
            gaps.append(gap_P(score_PKm.mean(axis=2)))
        definition = (
            f"gap with the mean of {draws} verifications as score, mean over {len(gaps)} disjoint "
            "sets of them"
        )
        ratios[draws] = mean_over_problems(np.mean(gaps, axis=0), definition, (-1.0, 1.0))
    return ratios
