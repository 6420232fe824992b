"""Several verifications of each response ("Mind the Gap", section 3, footnote: better, and left out for its cost).

A response is judged M times. The gap with m verifications takes the mean of m of them as the score; it is averaged over the disjoint sets
of m among the M, so that few verifications are measured as precisely as many.
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
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.numbers import estimates, points, scores_PKM, short, side, tally, told
from strop.studies.frame.runs import Runs, RunSpec, each
from strop.tasks import Task
from strop.weigh import Weight

PAPER = "one verification of each response was sampled; a footnote says that several would be better and were left out for their cost."


@dataclass(frozen=True)
class DrawsStudy(Study):
    """``draws``: M verifications of each response."""

    models: tuple[str, ...] = ("ladder/40k", "ladder/125k", "ladder/250k")
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
        return list(each(self, draws=self.draws).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        rows: list[dict[str, Any]] = []
        found: dict[tuple[str, str, str, int | str], Estimate] = {}
        for (model, task), wanted in each(self, draws=self.draws).items():
            run = runs.run(wanted)
            for verifier in self.verifiers:
                ratios = gaps_by_draws(run, verifier)
                most = max(ratios)
                change = difference(
                    ratios[most], ratios[1], f"gap with {most} verifications minus that with one"
                )
                measured = estimates(run, {**ratios, "change": change})
                found |= {
                    (model, task, verifier, draws): value for draws, value in measured.items()
                }
                rows += [
                    {"model": model, "task": task, "verifier": verifier, "draws": draws}
                    | told(measured[draws])
                    for draws in ratios
                ]
        changes = {place[:3]: value for place, value in found.items() if place[3] == "change"}
        data = pl.DataFrame(rows, infer_schema_length=None)
        yield Finding(
            "draws",
            "The gap with several verifications of each response",
            PAPER,
            self._seen(changes),
            self._holds(changes),
            data,
            self._figure(data),
            self._table(found, changes),
        )

    def _seen(self, changes: Mapping[tuple[str, str, str], Estimate]) -> str:
        known = {place: value for place, value in changes.items() if value.value is not None}
        text = f"gap with {self.draws} verifications minus that with one: {tally(known.values())}."
        if known:
            (model, task, verifier), value = max(
                known.items(), key=lambda item: item[1].value or 0.0
            )
            text += f" The largest change is {points(value)} points, {verifier} of {short(model)} on {task}."
        return text

    def _holds(self, changes: Mapping[tuple[str, str, str], Estimate]) -> str:
        better, worse = (sum(side(value) == sign for value in changes.values()) for sign in (1, -1))
        return (
            f"Several are better in {better} of {len(changes)} cells and worse in {worse}; in the others no difference is shown. A binary "
            "verifier keeps what at least half of the verifications call correct, which is lenient where their number is even: its curve "
            "can go down and up again."
        )

    def _table(
        self,
        found: Mapping[tuple[str, str, str, int | str], Estimate],
        changes: Mapping[tuple[str, str, str], Estimate],
    ) -> str:
        shown = [draws for draws in (1, 2, 4, 8, 16, 32) if draws <= self.draws]
        lines = []
        for (model, task, verifier), change in changes.items():
            cells = [
                points(value) if (value := found.get((model, task, verifier, draws))) else "–"
                for draws in shown
            ]
            lines.append([task, model, verifier, *cells, points(change)])
        return markdown_table(
            [
                "task",
                "model",
                "verifier",
                *(f"{draws}: gap, points" for draws in shown),
                f"{self.draws} minus 1",
            ],
            lines,
        )

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(pl.col("value").is_not_null()).with_columns(
            pl.col("value", "low", "high") * 100,
            pl.col("model").map_elements(short, return_dtype=pl.String),
        )
        panels = []
        places = shown.select("verifier", "task").unique(maintain_order=True).rows()
        for number, (verifier, task) in enumerate(places):
            last = number == len(places) - 1
            own = shown.filter(pl.col("verifier") == verifier, pl.col("task") == task)
            x = alt.X(
                "draws:O",
                title="verifications of each response" if last else None,
                axis=alt.Axis(labelAngle=0, labels=last),
            )
            chart = points_with_intervals(
                own, x, "value:Q", alt.Color("model:N", sort=None, title=None), title="gap, points"
            )
            panels.append(
                alt.layer(level(0), chart).properties(
                    width=COLUMN, height=85, title=f"{verifier}, {task}"
                )
            )
        return alt.vconcat(*panels, spacing=6)


def gaps_by_draws(run: Run, stage: str, weight: Weight | None = None) -> dict[int, Ratio]:
    """The gap with m = 1 .. M verifications, each problem's mean over the disjoint sets of m."""
    scores, samples = scores_PKM(run, stage), run.evidence.samples
    weight = weight or run.default_weight(stage)
    before_P = accuracy_P(samples.utility_PK, samples.mask_PK)

    def gap_P(of: Floats) -> Floats:
        return (
            kept_accuracy_P(samples.utility_PK, weight(of, samples.mask_PK), samples.mask_PK)
            - before_P
        )

    most = scores.shape[2]
    found = {}
    for count in range(1, most + 1):
        sets = [
            scores[:, :, start : start + count].mean(axis=2)
            for start in range(0, most - count + 1, count)
        ]
        definition = f"gap with the mean of {count} verifications as score, mean over {len(sets)} disjoint sets of them"
        found[count] = mean_over_problems(
            np.mean([gap_P(one) for one in sets], axis=0), definition, (-1.0, 1.0)
        )
    return found
