"""The trend of the relative gap at other sampling temperatures ("Mind the Gap", Appendix B).

All temperatures use the same problems, so the slopes are compared in pairs: the slope of the
differences is the difference of the slopes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import polars as pl

from strop.measure import Ratio, estimate
from strop.measure.intervals import difference
from strop.measure.scaling import Trend
from strop.run.run import Run
from strop.studies.frame.base import Study
from strop.studies.frame.data import as_frame, estimate_row, known_values, with_short_names
from strop.studies.frame.figures import panels_by, stacked_panels
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    CHECKED,
    FOUR_SIZES,
    THREE_SIZES,
    gaps,
    joint_counts,
    mean_over_tasks,
    second_or_only,
    share,
    short_name,
)
from strop.studies.frame.runs import Runs, RunSpec, run_grid
from strop.studies.scaling import Compute, compute_of, trend_over_models
from strop.tasks import Task
from strop.text import listed

PAPER = "at temperatures 0.5, 0.7 and 1.0 the relative gap has the same trend (Appendix B)."

QUANTITIES = {"relative_gap": "relative gap", "gap": "gap", "accuracy": "accuracy"}
"""The quantities in the data, and their names in definitions."""

RunKey = tuple[str, float]
"""Model and temperature."""
TrendKey = tuple[str, float]
"""Verifier and temperature."""
Trends = Mapping[TrendKey, Trend]


@dataclass(frozen=True)
class TemperatureStudy(Study):
    """The second of ``temperatures`` is the reference: the others are compared with it."""

    models: tuple[str, ...] = FOUR_SIZES
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
        return cls(
            models=THREE_SIZES,
            tasks=("arithmetic", "sudoku4"),
            verifiers=("cot-binary",),
            problems=48,
            samples=16,
        )

    @property
    def _reference(self) -> float:
        return second_or_only(self.temperatures)

    def wanted(self) -> Sequence[RunSpec]:
        specs: list[RunSpec] = []
        for temperature in self.temperatures:
            specs += run_grid(self, temperature=temperature).values()
        return specs

    def findings(self, runs: Runs) -> Iterator[Finding]:
        compute, unknown = compute_of(self.models, self.flops)
        # The runs of all tasks of a model at a temperature.
        runs_of: dict[RunKey, list[Run]] = {}
        for temperature in self.temperatures:
            for (model, _), spec in run_grid(self, temperature=temperature).items():
                runs_of.setdefault((model, temperature), []).append(runs.run(spec))
        data = as_frame(self._rows(runs_of, compute))
        trends: dict[TrendKey, Trend] = {}
        changes: dict[TrendKey, Trend] = {}
        if not unknown:
            # A trend needs the compute of every model.
            trends, changes = self._trends(runs_of, compute)
        table = _means_table(data)
        if trends:
            table += "\n\n" + self._trend_table(trends, changes)
        temperatures = listed(f"{temperature:g}" for temperature in self.temperatures)
        yield Finding(
            "temperature",
            f"The relative gap at temperatures {temperatures}",
            PAPER,
            self._seen(trends, changes, unknown),
            self._holds(trends, changes),
            data,
            self._figure(data),
            table,
        )

    def _rows(
        self, runs_of: Mapping[RunKey, Sequence[Run]], compute: Compute
    ) -> Iterator[dict[str, Any]]:
        """Yield one row for each verifier, model, temperature and quantity."""
        for verifier in self.verifiers:
            for (model, temperature), task_runs in runs_of.items():
                flops = compute[model].flops if model in compute else None
                for quantity in QUANTITIES:
                    ratio = _mean(task_runs, verifier, quantity)
                    yield estimate_row(
                        estimate(ratio, joint_counts(task_runs)),
                        model=model,
                        temperature=temperature,
                        verifier=verifier,
                        flops=flops,
                        quantity=quantity,
                    )

    def _trends(
        self, runs_of: Mapping[RunKey, Sequence[Run]], compute: Compute
    ) -> tuple[dict[TrendKey, Trend], dict[TrendKey, Trend]]:
        """Return the trend at each temperature, and its change from the reference temperature."""
        # All models and temperatures share their problems, hence also their resamples.
        counts_BP = joint_counts(next(iter(runs_of.values())))
        trends = {}
        changes = {}
        for verifier in self.verifiers:
            means = {}
            for key, task_runs in runs_of.items():
                means[key] = _mean(task_runs, verifier, "relative_gap")
            for temperature in self.temperatures:
                of_model = {model: means[model, temperature] for model in self.models}
                trends[verifier, temperature] = trend_over_models(of_model, compute, counts_BP)
                if temperature == self._reference:
                    continue
                # The slope of paired differences is the difference of the slopes.
                differences = {}
                for model, ratio in of_model.items():
                    reference = means[model, self._reference]
                    differences[model] = difference(ratio, reference, "difference of relative gaps")
                changes[verifier, temperature] = trend_over_models(differences, compute, counts_BP)
        return trends, changes

    def _seen(
        self,
        trends: Trends,
        changes: Trends,
        unknown: Sequence[str],
    ) -> str:
        if not trends:
            return (
                f"the compute of {listed(unknown)} is unknown, so the study has values and no "
                "trend; give the compute with --flops."
            )
        # A single temperature has no other one to compare with.
        differences = _slopes(changes) or "nothing to compare"
        return (
            f"slope per factor of ten in FLOPs: {_slopes(trends)}. Slope minus that at "
            f"{self._reference:g}: {differences}."
        )

    def _holds(self, trends: Trends, changes: Trends) -> str:
        if not trends:
            return "Not testable on these models."
        signs = set()
        for trend in trends.values():
            # A slope is unknown if there are too few sizes of models.
            if trend.slope.value is None:
                return "Not testable on these models."
            signs.add(trend.slope.interval_sign)
        if len(signs) == 1:
            same = "The sign of the trend is the same at all temperatures."
        else:
            same = "The sign of the trend is not the same everywhere."
        different = []
        for (verifier, temperature), trend in changes.items():
            if trend.slope.interval_sign != 0:
                different.append(f"{verifier} at {temperature:g} ({share(trend.slope)})")
        return (
            f"{same} Slopes that differ from the slope at {self._reference:g}: "
            f"{listed(different)}. The slips that these models were designed to make come from "
            "sampling, so temperature changes their accuracy more than a usual model's."
        )

    def _trend_table(self, trends: Trends, changes: Trends) -> str:
        lines = []
        for key, trend in trends.items():
            verifier, temperature = key
            change = share(changes[key].slope) if key in changes else "–"
            cells = [share(trend.slope), share(trend.kendall), change]
            lines.append([verifier, f"{temperature:g}", *cells])
        header = ["verifier", "temperature", "slope per factor of ten", "Kendall's tau"]
        return markdown_table([*header, f"slope minus that at {self._reference:g}"], lines)

    def _figure(self, data: pl.DataFrame) -> Any:
        shown = known_values(data.filter(quantity="relative_gap"))
        as_text = pl.col("temperature").map_elements("{:g}".format, return_dtype=pl.String)
        shown = with_short_names(shown).with_columns(as_text)
        # The temperatures of one model stand beside one another, always in the same order.
        temperatures = [f"{temperature:g}" for temperature in self.temperatures]
        offset_scale = alt.Scale(domain=temperatures, paddingOuter=1)
        offset = alt.XOffset("temperature:N", scale=offset_scale)
        models = list(map(short_name, self.models))
        x = alt.X(
            "model:N",
            scale=alt.Scale(domain=models),
            title="model",
            axis=alt.Axis(labelAngle=0),
        )
        colour = alt.Color("temperature:N", sort=None, title="temperature")
        panels = panels_by(shown, "verifier", self.verifiers, "relative gap")
        return stacked_panels(panels, x, colour, height=120, offset=offset)


def _mean(runs: Sequence[Run], verifier: str, quantity: str) -> Ratio:
    """Return the mean of a quantity over the runs of all tasks."""
    ratios = [gaps(run, verifier)[quantity] for run in runs]
    return mean_over_tasks(ratios, QUANTITIES[quantity])


def _slopes(trends: Trends) -> str:
    """Return the slope of each verifier at each temperature in words."""
    parts = []
    for (verifier, temperature), trend in trends.items():
        parts.append(f"{verifier} at {temperature:g}: {share(trend.slope)}")
    return "; ".join(parts)


def _means_table(data: pl.DataFrame) -> str:
    """Return a table of accuracy, gap and relative gap of each model at each temperature.

    It has values only; the intervals are in the data.
    """
    lines = []
    keys = ("verifier", "model", "temperature")
    for (verifier, model, temperature), group in data.group_by(*keys, maintain_order=True):
        values = dict(group.select("quantity", "value").rows())
        cells = [
            _number(values["accuracy"], 100, 1),
            _number(values["gap"], 100, 1),
            _number(values["relative_gap"], 1, 2),
        ]
        lines.append([str(verifier), str(model), f"{temperature:g}", *cells])
    return markdown_table([*keys, "accuracy, %", "gap, points", "relative gap"], lines)


def _number(value: float | None, factor: float, digits: int) -> str:
    if value is None:
        return "–"
    return f"{factor * value:.{digits}f}"
