"""Is the trend of the relative gap the same at other sampling temperatures ("Mind the Gap", Appendix B)?

All temperatures ask the same problems, so that slopes are compared in pairs: the slope of the differences is the difference of the slopes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.engines.pretraining import Pretraining
from strop.measure import Ratio, estimate
from strop.measure.intervals import difference
from strop.measure.scaling import Trend, trend_of
from strop.run.run import Run
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.numbers import (
    CHECKED,
    gaps,
    joint_counts,
    listed,
    mean_over_tasks,
    share,
    short,
    side,
    told,
)
from strop.studies.frame.runs import Runs, RunSpec, each
from strop.studies.scaling import compute_of
from strop.tasks import Task

PAPER = "at temperatures 0.5, 0.7 and 1.0 the relative gap has the same trend (Appendix B)."


@dataclass(frozen=True)
class TemperatureStudy(Study):
    """The second of ``temperatures`` is what the others are compared with."""

    models: tuple[str, ...] = ("ladder/40k", "ladder/125k", "ladder/250k", "ladder/400k")
    tasks: tuple[str | Task, ...] = CHECKED
    verifiers: tuple[str, ...] = ("cot-binary", "cot-score")
    temperatures: tuple[float, ...] = (0.5, 0.7, 1.0)
    problems: int = 200
    samples: int = 32
    seed: int = 0
    flops: tuple[str, ...] = ()

    name: ClassVar[str] = "temperature"
    description: ClassVar[str] = "the trend of the relative gap at three sampling temperatures"

    @classmethod
    def quick(cls) -> TemperatureStudy:
        models = ("ladder/40k", "ladder/125k", "ladder/250k")
        return cls(
            models=models,
            tasks=("arithmetic", "sudoku4"),
            verifiers=("cot-binary",),
            problems=48,
            samples=16,
        )

    def wanted(self) -> Sequence[RunSpec]:
        return [
            one
            for temperature in self.temperatures
            for one in each(self, temperature=temperature).values()
        ]

    def findings(self, runs: Runs) -> Iterator[Finding]:
        known, unknown = compute_of(self.models, self.flops)
        found: dict[tuple[str, float], list[Run]] = {}
        for temperature in self.temperatures:
            for (model, _), wanted in each(self, temperature=temperature).items():
                found.setdefault((model, temperature), []).append(runs.run(wanted))
        usual = self.temperatures[min(1, len(self.temperatures) - 1)]
        rows, lines, trends, changes = [], [], {}, {}
        for verifier in self.verifiers:
            means = {
                place: mean_over_tasks(
                    [gaps(run, verifier)["relative_gap"] for run in own], "relative gap"
                )
                for place, own in found.items()
            }
            for (model, temperature), own in found.items():
                accuracy = mean_over_tasks(
                    [gaps(run, verifier)["accuracy"] for run in own], "accuracy"
                )
                absolute = mean_over_tasks([gaps(run, verifier)["gap"] for run in own], "gap")
                place = {
                    "model": model,
                    "temperature": temperature,
                    "verifier": verifier,
                    "flops": known[model].flops if model in known else None,
                }
                for quantity, ratio in (
                    ("relative_gap", means[model, temperature]),
                    ("gap", absolute),
                    ("accuracy", accuracy),
                ):
                    rows.append(
                        place | {"quantity": quantity} | told(estimate(ratio, joint_counts(own)))
                    )
            if not unknown:
                counts_BP = joint_counts(next(iter(found.values())))
                for temperature in self.temperatures:
                    of_model = {model: means[model, temperature] for model in self.models}
                    trends[verifier, temperature] = _trend(of_model, known, counts_BP)
                    if temperature != usual:
                        less = {
                            m: difference(ratio, means[m, usual], "difference of relative gaps")
                            for m, ratio in of_model.items()
                        }
                        changes[verifier, temperature] = _trend(less, known, counts_BP)
        lines = [
            [
                v,
                f"{t:g}",
                share(one.slope),
                share(one.kendall),
                share(changes[v, t].slope) if (v, t) in changes else "–",
            ]
            for (v, t), one in trends.items()
        ]
        header = [
            "verifier",
            "temperature",
            "slope per factor of ten",
            "Kendall's tau",
            f"slope minus that at {usual:g}",
        ]
        data = pl.DataFrame(rows, infer_schema_length=None)
        yield Finding(
            "temperature",
            f"The relative gap at temperatures {listed(f'{t:g}' for t in self.temperatures)}",
            PAPER,
            self._seen(trends, changes, unknown, usual),
            self._holds(trends, changes, usual),
            data,
            self._figure(data),
            _means(data) + ("\n\n" + markdown_table(header, lines) if lines else ""),
        )

    def _seen(
        self,
        trends: Mapping[Any, Trend],
        changes: Mapping[Any, Trend],
        unknown: Sequence[str],
        usual: float,
    ) -> str:
        if not trends:
            return f"the compute of {listed(unknown)} is unknown, so there are values and no trend; give it with --flops."
        slopes = "; ".join(f"{v} at {t:g} {share(one.slope)}" for (v, t), one in trends.items())
        against = "; ".join(f"{v} at {t:g} {share(one.slope)}" for (v, t), one in changes.items())
        return f"slope per factor of ten in FLOPs: {slopes}. Minus that at {usual:g}: {against or 'nothing to compare'}."

    def _holds(
        self, trends: Mapping[Any, Trend], changes: Mapping[Any, Trend], usual: float
    ) -> str:
        if not trends or any(one.slope.value is None for one in trends.values()):
            return "Not testable on these models."
        signs = {side(one.slope) for one in trends.values()}
        apart = [
            f"{v} at {t:g} ({share(one.slope)})"
            for (v, t), one in changes.items()
            if side(one.slope)
        ]
        same = (
            "The sign of the trend is the same at all temperatures."
            if len(signs) == 1
            else "The sign of the trend is not the same everywhere."
        )
        return (
            f"{same} Slopes told apart from that at {usual:g}: {listed(apart)}. These models' designed slips come from sampling, so that "
            "temperature moves their accuracy more than a trained model's."
        )

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(
            pl.col("quantity") == "relative_gap", pl.col("value").is_not_null()
        ).with_columns(
            pl.col("model").map_elements(short, return_dtype=pl.String),
            pl.col("temperature").map_elements("{:g}".format, return_dtype=pl.String),
        )
        offset = alt.XOffset(
            "temperature:N",
            scale=alt.Scale(domain=[f"{one:g}" for one in self.temperatures], paddingOuter=1),
        )
        panels = []
        for number, verifier in enumerate(self.verifiers):
            last = number == len(self.verifiers) - 1
            own = shown.filter(pl.col("verifier") == verifier)
            x = alt.X(
                "model:N",
                scale=alt.Scale(domain=[*map(short, self.models)]),
                title="model" if last else None,
                axis=alt.Axis(labelAngle=0, labels=last),
            )
            colour = alt.Color("temperature:N", sort=None, title="temperature")
            chart = points_with_intervals(own, x, "value:Q", colour, title="relative gap")
            panels.append(
                alt.layer(level(0), chart.encode(xOffset=offset)).properties(
                    width=COLUMN, height=120, title=verifier
                )
            )
        return alt.vconcat(*panels, spacing=6)


def _means(data: pl.DataFrame) -> str:
    """Accuracy, gap and relative gap of each model at each temperature."""
    lines = []
    for (verifier, model, temperature), group in data.group_by(
        "verifier", "model", "temperature", maintain_order=True
    ):
        values = {row["quantity"]: row for row in group.iter_rows(named=True)}
        cells = [
            "–" if (value := values[name]["value"]) is None else f"{times * value:.{digits}f}"
            for name, times, digits in (
                ("accuracy", 100, 1),
                ("gap", 100, 1),
                ("relative_gap", 1, 2),
            )
        ]
        lines.append([str(verifier), str(model), f"{temperature:g}", *cells])
    return markdown_table(
        ["verifier", "model", "temperature", "accuracy, %", "gap, points", "relative gap"], lines
    )


def _trend(ratios: Mapping[str, Ratio], known: Mapping[str, Pretraining], counts_BP: Any) -> Trend:
    flops = [known[model].flops for model in ratios]
    return trend_of(list(ratios.values()), np.array(flops), counts_BP, size_M=flops)
