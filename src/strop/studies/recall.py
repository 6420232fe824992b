"""Factual recall ("Mind the Gap", section 4.3).

To check a fact takes the same knowledge as to state it, so no gap is expected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    known_values,
    with_short_names,
)
from strop.studies.frame.figures import COLUMN, forest
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    FULL,
    LEAN,
    THREE_SIZES,
    count_signs,
    counts,
    estimates,
    gaps,
    per_cent,
    points,
    share,
    short_name,
)
from strop.studies.frame.runs import Runs, RunSpec, run_grid
from strop.tasks import Task
from strop.text import listed

WEIGHTS = (("mc", "threshold:0.8"), ("mc", None), ("cot-binary", None), ("cot-score", None))
"""Verifiers and their weights; None is the verifier's default weight."""
SMALL = 0.01
PAPER = (
    "on Natural Questions the gap is below 1 point or negative everywhere; Qwen-2 0.5, 1.5, 7 and "
    "72B have accuracies of 6.5, 13.9, 29.1 and 41.5% and MC gaps at threshold 0.8 of -0.06, 0.04, "
    "0.79 and 0.28 points (section 4.3)."
)

LabelledGap = tuple[str, Estimate]
"""Verifier and model as text, and the gap."""


@dataclass(frozen=True)
class RecallStudy(Study):
    """Every verifier under its default weight, and mc also at the paper's threshold."""

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
        return cls(models=THREE_SIZES, problems=48, samples=16)

    def wanted(self) -> Sequence[RunSpec]:
        return list(run_grid(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        rows: list[dict[str, Any]] = []
        lines = []
        labelled_gaps: list[LabelledGap] = []
        for (model, task), spec in run_grid(self).items():
            run = runs.run(spec)
            # One cell of the table for each verifier and weight.
            cells = []
            for verifier, weight in self._weights():
                values = estimates(run, gaps(run, verifier, weight))
                label = _label(verifier, weight)
                counted = counts(run, verifier, weight)
                for quantity, value in values.items():
                    row = estimate_row(
                        value, model=model, task=task, verifier=label, quantity=quantity
                    )
                    rows.append(row | counted)
                labelled_gaps.append((f"{label} of {short_name(model)}", values["gap"]))
                cells.append(f"{points(values['gap'])}; {share(values['relative_gap'])}")
            # The accuracy is that of all responses, the same under every verifier.
            lines.append([model, task, per_cent(values["accuracy"]), *cells])
        columns = [f"{_label(*weight)}: gap, points; relative" for weight in self._weights()]
        data = as_frame(rows)
        yield Finding(
            "recall",
            "The gap where answers are facts",
            PAPER,
            _seen(labelled_gaps),
            _holds(labelled_gaps),
            data,
            self._figure(data),
            markdown_table(["model", "task", "accuracy, %", *columns], lines),
        )

    def _weights(self) -> list[tuple[str, str | None]]:
        """Return the weights of those verifiers that the study has."""
        return [(verifier, weight) for verifier, weight in WEIGHTS if verifier in self.verifiers]

    def _figure(self, data: pl.DataFrame) -> Any:
        # The figure has room for one task; the table has all.
        first_task = data["task"][0]
        shown = data.filter(quantity="gap", task=first_task)
        shown = in_per_cent(with_short_names(known_values(shown)))
        base = alt.Chart(shown).encode(
            x=alt.X("model:N", sort=None, title=None, axis=alt.Axis(labelAngle=-30)),
            xOffset=alt.XOffset("verifier:N", sort=None),
            color=alt.Color("verifier:N", sort=None, title=None, legend=alt.Legend(columns=2)),
        )
        chart = forest(base, "y", "gap, points", size=26)
        return chart.properties(width=COLUMN, height=170)


def _label(verifier: str, weight: str | None) -> str:
    """Return ``mc@threshold:0.8``, or the verifier alone under its default weight."""
    return verifier if weight is None else f"{verifier}@{weight}"


def _seen(labelled_gaps: Sequence[LabelledGap]) -> str:
    known = [(label, gap) for label, gap in labelled_gaps if gap.value is not None]
    below = 0
    for _, gap in known:
        if gap.high is not None and gap.high < SMALL:
            below += 1
    signs = count_signs(gap for _, gap in known)
    text = f"{signs}; {below} lie wholly below 1 point."
    if known:
        label, largest = max(known, key=lambda entry: entry[1].value or 0.0)
        text += f" The largest gap is {points(largest)} points, {label}."
    return text


def _holds(labelled_gaps: Sequence[LabelledGap]) -> str:
    above_one_point = []
    # Above zero with the whole interval, and by its value above one point.
    likely = []
    for label, gap in labelled_gaps:
        if gap.low is not None and gap.low > SMALL:
            above_one_point.append(label)
        if gap.interval_sign > 0 and (gap.value or 0.0) > SMALL:
            likely.append(label)
    if above_one_point:
        answer = f"No: these gaps lie wholly above 1 point: {', '.join(above_one_point)}."
    elif likely:
        answer = (
            "Nearly: no gap lies wholly above 1 point, but some lie above zero, with a value above "
            f"1 point: {listed(likely)}."
        )
    else:
        answer = (
            "Yes, as far as the intervals show: no gap lies wholly above 1 point; many intervals "
            "reach above it, so small gaps are not excluded."
        )
    return (
        f"{answer} The embedded task asks for made-up facts of one word; the models saw each fact "
        "a known number of times."
    )
