"""Ensembles of verifiers against their best member ("Mind the Gap", section 6.3, Tables 3 and 8).

An ensemble keeps a response only if every member passes it. The best member is the one with the
largest gap on the same problems. That choice favours the member, so the comparison is strict on
ensembles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure import Ratio
from strop.measure.gap import has_survivor_P, kept_share
from strop.measure.intervals import difference
from strop.records import Estimate
from strop.run.run import Run
from strop.studies.frame.base import Study
from strop.studies.frame.figures import COLUMN, level
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    CHECKED,
    count_signs,
    estimate_columns,
    estimates,
    gaps_of,
    points,
    short_name,
)
from strop.studies.frame.runs import Runs, RunSpec, run_grid
from strop.tasks import Task
from strop.text import listed

PAPER = (
    "keeping only what every verifier passes is better than each alone: Qwen-2 1.5B has a gap of "
    "5.27 points with MC, of 2.78 with CoT-Score and of 7.68 with both (section 6.3, Table 3)."
)
QUANTITIES = ("gap", "relative_gap", "accuracy_kept")

GainKey = tuple[str, str, str]
"""Model, task and ensemble."""


@dataclass(frozen=True)
class EnsemblesStudy(Study):
    """Every AND of two and of three ``verifiers``, each under its default weight."""

    models: tuple[str, ...] = ("ladder/40k", "ladder/125k", "ladder/250k", "ladder/400k")
    tasks: tuple[str | Task, ...] = CHECKED
    verifiers: tuple[str, ...] = ("mc", "cot-binary", "cot-score", "tournament")
    problems: int = 200
    samples: int = 32
    seed: int = 0

    name: ClassVar[str] = "ensembles"
    description: ClassVar[str] = "ensembles of verifiers against their best member"

    @classmethod
    def quick(cls) -> EnsemblesStudy:
        models = ("ladder/40k", "ladder/125k", "ladder/250k")
        return cls(models=models, tasks=("arithmetic", "sudoku4"), problems=48, samples=16)

    def wanted(self) -> Sequence[RunSpec]:
        return list(run_grid(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        rows: list[dict[str, Any]] = []
        gains: dict[GainKey, Estimate] = {}
        for (model, task), spec in run_grid(self).items():
            for row, value in self._measure(runs.run(spec)):
                rows.append({"model": model, "task": task} | row | estimate_columns(value))
                if row["quantity"] == "gain":
                    gains[model, task, row["ensemble"]] = value
        data = pl.DataFrame(rows, infer_schema_length=None)
        yield Finding(
            "ensembles",
            "Ensembles against their best member (figure: of two, table: of three as well)",
            PAPER,
            _seen(gains),
            _holds(gains),
            data,
            self._figure(data),
            _table(rows, gains),
        )

    def _measure(self, run: Run) -> list[tuple[dict[str, Any], Estimate]]:
        """Return the labels and the value of every number of one run."""
        evidence = run.evidence
        mask_PK = evidence.samples.mask_PK
        groups: list[tuple[str, ...]] = []
        for size in (1, 2, 3):
            groups += combinations(self.verifiers, size)
        # A product of weights keeps what every member keeps.
        weights = {}
        for group in groups:
            weights[group] = np.prod([evidence.weights[name] for name in group], axis=0)
        group_ratios = {group: gaps_of(run, weight_PK) for group, weight_PK in weights.items()}

        # The order of these entries is the order of the rows in the data.
        ratios: dict[tuple[tuple[str, ...], str], Ratio] = {}
        for group in groups:
            for quantity in QUANTITIES:
                ratios[group, quantity] = group_ratios[group][quantity]
        for group in groups:
            ratios[group, "kept_share"] = kept_share(weights[group], mask_PK)
        gap_of = {group: group_ratios[group]["gap"] for group in groups}
        for group in groups:
            if len(group) > 1:
                ratios[group, "gain"] = _gain(group, gap_of)

        no_survivor = {}
        for group, weight_PK in weights.items():
            no_survivor[group] = int((~has_survivor_P(weight_PK, mask_PK)).sum())
        measured = []
        for (group, quantity), value in estimates(run, ratios).items():
            row = {
                "ensemble": " & ".join(group),
                "members": len(group),
                "quantity": quantity,
                "no_survivor": no_survivor[group],
            }
            measured.append((row, value))
        return measured

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(
            pl.col("quantity") == "gain", pl.col("members") == 2, pl.col("value").is_not_null()
        ).with_columns(
            pl.col("value", "low", "high") * 100,
            pl.col("model").map_elements(short_name, return_dtype=pl.String),
        )
        # One line for each model within each ensemble.
        height = 22 * shown["ensemble"].n_unique()
        tasks = shown["task"].unique(maintain_order=True).to_list()
        panels = []
        for index, task in enumerate(tasks):
            is_last = index == len(tasks) - 1
            base = alt.Chart(shown.filter(pl.col("task") == task)).encode(
                y=alt.Y("ensemble:N", sort=None, title=None, axis=alt.Axis(labelLimit=170)),
                yOffset=alt.YOffset("model:N", sort=None),
                color=alt.Color("model:N", sort=None, title=None),
            )
            title = "gap minus that of the best member, points" if is_last else None
            low = alt.X("low:Q", title=title)
            spans = base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(x=low, x2="high:Q")
            marks = base.mark_point(filled=True, size=18, opacity=1).encode(x="value:Q")
            panel = alt.layer(level(0, "x"), spans, marks)
            panels.append(panel.properties(width=COLUMN - 110, height=height, title=task))
        return alt.vconcat(*panels, spacing=6)


def _gain(group: tuple[str, ...], gap_of: Mapping[tuple[str, ...], Ratio]) -> Ratio:
    """Return the gap of an ensemble minus that of its best member."""
    members = [(name,) for name in group]
    # An undefined gap (nothing was filtered) cannot be the best.
    known = [member for member in members if np.isfinite(gap_of[member].value)]
    best = max(known, key=lambda member: gap_of[member].value, default=members[0])
    return difference(gap_of[group], gap_of[best], "gap minus that of the best member")


def _above(gains: Mapping[GainKey, Estimate]) -> list[str]:
    """Return the ensembles whose whole interval lies above zero."""
    above = []
    for (model, task, ensemble), gain in gains.items():
        if gain.interval_sign > 0:
            above.append(f"{ensemble} of {short_name(model)} on {task} ({points(gain)})")
    return above


def _seen(gains: Mapping[GainKey, Estimate]) -> str:
    above = _above(gains)
    listed_above = "None lies wholly above zero."
    if above:
        listed_above = f"These lie wholly above zero: {listed(above)}."
    return (
        f"gap of the ensemble minus that of its best member, over {len(gains)} ensembles, models "
        f"and tasks: {count_signs(gains.values())}. {listed_above}"
    )


def _holds(gains: Mapping[GainKey, Estimate]) -> str:
    above = len(_above(gains))
    below = sum(gain.interval_sign < 0 for gain in gains.values())
    return (
        f"{'In some cells' if above else 'No'}: {above} of {len(gains)} ensembles are better than "
        f"their best member, {below} are worse. The best member is chosen on the same problems, "
        "which favours it. A verifier that keeps nearly only right responses leaves nothing for "
        "another verifier to add."
    )


def _table(rows: Sequence[Mapping[str, Any]], gains: Mapping[GainKey, Estimate]) -> str:
    # Members are ensembles of one: their gaps are rows of the data too.
    gap_rows = {}
    for row in rows:
        if row["quantity"] == "gap":
            gap_rows[row["model"], row["task"], row["ensemble"]] = row
    lines = []
    for (model, task, ensemble), gain in gains.items():
        members = [gap_rows[model, task, name] for name in ensemble.split(" & ")]
        member_gaps = ", ".join(_gap_text(member) for member in members)
        row = gap_rows[model, task, ensemble]
        cells = [member_gaps, _gap_text(row), points(gain), str(row["no_survivor"])]
        lines.append([task, model, ensemble, *cells])
    header = ["task", "model", "ensemble", "members' gaps, points", "its gap"]
    header += ["minus its best member's", "problems without survivor"]
    return markdown_table(header, lines)


def _gap_text(row: Mapping[str, Any]) -> str:
    """Return the gap of a row in points, without its interval."""
    return "–" if row["value"] is None else f"{100 * row['value']:+.1f}"
