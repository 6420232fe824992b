"""The relative gap against pre-training compute ("Mind the Gap", Figure 1 and section 4.1).

For each family and verifier, the study fits the mean over tasks of the relative gap against log10
of the pre-training FLOPs; the absolute gap stands beside it. The models answer the same problems
and are resampled jointly. A model whose compute is unknown has rows in the data, but no place on
the axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.engines.pretraining import Pretraining, parse_flops, pretraining_flops
from strop.errors import UsageError
from strop.measure import Ratio, estimate
from strop.measure.intervals import Floats
from strop.measure.scaling import Trend, trend_of_ratios
from strop.records import Estimate, interval_sign
from strop.run.run import Run
from strop.studies.frame.base import Study
from strop.studies.frame.data import as_frame, estimate_row, known_values, scaled
from strop.studies.frame.figures import COLUMN, by_family, flops_axis, level, shared_x, stacked
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    ALPHA,
    CHECKED,
    FULL,
    LEAN,
    counts,
    gaps,
    joint_counts,
    mean_over_tasks,
    points,
    share,
)
from strop.studies.frame.runs import Runs, RunSpec
from strop.tasks import Task, find_task
from strop.text import listed

QUANTITIES = {"relative_gap": "relative gap", "gap": "gap, points"}
PAPER = (
    "with CoT-Score the relative gap grows monotonically, about linearly in log FLOPs, the "
    "absolute gap does not; the smallest models have no positive gap under nearly all verifiers, "
    "and MC is less stable than CoT (Figure 1, section 4.1)."
)

TrendKey = tuple[str, str, str]
"""Family, verifier and quantity."""
Trends = Mapping[TrendKey, Trend]
Compute = Mapping[str, Pretraining]
"""The pre-training compute of models, by their names."""


@dataclass(frozen=True)
class ScalingStudy(Study):
    """``flops`` gives MODEL=FLOPs for models whose pre-training compute is not known."""

    models: tuple[str, ...] = (*FULL, *LEAN)
    tasks: tuple[str | Task, ...] = CHECKED
    verifiers: tuple[str, ...] = ("mc", "cot-binary", "cot-score")
    problems: int = 200
    samples: int = 32
    seed: int = 0
    flops: tuple[str, ...] = ()

    name: ClassVar[str] = "scaling"
    description: ClassVar[str] = (
        "the relative gap and the absolute gap against pre-training FLOPs, for each family"
    )

    @classmethod
    def quick(cls) -> ScalingStudy:
        models = ("ladder/25k", "ladder/40k", "ladder/125k", "ladder/250k")
        return cls(models=models, problems=48, samples=16)

    def wanted(self) -> Sequence[RunSpec]:
        return [self._spec(model, task) for model in self.models for task in self.tasks]

    def _spec(self, model: str, task: str | Task) -> RunSpec:
        return RunSpec(
            model,
            task,
            self.verifiers,
            problems=self.problems,
            samples=self.samples,
            seed=self.seed,
        )

    def findings(self, runs: Runs) -> Iterator[Finding]:
        runs_of_model = {}
        for model in self.models:
            runs_of_model[model] = [runs.run(self._spec(model, task)) for task in self.tasks]
        compute, unknown = compute_of(self.models, self.flops)
        rows: list[dict[str, Any]] = []
        for model, model_runs in runs_of_model.items():
            rows += self._rows(model, model_runs, compute.get(model))
        data = as_frame(rows)
        trends = self._trends(runs_of_model, compute)
        # The figure has an axis of FLOPs, and needs at least one model with known FLOPs.
        yield Finding(
            "scaling",
            "The relative gap against pre-training FLOPs, and the absolute gap beside it",
            PAPER,
            self._seen(data, trends, unknown),
            self._holds(trends),
            data,
            self._figure(data) if compute else None,
            self._table(data),
        )

    def _rows(
        self, model: str, runs: Sequence[Run], compute: Pretraining | None
    ) -> Iterator[dict[str, Any]]:
        """Yield one row for each verifier, quantity and task, and one for the mean over tasks."""
        labels = {
            "model": model,
            "family": compute.family if compute else None,
            "flops": compute.flops if compute else None,
        }
        for verifier in self.verifiers:
            # One entry for each task.
            ratios = [gaps(run, verifier) for run in runs]
            counted = [counts(run, verifier) for run in runs]
            for quantity in ("relative_gap", "gap", "accuracy"):
                for run, run_ratios, run_counts in zip(runs, ratios, counted, strict=True):
                    task = run.plan.task.label
                    group_P = run.evidence.group_P
                    value = estimate(run_ratios[quantity], run.counts_BP, group_P=group_P)
                    row = estimate_row(
                        value, **labels, task=task, verifier=verifier, quantity=quantity
                    )
                    yield row | run_counts
                # Of one task the mean is the value itself, which stands in the rows already.
                if len(runs) > 1:
                    of_tasks = [run_ratios[quantity] for run_ratios in ratios]
                    mean = estimate(mean_over_tasks(of_tasks, quantity), joint_counts(runs))
                    row = estimate_row(
                        mean, **labels, task="mean", verifier=verifier, quantity=quantity
                    )
                    yield row | _total(counted)

    @property
    def _mean_label(self) -> str:
        """The task label of the rows that stand for all tasks."""
        if len(self.tasks) > 1:
            return "mean"
        return find_task(self.tasks[0]).label

    def _trends(
        self, runs_of_model: Mapping[str, Sequence[Run]], compute: Compute
    ) -> dict[TrendKey, Trend]:
        trends = {}
        families = dict.fromkeys(pretraining.family for pretraining in compute.values())
        for family in families:
            models = [model for model in compute if compute[model].family == family]
            # All models answer the same problems: one draw of resamples serves them all.
            counts_BP = joint_counts(runs_of_model[models[0]])
            for verifier in self.verifiers:
                for quantity in QUANTITIES:
                    means = {}
                    for model in models:
                        of_tasks = [gaps(run, verifier)[quantity] for run in runs_of_model[model]]
                        means[model] = mean_over_tasks(of_tasks, quantity)
                    trend = trend_over_models(means, compute, counts_BP)
                    trends[family, verifier, quantity] = trend
        return trends

    def _seen(self, data: pl.DataFrame, trends: Trends, unknown: Sequence[str]) -> str:
        parts = []
        for family, verifier, trend in _tested(trends, "relative_gap"):
            absolute = _trend_summary(trends[family, verifier, "gap"], in_points=True)
            relative = _trend_summary(trend)
            parts.append(f"{verifier}, {family}: {relative}; absolute gap {absolute}")
        if parts:
            text = "; ".join(parts) + "."
        else:
            text = "no family has three sizes of known compute, so there is no trend to test."
        text += self._smallest_seen(data)
        if unknown:
            text += (
                f" Of unknown compute, not in the figure: {listed(unknown)}; give the compute "
                "with --flops."
            )
        return text

    def _smallest_seen(self, data: pl.DataFrame) -> str:
        """Return a sentence about the smallest model of known compute, if there is one."""
        rows = data.filter(pl.col("flops").is_not_null(), task=self._mean_label, quantity="gap")
        if not rows.height:
            return ""
        model = rows.sort("flops")["model"][0]
        above = []
        for row in rows.filter(model=model).iter_rows(named=True):
            if interval_sign(row["low"], row["high"]) > 0:
                above.append(row["verifier"])
        return (
            f" Verifiers under which {model}, the smallest model, has a gap above zero: "
            f"{listed(above)}."
        )

    def _holds(self, trends: Trends) -> str:
        # A trend that could not be tested counts neither as rising nor as not rising.
        relative = list(_tested(trends, "relative_gap"))
        absolute = list(_tested(trends, "gap"))
        if not relative and not absolute:
            return "Not testable on these models."
        spread = []
        for _, verifier, trend in relative:
            if trend.residual is not None:
                spread.append(f"{verifier} {trend.residual:.3f}")
        rising = _families(relative, rising=True)
        not_rising = _families(relative, rising=False)
        absolute_rising = _families(absolute, rising=True)
        return (
            f"The relative gap rises (p of Kendall's tau at most {ALPHA}, slope above zero) with "
            f"{rising}, and not with {not_rising}; the absolute gap rises with {absolute_rising}. "
            f"Spread about the line: {', '.join(spread)}. The embedded models are tiny, follow one "
            "recipe and have one training seed each, so the intervals cover the choice of problems "
            "only."
        )

    def _table(self, data: pl.DataFrame) -> str:
        columns = [f"{verifier}: relative gap; gap, points" for verifier in self.verifiers]
        lines = []
        for (model, task), group in data.group_by("model", "task", maintain_order=True):
            flops = group["flops"][0]
            flops_text = "unknown" if flops is None else f"{flops:.1e}"
            values = {}
            for row in group.iter_rows(named=True):
                values[row["verifier"], row["quantity"]] = _estimate_of(row)
            cells = []
            for verifier in self.verifiers:
                relative = share(values[verifier, "relative_gap"])
                absolute = points(values[verifier, "gap"])
                cells.append(f"{relative}; {absolute}")
            lines.append([str(model), flops_text, str(task), *cells])
        return markdown_table(["model", "FLOPs", "task", *columns], lines)

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(pl.col("flops").is_not_null(), task=self._mean_label)
        shown = known_values(shown)
        relative = shown.filter(quantity="relative_gap")
        absolute = scaled(shown.filter(quantity="gap"), 100)
        upper_x, lower_x = shared_x(flops_axis("pre-training FLOPs"), 2)
        colour = alt.Color("verifier:N", title=None)
        layers, legend = by_family(relative, upper_x, colour, title=QUANTITIES["relative_gap"])
        upper = alt.layer(level(0), *layers).properties(width=COLUMN, height=130)
        # The explanation of the lines stands above both panels.
        if legend:
            upper = upper.properties(title=legend)
        layers, _ = by_family(absolute, lower_x, colour, title=QUANTITIES["gap"])
        lower = alt.layer(level(0), *layers).properties(width=COLUMN, height=130)
        return stacked([upper, lower])


def compute_of(
    models: Sequence[str], given: Sequence[str]
) -> tuple[dict[str, Pretraining], list[str]]:
    """Return the pre-training compute of each model, and the models whose compute is unknown."""
    # Compute that the user gives has priority over the registry.
    flops = dict(map(parse_flops, given))
    compute = {}
    unknown = []
    for model in models:
        try:
            compute[model] = pretraining_flops(model, flops)
        except UsageError:
            unknown.append(model)
    return compute, unknown


def trend_over_models(ratios: Mapping[str, Ratio], compute: Compute, counts_BP: Floats) -> Trend:
    """Return the trend of a number of each model against log10 of its pre-training FLOPs."""
    flops = [compute[model].flops for model in ratios]
    # Models of equal FLOPs are training seeds of one size, hence size_M.
    return trend_of_ratios(list(ratios.values()), np.array(flops), counts_BP, size_M=flops)


def _total(counted: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of each count over tasks."""
    total = dict.fromkeys(counted[0], 0)
    for of_task in counted:
        for name, count in of_task.items():
            total[name] += count
    return total


def _tested(trends: Trends, quantity: str) -> Iterator[tuple[str, str, Trend]]:
    """Yield family, verifier and trend of one quantity, where the trend could be tested."""
    for (family, verifier, name), trend in trends.items():
        if name == quantity and trend.p_rising is not None:
            yield family, verifier, trend


def _families(trends: Sequence[tuple[str, str, Trend]], rising: bool) -> str:
    """Return the verifiers and families whose trend rises, or those whose trend does not."""
    matching = []
    for family, verifier, trend in trends:
        if _rises(trend) == rising:
            matching.append(f"{verifier} ({family})")
    return listed(matching)


def _rises(trend: Trend) -> bool:
    """Return whether both the order of the sizes and the slope show a rise."""
    is_ordered = trend.p_rising is not None and trend.p_rising <= ALPHA
    return is_ordered and trend.slope.interval_sign > 0


def _trend_summary(trend: Trend, in_points: bool = False) -> str:
    """Return slope, number of sizes, rank correlation and p-value in words."""
    slope = f"{points(trend.slope)} points" if in_points else share(trend.slope)
    return (
        f"{slope} per factor of ten over {trend.sizes} sizes, tau {share(trend.kendall)}, "
        f"p {trend.p_rising:.3f}"
    )


def _estimate_of(row: Mapping[str, Any]) -> Estimate:
    """Return the estimate that a row of data holds."""
    return Estimate(row["value"], row["low"], row["high"], 0.95, row["n"], "")
