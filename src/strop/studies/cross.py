"""Generators and verifying models ("Mind the Gap", Figure 3 and section 4.2).

The study measures gap(f, g), the gap of every generator f under every verifying model g.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure import Ratio
from strop.measure.scaling import Trend
from strop.records import Estimate
from strop.run.run import Run
from strop.run.verification import stage_name
from strop.studies.frame.base import Study
from strop.studies.frame.data import as_frame, estimate_row, in_per_cent, with_short_names
from strop.studies.frame.figures import COLUMN
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    ALPHA,
    FULL,
    THREE_SIZES,
    counts,
    estimates,
    gaps,
    points,
    short_name,
)
from strop.studies.frame.runs import Runs, RunSpec, run_grid
from strop.studies.scaling import Compute, compute_of, trend_over_models
from strop.tasks import Task
from strop.text import listed, slug

PAPER = (
    "the gap grows with the verifier's compute and falls with the generator's "
    "(Figure 3, section 4.2)."
)

Pair = tuple[str, str]
"""Generator and verifying model."""
Gaps = Mapping[Pair, Estimate]
Trends = Mapping[str, Trend | str]
"""The trend with the compute of the "verifier" and of the "generator", or why there is none."""


@dataclass(frozen=True)
class CrossStudy(Study):
    """``judges`` are the verifying models, by default the generators.

    ``flops`` gives MODEL=FLOPs for models whose pre-training compute is not known.
    """

    models: tuple[str, ...] = FULL[1:]
    judges: tuple[str, ...] = ()
    tasks: tuple[str | Task, ...] = ("arithmetic",)
    verifiers: tuple[str, ...] = ("cot-binary",)
    problems: int = 200
    samples: int = 32
    seed: int = 0
    flops: tuple[str, ...] = ()

    name: ClassVar[str] = "cross"
    description: ClassVar[str] = "the gap of every generator under every verifying model"

    @classmethod
    def quick(cls) -> CrossStudy:
        return cls(models=THREE_SIZES, problems=48, samples=16)

    @property
    def _judges(self) -> tuple[str, ...]:
        return self.judges or self.models

    def wanted(self) -> Sequence[RunSpec]:
        return list(run_grid(self, judged_by=self._judges).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        specs = run_grid(self, judged_by=self._judges)
        compute, _ = compute_of((*self.models, *self._judges), self.flops)
        tasks = dict.fromkeys(task for _, task in specs)
        for task in tasks:
            run_of_model = {model: runs.run(specs[model, task]) for model in self.models}
            for verifier in self.verifiers:
                yield self._finding(task, verifier, run_of_model, compute)

    def _finding(
        self,
        task: str,
        verifier: str,
        run_of_model: Mapping[str, Run],
        compute: Compute,
    ) -> Finding:
        ratios: dict[Pair, Ratio] = {}
        values: dict[Pair, Estimate] = {}
        rows = []
        for model, run in run_of_model.items():
            for judge in self._judges:
                stage = stage_name(verifier, judge, model)
                cell_ratios = gaps(run, stage)
                cell_values = estimates(run, cell_ratios)
                ratios[model, judge] = cell_ratios["gap"]
                values[model, judge] = cell_values["gap"]
                counted = counts(run, stage)
                for quantity, value in cell_values.items():
                    row = estimate_row(
                        value,
                        generator=model,
                        verifier_model=judge,
                        verifier=verifier,
                        task=task,
                        quantity=quantity,
                    )
                    rows.append(row | counted)
        # All runs hold the same problems, so that one run's resamples serve all.
        first_run = next(iter(run_of_model.values()))
        trends = self._trends(ratios, compute, first_run)
        data = as_frame(rows)
        # A default run has one finding and plain file names.
        is_only = len(self.tasks) * len(self.verifiers) == 1
        suffix = "" if is_only else f"-{slug(task)}-{verifier}"
        return Finding(
            f"cross{suffix}",
            f"The gap of each generator under each verifying model: {verifier} on {task}",
            PAPER,
            _seen(trends),
            self._holds(trends, values),
            data,
            self._figure(data),
            self._table(values),
        )

    def _trends(
        self, ratios: Mapping[Pair, Ratio], compute: Compute, run: Run
    ) -> dict[str, Trend | str]:
        """Return the trend of the mean gap with the verifier's and with the generator's FLOPs."""
        by_judge = {}
        for judge in self._judges:
            by_judge[judge] = _mean([ratios[model, judge] for model in self.models])
        by_model = {}
        for model in self.models:
            by_model[model] = _mean([ratios[model, judge] for judge in self._judges])
        return {
            "verifier": _trend(by_judge, compute, run),
            "generator": _trend(by_model, compute, run),
        }

    def _holds(self, trends: Trends, values: Gaps) -> str:
        parts = []
        for role, expected_sign, verb in (("verifier", 1, "grows"), ("generator", -1, "falls")):
            trend = trends[role]
            if isinstance(trend, str) or trend.p_two_sided is None:
                parts.append(f"Whether it {verb} with the {role}'s compute cannot be tested here")
            else:
                answer = _answer(trend, trend.p_two_sided, expected_sign)
                parts.append(f"It {verb} with the {role}'s compute: {answer}")
        return (
            f"{'. '.join(parts)}. The largest gap comes from another model than the generator: "
            f"{listed(self._better_judges(values))}; this compares values and is not tested."
        )

    def _better_judges(self, values: Gaps) -> list[str]:
        """Return each generator whose largest gap is under another model, with that model."""
        better = []
        for model in self.models:
            # The gap under the model itself must be known, to be compared with the others.
            if model not in self._judges or values[model, model].value is None:
                continue
            known = [judge for judge in self._judges if values[model, judge].value is not None]
            best = max(known, key=lambda judge: values[model, judge].value or 0.0)
            if best != model:
                better.append(f"{short_name(best)} for {short_name(model)}")
        return better

    def _table(self, values: Gaps) -> str:
        lines = []
        for model in self.models:
            cells = [points(values[model, judge]) for judge in self._judges]
            lines.append([model, *cells])
        head = "Gap in points; one row for each generator, one column for each verifying model.\n\n"
        return head + markdown_table(["", *self._judges], lines)

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(quantity="gap")
        shown = in_per_cent(with_short_names(shown, "generator", "verifier_model"))
        ends = [pl.col(end).round(0).cast(pl.Int64) for end in ("low", "high")]
        shown = shown.with_columns(pl.format("[{}, {}]", *ends).alias("span"))
        judge_axis = alt.Axis(labelAngle=0)
        base = alt.Chart(shown).encode(
            x=alt.X("verifier_model:N", sort=None, title="verifying model", axis=judge_axis),
            y=alt.Y("generator:N", sort=None, title="generator"),
        )
        scale = alt.Scale(scheme="blueorange", domainMid=0)
        colour = alt.Color("value:Q", title="gap, points", scale=scale, legend=None)
        # White text on the dark cells: those whose value is far from zero.
        sizes = [abs(value) for value in shown["value"].to_list() if value is not None]
        threshold = 0.6 * max(sizes, default=0.0)
        is_dark = f"abs(datum.value) > {threshold:.6f}"
        ink = alt.condition(is_dark, alt.value("white"), alt.value("black"))
        cells = base.mark_rect(stroke="white").encode(color=colour)
        text = alt.Text("value:Q", format="+.1f")
        texts = base.mark_text(fontSize=10, dy=-5).encode(text=text, color=ink)
        # A gap without interval has no second line of text.
        with_interval = base.transform_filter("isValid(datum.low)")
        spans = with_interval.mark_text(fontSize=8, dy=7).encode(text="span:N", color=ink)
        # Cells are square, up to the width of a column.
        length = min(COLUMN - 60, 44 * max(len(self.models), len(self._judges)))
        return alt.layer(cells, texts, spans).properties(
            width=length, height=length, title="gap, points, with 95% intervals"
        )


def _mean(ratios: Sequence[Ratio]) -> Ratio:
    """Return each problem's mean gap over models that answered the same problems."""
    # The gap is a mean over problems, whose denominator is 1 for each problem.
    above_P = np.mean([ratio.above_P for ratio in ratios], axis=0)
    return Ratio(above_P, np.ones_like(above_P), "mean gap over models", bounds=(-1.0, 1.0))


def _trend(ratios: Mapping[str, Ratio], compute: Compute, run: Run) -> Trend | str:
    """Return the trend against log10 FLOPs, or the reason why there is none."""
    unknown = [model for model in ratios if model not in compute]
    if unknown:
        return f"the compute of {listed(unknown)} is unknown; give it with --flops"
    return trend_over_models(ratios, compute, run.counts_BP)


def _answer(trend: Trend, p_two_sided: float, expected_sign: int) -> str:
    """Return whether the slope has the expected sign, and whether the sizes are in order."""
    sign = trend.slope.interval_sign
    if sign == 0:
        return "not shown"
    if sign != expected_sign:
        return "no"
    if p_two_sided > ALPHA:
        return "yes, by the slope; not in order of size"
    return "yes"


def _seen(trends: Trends) -> str:
    parts = []
    for role, trend in trends.items():
        others = "generators" if role == "verifier" else "verifying models"
        head = f"mean over {others}, per factor of ten of the {role}'s FLOPs: "
        if isinstance(trend, str):
            parts.append(f"{head}unknown, since {trend}")
            continue
        slope = points(trend.slope)
        if trend.p_two_sided is None:
            parts.append(f"{head}{slope} points; {trend.why}")
        else:
            parts.append(
                f"{head}{slope} points over {trend.sizes} sizes, two-sided p of "
                f"Kendall's tau {trend.p_two_sided:.3f}"
            )
    return "; ".join(parts) + "."
