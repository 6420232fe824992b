"""Factual recall ("Mind the Gap", section 4.3): to check a fact takes the knowledge that giving it takes, so no gap is expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import polars as pl

from strop.measure import estimate
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN, level
from strop.studies.frame.numbers import (
    FULL,
    LEAN,
    counts,
    estimates,
    gaps,
    listed,
    per_cent,
    points,
    share,
    short,
    side,
    tally,
    told,
)
from strop.studies.frame.runs import Runs, RunSpec, each
from strop.tasks import Task

WEIGHINGS = (("mc", "threshold:0.8"), ("mc", None), ("cot-binary", None), ("cot-score", None))
SMALL = 0.01
PAPER = (
    "on Natural Questions the gap is below 1 point or negative everywhere; Qwen-2 0.5, 1.5, 7 and 72B have accuracies of 6.5, 13.9, 29.1 "
    "and 41.5% and MC gaps at threshold 0.8 of -0.06, 0.04, 0.79 and 0.28 points (section 4.3)."
)


@dataclass(frozen=True)
class RecallStudy(Study):
    """Every verifier under its default weight, and mc at the paper's threshold as well."""

    models: tuple[str, ...] = (*FULL, *LEAN)
    tasks: tuple[str | Task, ...] = ("recall",)
    verifiers: tuple[str, ...] = ("mc", "cot-binary", "cot-score")
    problems: int = 200
    samples: int = 32
    seed: int = 0

    name: ClassVar[str] = "recall"
    description: ClassVar[str] = "factual recall, where no verifier is expected to have a gap"
    own_tasks: ClassVar[bool] = True

    @classmethod
    def quick(cls) -> RecallStudy:
        return cls(models=("ladder/40k", "ladder/125k", "ladder/250k"), problems=48, samples=16)

    def wanted(self) -> Sequence[RunSpec]:
        return list(each(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        rows, lines, found = [], [], []
        weighings = [
            (verifier, weigh) for verifier, weigh in WEIGHINGS if verifier in self.verifiers
        ]
        for (model, task), wanted in each(self).items():
            run = runs.run(wanted)
            cells = []
            for verifier, weigh in weighings:
                measured = estimates(run, gaps(run, verifier, weigh))
                judge = verifier if weigh is None else f"{verifier}@{weigh}"
                rows += [
                    {"model": model, "task": task, "verifier": judge, "quantity": quantity}
                    | told(value)
                    | counts(run, verifier, weigh)
                    for quantity, value in measured.items()
                ]
                found.append((f"{judge} of {short(model)}", measured["gap"]))
                cells.append(f"{points(measured['gap'])}; {share(measured['relative_gap'])}")
            accuracy = estimate(
                gaps(run, weighings[0][0])["accuracy"], run.counts_BP, group_P=run.evidence.group_P
            )
            lines.append([model, task, per_cent(accuracy), *cells])
        header = [
            "model",
            "task",
            "accuracy, %",
            *(f"{v}{'@' + w if w else ''}: gap, points; relative" for v, w in weighings),
        ]
        gaps_found = [value for _, value in found if value.value is not None]
        largest = max(
            (one for one in found if one[1].value is not None),
            key=lambda one: one[1].value or 0.0,
            default=None,
        )
        large = [name for name, value in found if value.low is not None and value.low > SMALL]
        surely_small = sum(value.high is not None and value.high < SMALL for value in gaps_found)
        seen = f"{tally(gaps_found)}; {surely_small} lie wholly below 1 point."
        seen += f" The largest gap is {points(largest[1])} points, {largest[0]}." if largest else ""
        some = [name for name, value in found if side(value) > 0 and (value.value or 0.0) > SMALL]
        holds = (
            f"No: above 1 point with their whole interval are {', '.join(large)}."
            if large
            else f"Nearly: no gap lies wholly above 1 point, but there are some, and of {listed(some)} the best guess is more."
            if some
            else "Yes as far as the intervals tell: none lies wholly above 1 point; many reach above it, so small gaps are not excluded."
        )
        data = pl.DataFrame(rows, infer_schema_length=None)
        yield Finding(
            "recall",
            "The gap where answers are facts",
            PAPER,
            seen,
            f"{holds} The embedded task asks made-up facts of one word; the models saw them a known number of times.",
            data,
            self._figure(data),
            markdown_table(header, lines),
        )

    def _figure(self, data: pl.DataFrame) -> Any:
        first = data["task"][0]
        shown = data.filter(
            pl.col("quantity") == "gap", pl.col("task") == first, pl.col("value").is_not_null()
        ).with_columns(
            pl.col("value", "low", "high") * 100,
            pl.col("model").map_elements(short, return_dtype=pl.String),
        )
        base = alt.Chart(shown).encode(
            x=alt.X("model:N", sort=None, title=None, axis=alt.Axis(labelAngle=-30)),
            xOffset=alt.XOffset("verifier:N", sort=None),
            color=alt.Color("verifier:N", sort=None, title=None, legend=alt.Legend(columns=2)),
        )
        spans = base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(
            y=alt.Y("low:Q", title="gap, points"), y2="high:Q"
        )
        marks = base.mark_point(filled=True, size=26, opacity=1).encode(y="value:Q")
        return alt.layer(level(0), spans, marks).properties(width=COLUMN, height=170)
