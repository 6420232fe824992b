"""Keep a response only if every verifier passes it ("Mind the Gap", section 6.3, Tables 3 and 8): is that better than the best of them?

The best member is the one with the largest gap on the same problems, which flatters it: the comparison is strict on ensembles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure.gap import has_survivor_P, kept_share
from strop.measure.intervals import difference
from strop.records import Estimate
from strop.run.run import Run
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN
from strop.studies.frame.numbers import (
    CHECKED,
    estimates,
    gaps_of,
    listed,
    points,
    short,
    side,
    tally,
    told,
)
from strop.studies.frame.runs import Runs, RunSpec, each
from strop.tasks import Task

PAPER = (
    "keeping only what every verifier passes is better than each alone: Qwen-2 1.5B has a gap of 5.27 points with MC, of 2.78 with "
    "CoT-Score and of 7.68 with both (section 6.3, Table 3)."
)


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
    description: ClassVar[str] = "keep what every verifier passes: against the best of them"

    @classmethod
    def quick(cls) -> EnsemblesStudy:
        return cls(
            models=("ladder/40k", "ladder/125k", "ladder/250k"),
            tasks=("arithmetic", "sudoku4"),
            problems=48,
            samples=16,
        )

    def wanted(self) -> Sequence[RunSpec]:
        return list(each(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        rows: list[dict[str, Any]] = []
        gains: dict[tuple[str, str, str], Estimate] = {}
        for (model, task), wanted in each(self).items():
            own, gained = self._cell(runs.run(wanted))
            rows += [{"model": model, "task": task} | row for row in own]
            gains |= {(model, task, ensemble): gain for ensemble, gain in gained.items()}
        data = pl.DataFrame(rows, infer_schema_length=None)
        above = [
            f"{ensemble} of {short(m)} on {task} ({points(gain)})"
            for (m, task, ensemble), gain in gains.items()
            if side(gain) > 0
        ]
        below = sum(side(gain) < 0 for gain in gains.values())
        told_above = (
            f"Wholly above zero: {listed(above)}." if above else "None lies wholly above zero."
        )
        yield Finding(
            "ensembles",
            "Ensembles against their best member (figure: of two, table: of three as well)",
            PAPER,
            f"gap of the ensemble minus that of its best member, over {len(gains)} ensembles, models and tasks: {tally(gains.values())}. "
            f"{told_above}",
            f"{'In some cells' if above else 'No'}: {len(above)} of {len(gains)} ensembles beat their best member, {below} fall behind it. "
            "The best member is picked on the same problems, which favours it, and where one verifier keeps nearly all right responses "
            "there is nothing left for another to add.",
            data,
            self._figure(data),
            self._table(rows, gains),
        )

    def _cell(self, run: Run) -> tuple[list[dict[str, Any]], dict[str, Estimate]]:
        evidence, mask_PK = run.evidence, run.evidence.samples.mask_PK
        groups = [group for size in range(1, 4) for group in combinations(self.verifiers, size)]
        weights = {
            " & ".join(group): np.prod([evidence.weights[name] for name in group], axis=0)
            for group in groups
        }
        measured = {name: gaps_of(run, weight_PK) for name, weight_PK in weights.items()}
        ratios = {
            (name, quantity): one[quantity]
            for name, one in measured.items()
            for quantity in ("gap", "relative_gap", "accuracy_kept")
        }
        ratios |= {
            (name, "kept_share"): kept_share(weight_PK, mask_PK)
            for name, weight_PK in weights.items()
        }
        for group in groups:
            if len(group) > 1:
                name = " & ".join(group)
                known = [one for one in group if np.isfinite(measured[one]["gap"].value)]
                best = max(known, key=lambda one: measured[one]["gap"].value, default=group[0])
                ratios[name, "gain"] = difference(
                    measured[name]["gap"],
                    measured[best]["gap"],
                    "gap minus that of the best member",
                )
        found = estimates(run, ratios)
        none = {
            name: int((~has_survivor_P(weight_PK, mask_PK)).sum())
            for name, weight_PK in weights.items()
        }
        rows = [
            {
                "ensemble": name,
                "members": name.count("&") + 1,
                "quantity": quantity,
                "no_survivor": none[name],
            }
            | told(value)
            for (name, quantity), value in found.items()
        ]
        return rows, {
            name: value for (name, quantity), value in found.items() if quantity == "gain"
        }

    def _table(
        self, rows: Sequence[Mapping[str, Any]], gains: Mapping[tuple[str, str, str], Estimate]
    ) -> str:
        values = {
            (row["model"], row["task"], row["ensemble"], row["quantity"]): row for row in rows
        }
        lines = []
        for (model, task, ensemble), gain in gains.items():
            gap = values[model, task, ensemble, "gap"]
            members = [values[model, task, name, "gap"]["value"] for name in ensemble.split(" & ")]
            text = ", ".join("–" if one is None else f"{100 * one:+.1f}" for one in members)
            own = "–" if gap["value"] is None else f"{100 * gap['value']:+.1f}"
            lines.append([task, model, ensemble, text, own, points(gain), str(gap["no_survivor"])])
        header = [
            "task",
            "model",
            "ensemble",
            "members' gaps, points",
            "its gap",
            "minus its best member's",
            "problems without survivor",
        ]
        return markdown_table(header, lines)

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(
            pl.col("quantity") == "gain", pl.col("members") == 2, pl.col("value").is_not_null()
        ).with_columns(
            pl.col("value", "low", "high") * 100,
            pl.col("model").map_elements(short, return_dtype=pl.String),
        )
        tasks = shown["task"].unique(maintain_order=True).to_list()
        panels = []
        for number, task in enumerate(tasks):
            last = number == len(tasks) - 1
            base = alt.Chart(shown.filter(pl.col("task") == task)).encode(
                y=alt.Y("ensemble:N", sort=None, title=None, axis=alt.Axis(labelLimit=170)),
                yOffset=alt.YOffset("model:N", sort=None),
                color=alt.Color("model:N", sort=None, title=None),
            )
            title = "gap minus that of the best member, points" if last else None
            spans = base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(
                x=alt.X("low:Q", title=title), x2="high:Q"
            )
            marks = base.mark_point(filled=True, size=18, opacity=1).encode(x="value:Q")
            zero = (
                alt.Chart(alt.Data(values=[{"level": 0}]))
                .mark_rule(strokeDash=[3, 3], strokeWidth=0.8, color="#777")
                .encode(x="level:Q")
            )
            panels.append(
                alt.layer(zero, spans, marks).properties(
                    width=COLUMN - 110, height=22 * shown["ensemble"].n_unique(), title=task
                )
            )
        return alt.vconcat(*panels, spacing=6)
