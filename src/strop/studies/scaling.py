"""Does the relative gap grow with pre-training compute ("Mind the Gap", Figure 1 and section 4.1)? The absolute gap beside it.

Within a family, the mean over tasks of the relative gap against log10 of pre-training FLOPs, for each verifier. Models answer the same
problems and are resampled jointly. A model whose compute is unknown has a row and no place on the axis.
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
from strop.measure import estimate
from strop.measure.scaling import Trend, trend_of
from strop.records import Estimate
from strop.run.run import Run
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN, by_family, level
from strop.studies.frame.numbers import (
    ALPHA,
    CHECKED,
    FULL,
    LEAN,
    counts,
    gaps,
    joint_counts,
    listed,
    mean_over_tasks,
    points,
    share,
    side,
    told,
)
from strop.studies.frame.runs import Runs, RunSpec
from strop.tasks import Task, find_task

QUANTITIES = {"relative_gap": "relative gap", "gap": "gap, points"}
PAPER = (
    "with CoT-Score the relative gap grows monotonically, about linearly in log FLOPs, the absolute gap does not; the smallest models have "
    "no positive gap under nearly all verifiers, and MC is less stable than CoT (Figure 1, section 4.1)."
)


@dataclass(frozen=True)
class ScalingStudy(Study):
    """``flops``: MODEL=FLOPs for models whose pre-training compute is not known."""

    models: tuple[str, ...] = (*FULL, *LEAN)
    tasks: tuple[str | Task, ...] = CHECKED
    verifiers: tuple[str, ...] = ("mc", "cot-binary", "cot-score")
    problems: int = 200
    samples: int = 32
    seed: int = 0
    flops: tuple[str, ...] = ()

    name: ClassVar[str] = "scaling"
    description: ClassVar[str] = (
        "the relative gap against pre-training FLOPs, family by family, with the absolute gap beside it"
    )

    @classmethod
    def quick(cls) -> ScalingStudy:
        return cls(
            models=("ladder/25k", "ladder/40k", "ladder/125k", "ladder/250k"),
            problems=48,
            samples=16,
        )

    def wanted(self) -> Sequence[RunSpec]:
        return [self._wanted(model, task) for model in self.models for task in self.tasks]

    def _wanted(self, model: str, task: str | Task) -> RunSpec:
        return RunSpec(
            model,
            task,
            self.verifiers,
            problems=self.problems,
            samples=self.samples,
            seed=self.seed,
        )

    def findings(self, runs: Runs) -> Iterator[Finding]:
        found = {
            model: [runs.run(self._wanted(model, task)) for task in self.tasks]
            for model in self.models
        }
        known, unknown = compute_of(self.models, self.flops)
        rows = [
            row for model, own in found.items() for row in self._rows(model, own, known.get(model))
        ]
        data = pl.DataFrame(rows, infer_schema_length=None)
        trends = {key: self._trend(found, known, *key) for key in self._keys(known)}
        yield Finding(
            "scaling",
            "The relative gap against pre-training FLOPs, and the absolute gap beside it",
            PAPER,
            self._seen(data, trends, unknown),
            self._holds(trends),
            data,
            self._figure(data) if known else None,
            self._table(data, trends),
        )

    def _rows(
        self, model: str, own: Sequence[Run], compute: Pretraining | None
    ) -> Iterator[dict[str, Any]]:
        place = {
            "model": model,
            "family": compute.family if compute else None,
            "flops": compute.flops if compute else None,
        }
        for verifier in self.verifiers:
            measured = [gaps(run, verifier) for run in own]
            left_out = {
                name: sum(counts(run, verifier)[name] for run in own)
                for name in ("unparsed", "no_survivor", "no_room")
            }
            for quantity in ("relative_gap", "gap", "accuracy"):
                for run, cells in zip(own, measured, strict=True):
                    where = place | {
                        "task": run.plan.task.label,
                        "verifier": verifier,
                        "quantity": quantity,
                    }
                    yield (
                        where
                        | told(
                            estimate(cells[quantity], run.counts_BP, group_P=run.evidence.group_P)
                        )
                        | counts(run, verifier)
                    )
                if len(own) > 1:
                    mean = estimate(
                        mean_over_tasks([cells[quantity] for cells in measured], quantity),
                        joint_counts(own),
                    )
                    yield (
                        place
                        | {"task": "mean", "verifier": verifier, "quantity": quantity}
                        | told(mean)
                        | left_out
                    )

    @property
    def _mean(self) -> str:
        return "mean" if len(self.tasks) > 1 else find_task(self.tasks[0]).label

    def _keys(self, known: Mapping[str, Pretraining]) -> Iterator[tuple[str, str, str]]:
        for family in dict.fromkeys(one.family for one in known.values()):
            for verifier in self.verifiers:
                for quantity in QUANTITIES:
                    yield family, verifier, quantity

    def _trend(
        self,
        found: Mapping[str, Sequence[Run]],
        known: Mapping[str, Pretraining],
        family: str,
        verifier: str,
        quantity: str,
    ) -> Trend:
        models = [model for model, one in known.items() if one.family == family]
        ratios = [
            mean_over_tasks([gaps(run, verifier)[quantity] for run in found[model]], quantity)
            for model in models
        ]
        flops = [known[model].flops for model in models]
        return trend_of(ratios, np.array(flops), joint_counts(found[models[0]]), size_M=flops)

    def _seen(
        self,
        data: pl.DataFrame,
        trends: Mapping[tuple[str, str, str], Trend],
        unknown: Sequence[str],
    ) -> str:
        tested = {key: one for key, one in trends.items() if one.p_rising is not None}
        parts = [
            f"{verifier}, {family}: {_told_trend(one)}; absolute gap {_told_trend(trends[family, verifier, 'gap'], times=100)}"
            for (family, verifier, quantity), one in tested.items()
            if quantity == "relative_gap"
        ]
        text = (
            "; ".join(parts) + "."
            if parts
            else "no family has three sizes of known compute, so there is no trend to test."
        )
        smallest = data.filter(
            pl.col("flops").is_not_null(), pl.col("task") == self._mean, pl.col("quantity") == "gap"
        ).sort("flops")
        if smallest.height:
            name = smallest["model"][0]
            own = smallest.filter(pl.col("model") == name)
            above = [
                row["verifier"]
                for row in own.iter_rows(named=True)
                if row["low"] is not None and row["low"] > 0
            ]
            text += f" Verifiers under which {name}, the smallest, has a gap above zero: {listed(above)}."
        return text + (
            f" Of unknown compute, not in the figure: {listed(unknown)}; give it with --flops."
            if unknown
            else ""
        )

    def _holds(self, trends: Mapping[tuple[str, str, str], Trend]) -> str:
        tested = {key: one for key, one in trends.items() if one.p_rising is not None}
        if not tested:
            return "Not testable on these models."
        rises = [
            f"{v} ({f})" for (f, v, q), one in tested.items() if q == "relative_gap" and _rises(one)
        ]
        flat = [
            f"{v} ({f})"
            for (f, v, q), one in tested.items()
            if q == "relative_gap" and not _rises(one)
        ]
        absolute = [f"{v} ({f})" for (f, v, q), one in tested.items() if q == "gap" and _rises(one)]
        spread = ", ".join(
            f"{v} {one.residual:.3f}"
            for (f, v, q), one in tested.items()
            if q == "relative_gap" and one.residual is not None
        )
        return (
            f"The relative gap rises (p of Kendall's tau at most {ALPHA}, slope above zero) with {listed(rises)}, and not with "
            f"{listed(flat)}; the absolute gap rises with {listed(absolute)}. Spread about the line: {spread}. The embedded models are "
            "tiny, of one recipe, and one training seed each, so intervals speak of problems only."
        )

    def _table(self, data: pl.DataFrame, trends: Mapping[tuple[str, str, str], Trend]) -> str:
        header = [
            "model",
            "FLOPs",
            "task",
            *(f"{v}: relative gap; gap, points" for v in self.verifiers),
        ]
        lines = []
        for (model, task), group in data.group_by("model", "task", maintain_order=True):
            flops = group["flops"][0]
            values = {
                (row["verifier"], row["quantity"]): row for row in group.iter_rows(named=True)
            }
            cells = [
                f"{share(_read(values[v, 'relative_gap']))}; {points(_read(values[v, 'gap']))}"
                for v in self.verifiers
            ]
            lines.append(
                [str(model), "unknown" if flops is None else f"{flops:.1e}", str(task), *cells]
            )
        return markdown_table(header, lines)

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(
            pl.col("task") == self._mean,
            pl.col("flops").is_not_null(),
            pl.col("value").is_not_null(),
        )
        panels = []
        for quantity, title in QUANTITIES.items():
            times = 100 if quantity == "gap" else 1
            rows = shown.filter(pl.col("quantity") == quantity).with_columns(
                pl.col("value", "low", "high") * times
            )
            last = quantity == "gap"
            x = alt.X(
                "flops:Q",
                scale=alt.Scale(type="log", nice=False, padding=10),
                title="pre-training FLOPs" if last else None,
                axis=alt.Axis(format=".0e", tickCount=4, labels=last),
            )
            layers, drawn = by_family(rows, x, alt.Color("verifier:N", title=None), title=title)
            named = {"title": drawn} if drawn and not last else {}
            panels.append(
                alt.layer(level(0), *layers).properties(width=COLUMN, height=130, **named)
            )
        return alt.vconcat(*panels, spacing=6)


def compute_of(
    models: Sequence[str], given: Sequence[str]
) -> tuple[dict[str, Pretraining], list[str]]:
    """Each model's pre-training compute, and the models of which none is known."""
    flops, known, unknown = dict(map(parse_flops, given)), {}, []
    for model in models:
        try:
            known[model] = pretraining_flops(model, flops)
        except UsageError:
            unknown.append(model)
    return known, unknown


def _rises(trend: Trend) -> bool:
    return trend.p_rising is not None and trend.p_rising <= ALPHA and side(trend.slope) > 0


def _told_trend(trend: Trend, times: float = 1) -> str:
    slope = points(trend.slope) + " points" if times == 100 else share(trend.slope)
    return f"{slope} per factor of ten over {trend.sizes} sizes, tau {share(trend.kendall)}, p {trend.p_rising:.3f}"


def _read(row: Mapping[str, Any]) -> Estimate:
    """An estimate back from a row of data, for writing it down."""
    return Estimate(row["value"], row["low"], row["high"], 0.95, row["n"], "")
