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
from strop.studies.frame.data import (
    as_frame,
    estimate_row,
    in_per_cent,
    known_values,
    unique_values,
    with_short_names,
)
from strop.studies.frame.figures import COLUMN, forest, stacked
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    CHECKED,
    FOUR_SIZES,
    THREE_SIZES,
    count_signs,
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

Group = tuple[str, ...]
"""The verifiers of an ensemble; a single verifier is an ensemble of one."""
GainKey = tuple[str, str, str]
"""Model, task and ensemble."""
Gains = Mapping[GainKey, Estimate]
"""The gap of each ensemble minus that of its best member."""


@dataclass(frozen=True)
class EnsemblesStudy(Study):
    """Every AND of two and of three ``verifiers``, each under its default weight."""

    models: tuple[str, ...] = FOUR_SIZES
    tasks: tuple[str | Task, ...] = CHECKED
    verifiers: tuple[str, ...] = ("mc", "cot-binary", "cot-score", "tournament")
    problems: int = 200
    samples: int = 32
    seed: int = 0

    name: ClassVar[str] = "ensembles"
    description: ClassVar[str] = "ensembles of verifiers against their best member"

    @classmethod
    def quick(cls) -> EnsemblesStudy:
        return cls(models=THREE_SIZES, tasks=("arithmetic", "sudoku4"), problems=48, samples=16)

    def wanted(self) -> Sequence[RunSpec]:
        return list(run_grid(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        rows: list[dict[str, Any]] = []
        gains: dict[GainKey, Estimate] = {}
        for (model, task), spec in run_grid(self).items():
            for labels, value in self._measure(runs.run(spec)):
                rows.append(estimate_row(value, model=model, task=task, **labels))
                if labels["quantity"] == "gain":
                    gains[model, task, labels["ensemble"]] = value
        data = as_frame(rows)
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
        groups: list[Group] = []
        for size in (1, 2, 3):
            groups += combinations(self.verifiers, size)
        weights = {}
        group_ratios = {}
        for group in groups:
            # A product of weights keeps what every member keeps.
            weights[group] = np.prod([evidence.weights[name] for name in group], axis=0)
            group_ratios[group] = gaps_of(run, weights[group])
        gap_of = {group: ratios["gap"] for group, ratios in group_ratios.items()}

        # The order of these entries is the order of the rows in the data.
        ratios: dict[tuple[Group, str], Ratio] = {}
        for group in groups:
            for quantity in QUANTITIES:
                ratios[group, quantity] = group_ratios[group][quantity]
        for group in groups:
            ratios[group, "kept_share"] = kept_share(weights[group], mask_PK)
        for group in groups:
            if len(group) > 1:
                ratios[group, "gain"] = _gain(group, gap_of)

        measured = []
        for (group, quantity), value in estimates(run, ratios).items():
            survives_P = has_survivor_P(weights[group], mask_PK)
            labels = {
                "ensemble": " & ".join(group),
                "members": len(group),
                "quantity": quantity,
                "no_survivor": int((~survives_P).sum()),
            }
            measured.append((labels, value))
        return measured

    def _figure(self, data: pl.DataFrame) -> Any:
        """Draw the gains of the ensembles of two, one panel for each task."""
        shown = data.filter(quantity="gain", members=2)
        shown = in_per_cent(with_short_names(known_values(shown)))
        # The models stand below one another within each ensemble.
        height = 22 * shown["ensemble"].n_unique()
        tasks = unique_values(shown, "task")
        titles: list[str | None] = [None] * len(tasks)
        if titles:
            titles[-1] = "gap minus that of the best member, points"
        panels = []
        for task, title in zip(tasks, titles, strict=True):
            base = alt.Chart(shown.filter(task=task)).encode(
                y=alt.Y("ensemble:N", sort=None, title=None, axis=alt.Axis(labelLimit=170)),
                yOffset=alt.YOffset("model:N", sort=None),
                color=alt.Color("model:N", sort=None, title=None),
            )
            panel = forest(base, "x", title, size=18)
            panels.append(panel.properties(width=COLUMN - 110, height=height, title=task))
        return stacked(panels)


def _gain(group: Group, gap_of: Mapping[Group, Ratio]) -> Ratio:
    """Return the gap of an ensemble minus that of its best member."""
    members = [(name,) for name in group]
    # An undefined gap (nothing was filtered) cannot be the best.
    known = [member for member in members if np.isfinite(gap_of[member].value)]
    best = max(known, key=lambda member: gap_of[member].value, default=members[0])
    return difference(gap_of[group], gap_of[best], "gap minus that of the best member")


def _above(gains: Gains) -> list[str]:
    """Return the ensembles whose whole interval lies above zero."""
    above = []
    for (model, task, ensemble), gain in gains.items():
        if gain.interval_sign > 0:
            above.append(f"{ensemble} of {short_name(model)} on {task} ({points(gain)})")
    return above


def _seen(gains: Gains) -> str:
    above = _above(gains)
    if above:
        listed_above = f"These lie wholly above zero: {listed(above)}."
    else:
        listed_above = "None lies wholly above zero."
    return (
        f"gap of the ensemble minus that of its best member, over {len(gains)} ensembles, models "
        f"and tasks: {count_signs(gains.values())}. {listed_above}"
    )


def _holds(gains: Gains) -> str:
    above = len(_above(gains))
    below = sum(gain.interval_sign < 0 for gain in gains.values())
    answer = "In some cells" if above else "No"
    return (
        f"{answer}: {above} of {len(gains)} ensembles are better than "
        f"their best member, {below} are worse. The best member is chosen on the same problems, "
        "which favours it. A verifier that keeps nearly only right responses leaves nothing for "
        "another verifier to add."
    )


def _table(rows: Sequence[Mapping[str, Any]], gains: Gains) -> str:
    # Members are ensembles of one: their gaps are rows of the data too.
    gap_rows = {}
    for row in rows:
        if row["quantity"] == "gap":
            gap_rows[row["model"], row["task"], row["ensemble"]] = row
    lines = []
    for (model, task, ensemble), gain in gains.items():
        member_gaps = []
        for name in ensemble.split(" & "):
            member_gaps.append(_gap_text(gap_rows[model, task, name]))
        row = gap_rows[model, task, ensemble]
        cells = [", ".join(member_gaps), _gap_text(row), points(gain), str(row["no_survivor"])]
        lines.append([task, model, ensemble, *cells])
    header = ["task", "model", "ensemble", "members' gaps, points", "its gap"]
    header += ["minus its best member's", "problems without survivor"]
    return markdown_table(header, lines)


def _gap_text(row: Mapping[str, Any]) -> str:
    """Return the gap of a row in points, without its interval."""
    if row["value"] is None:
        return "–"
    return f"{100 * row['value']:+.1f}"
