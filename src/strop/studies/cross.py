"""Who verifies whom ("Mind the Gap", Figure 3 and section 4.2): gap(f, g) of every generator f under every verifying model g."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.engines.pretraining import Pretraining
from strop.measure import Ratio
from strop.measure.scaling import Trend, trend_of
from strop.records import Estimate
from strop.run.run import Run
from strop.run.verification import stage_name
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN
from strop.studies.frame.numbers import (
    ALPHA,
    FULL,
    counts,
    estimates,
    gaps,
    listed,
    points,
    short,
    side,
    told,
)
from strop.studies.frame.runs import Runs, RunSpec, each
from strop.studies.scaling import compute_of
from strop.tasks import Task
from strop.text import slug

PAPER = "the gap grows with the verifier's compute and falls with the generator's (Figure 3, section 4.2)."


@dataclass(frozen=True)
class CrossStudy(Study):
    """``judges``: the verifying models, by default the generators. ``flops``: MODEL=FLOPs where compute is not known."""

    models: tuple[str, ...] = FULL[1:]
    judges: tuple[str, ...] = ()
    tasks: tuple[str | Task, ...] = ("arithmetic",)
    verifiers: tuple[str, ...] = ("cot-binary",)
    problems: int = 200
    samples: int = 32
    seed: int = 0
    flops: tuple[str, ...] = ()

    name: ClassVar[str] = "cross"
    description: ClassVar[str] = (
        "who verifies whom: the gap of every generator under every verifying model"
    )

    @classmethod
    def quick(cls) -> CrossStudy:
        return cls(models=("ladder/40k", "ladder/125k", "ladder/250k"), problems=48, samples=16)

    @property
    def _judges(self) -> tuple[str, ...]:
        return self.judges or self.models

    def wanted(self) -> Sequence[RunSpec]:
        return list(each(self, judged_by=self._judges).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        places = each(self, judged_by=self._judges)
        known, _ = compute_of((*self.models, *self._judges), self.flops)
        for task in dict.fromkeys(task for _, task in places):
            of_model = {model: runs.run(places[model, task]) for model in self.models}
            for verifier in self.verifiers:
                yield self._finding(task, verifier, of_model, known)

    def _finding(
        self,
        task: str,
        verifier: str,
        of_model: Mapping[str, Run],
        known: Mapping[str, Pretraining],
    ) -> Finding:
        ratios, found, rows = {}, {}, []
        for model, run in of_model.items():
            for judge in self._judges:
                stage = stage_name(verifier, judge, model)
                ratios[model, judge] = gaps(run, stage)
                measured = estimates(run, ratios[model, judge])
                found[model, judge] = measured["gap"]
                place = {
                    "generator": model,
                    "verifier_model": judge,
                    "verifier": verifier,
                    "task": task,
                }
                rows += [
                    place | {"quantity": quantity} | told(value) | counts(run, stage)
                    for quantity, value in measured.items()
                ]
        any_run = next(iter(of_model.values()))
        by_judge = {
            judge: _mean([ratios[model, judge]["gap"] for model in self.models])
            for judge in self._judges
        }
        by_model = {
            model: _mean([ratios[model, judge]["gap"] for judge in self._judges])
            for model in self.models
        }
        trends = {
            "verifier": _trend(by_judge, known, any_run),
            "generator": _trend(by_model, known, any_run),
        }
        data = pl.DataFrame(rows, infer_schema_length=None)
        lines = [
            [model, *(points(found[model, judge]) for judge in self._judges)]
            for model in self.models
        ]
        ending = "" if len(self.tasks) * len(self.verifiers) == 1 else f"-{slug(task)}-{verifier}"
        return Finding(
            f"cross{ending}",
            f"The gap of each generator under each verifying model: {verifier} on {task}",
            PAPER,
            _seen(trends),
            self._holds(trends, found),
            data,
            self._figure(data),
            "Gap in points; generators down, verifying models across.\n\n"
            + markdown_table(["", *self._judges], lines),
        )

    def _holds(
        self, trends: Mapping[str, Trend | str], found: Mapping[tuple[str, str], Estimate]
    ) -> str:
        parts = []
        for what, sign, word in (("verifier", 1, "grows"), ("generator", -1, "falls")):
            trend = trends[what]
            if isinstance(trend, str) or trend.p_two_sided is None:
                parts.append(f"Whether it {word} with the {what}'s compute cannot be tested here")
                continue
            in_order = trend.p_two_sided <= ALPHA
            answer = (
                "not shown"
                if side(trend.slope) == 0
                else "no"
                if side(trend.slope) != sign
                else "yes"
            )
            orderly = "" if answer != "yes" or in_order else ", by the slope; not in order of size"
            parts.append(f"It {word} with the {what}'s compute: {answer}{orderly}")
        both = [
            name
            for name in self.models
            if name in self._judges and found[name, name].value is not None
        ]
        better = [
            f"{short(judge)} for {short(name)}"
            for name in both
            if (judge := max(self._judges, key=lambda one: found[name, one].value or -1.0)) != name
        ]
        return (
            ". ".join(parts)
            + f". Another model than the generator judges best: {listed(better)}; read by value, not tested."
        )

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(pl.col("quantity") == "gap").with_columns(
            pl.col("value", "low", "high") * 100,
            pl.col("generator", "verifier_model").map_elements(short, return_dtype=pl.String),
        )
        shown = shown.with_columns(
            pl.format(
                "[{}, {}]",
                pl.col("low").round(0).cast(pl.Int64),
                pl.col("high").round(0).cast(pl.Int64),
            ).alias("span")
        )
        side_length = min(COLUMN - 60, 44 * max(len(self.models), len(self._judges)))
        base = alt.Chart(shown).encode(
            x=alt.X(
                "verifier_model:N", sort=None, title="verifying model", axis=alt.Axis(labelAngle=0)
            ),
            y=alt.Y("generator:N", sort=None, title="generator"),
        )
        colour = alt.Color(
            "value:Q",
            title="gap, points",
            scale=alt.Scale(scheme="blueorange", domainMid=0),
            legend=None,
        )
        cells = base.mark_rect(stroke="white").encode(color=colour)
        far = 0.6 * max(
            (abs(value) for value in shown["value"].to_list() if value is not None), default=0.0
        )
        ink = alt.condition(f"abs(datum.value) > {far:.6f}", alt.value("white"), alt.value("black"))
        texts = base.mark_text(fontSize=10, dy=-5).encode(
            text=alt.Text("value:Q", format="+.1f"), color=ink
        )
        spans = (
            base.transform_filter("isValid(datum.low)")
            .mark_text(fontSize=8, dy=7)
            .encode(text="span:N", color=ink)
        )
        return alt.layer(cells, texts, spans).properties(
            width=side_length, height=side_length, title="gap, points, with 95% intervals"
        )


def _mean(ratios: Sequence[Ratio]) -> Ratio:
    """Over models on the same problems: each problem's mean gap."""
    above_P = np.mean([ratio.above_P for ratio in ratios], axis=0)
    return Ratio(above_P, np.ones_like(above_P), "mean gap over models", bounds=(-1.0, 1.0))


def _trend(ratios: Mapping[str, Ratio], known: Mapping[str, Pretraining], run: Run) -> Trend | str:
    """Against log10 FLOPs, or why not."""
    if unknown := [model for model in ratios if model not in known]:
        return f"the compute of {listed(unknown)} is unknown; give it with --flops"
    flops = [known[model].flops for model in ratios]
    return trend_of(list(ratios.values()), np.array(flops), run.counts_BP, size_M=flops)


def _seen(trends: Mapping[str, Trend | str]) -> str:
    parts = []
    for what, trend in trends.items():
        other = "generators" if what == "verifier" else "verifying models"
        head = f"mean over {other}, per factor of ten of the {what}'s FLOPs: "
        if isinstance(trend, str):
            parts.append(f"{head}unknown, since {trend}")
        elif trend.p_two_sided is None:
            parts.append(f"{head}{points(trend.slope)} points; {trend.why}")
        else:
            parts.append(
                f"{head}{points(trend.slope)} points over {trend.sizes} sizes, two-sided p of Kendall's tau {trend.p_two_sided:.3f}"
            )
    return "; ".join(parts) + "."
