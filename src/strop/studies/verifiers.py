"""Correlations of verifiers, and the gap against accuracy ("Mind the Gap", section 6.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure.correlation import Correlation, correlations
from strop.records import Estimate
from strop.run.run import Run
from strop.studies.frame.base import Study
from strop.studies.frame.data import (
    as_frame,
    estimate_row,
    in_per_cent,
    known_values,
    unique_values,
    with_short_names,
)
from strop.studies.frame.figures import panels_by, stacked_panels
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import CHECKED, FULL, LEAN, estimates, gaps, share
from strop.studies.frame.runs import Runs, RunSpec, run_grid
from strop.studies.rank_correlations import mean_rank_correlation, rank_correlation
from strop.tasks import Task
from strop.text import listed

CORRELATIONS = (
    "correlations between verifiers are low: about 0.24 for MC and CoT-Binary, 0.39 for MC and "
    "CoT-Score (section 6.2, Figure 7)."
)
GAP_AND_ACCURACY = "no verifier's gap rises with the generator's accuracy (section 6.2)."
LOW = 0.5

CellKey = tuple[str, str]
"""Model and task."""
RunOf = Mapping[CellKey, Run]
Pair = tuple[str, str]
"""Two verifiers."""


@dataclass(frozen=True)
class VerifiersStudy(Study):
    """Every pair of ``verifiers`` on the same responses."""

    models: tuple[str, ...] = (*FULL, *LEAN)
    tasks: tuple[str | Task, ...] = CHECKED
    verifiers: tuple[str, ...] = ("mc", "cot-binary", "cot-score")
    problems: int = 200
    samples: int = 32
    seed: int = 0

    name: ClassVar[str] = "verifiers"
    description: ClassVar[str] = (
        "correlations of the verifiers' scores, and their gaps against accuracy"
    )

    @classmethod
    def quick(cls) -> VerifiersStudy:
        models = ("ladder/25k", "ladder/40k", "ladder/125k", "ladder/250k")
        return cls(models=models, problems=48, samples=16)

    def wanted(self) -> Sequence[RunSpec]:
        return list(run_grid(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        run_of = {cell: runs.run(spec) for cell, spec in run_grid(self).items()}
        yield self._correlation_finding(run_of)
        yield self._accuracy_finding(run_of)

    # --- correlations of the scores ---

    def _correlation_finding(self, run_of: RunOf) -> Finding:
        pairs = list(combinations(self.verifiers, 2))
        # The known correlations over all responses, one for each model and task.
        pooled: dict[Pair, list[float]] = {pair: [] for pair in pairs}
        rows: list[dict[str, Any]] = []
        lines = []
        for (model, task), run in run_of.items():
            of_pair = self._correlations(run)
            cells = []
            for pair in pairs:
                correlation = of_pair[pair]
                rows += _correlation_rows(model, task, pair, correlation)
                within = correlation.estimates["pearson"]
                over_all = correlation.estimates["pearson_pooled"]
                cells.append(f"{share(over_all)}; {share(within)}")
                if over_all.value is not None:
                    pooled[pair].append(over_all.value)
            lines.append([task, model, *cells])
        columns = [f"{_pair_name(pair)}: pooled; within problems" for pair in pairs]
        data = as_frame(rows)
        ranges = []
        low = []
        for pair, values in pooled.items():
            name = _pair_name(pair)
            ranges.append(f"{name} {_range(values)}")
            count = sum(abs(value) < LOW for value in values)
            low.append(f"{name} in {count} of {len(values)} cells")
        return Finding(
            "verifiers-correlations",
            "Correlations between verifiers",
            CORRELATIONS,
            "Pearson's correlation over all responses; lowest, median and highest value over "
            f"models and tasks: {'; '.join(ranges)}. The table has every cell with its interval.",
            f"Correlations below {LOW} in absolute value: {listed(low)}. A filter can use only "
            "correlations within problems, so they stand beside the pooled ones. The embedded "
            "models learned their checks from one rule, so their two written verifiers have more "
            "in common than two prompts of a large model.",
            data,
            _correlation_figure(data),
            markdown_table(["task", "model", *columns], lines),
        )

    def _correlations(self, run: Run) -> dict[Pair, Correlation]:
        """Return the correlation of every pair of verifiers."""
        evidence = run.evidence
        scores = {name: evidence.judges[name].score_PK for name in self.verifiers}
        return correlations(scores, evidence.samples.mask_PK, run.counts_BP, evidence.group_P)

    # --- the gap against accuracy ---

    def _accuracy_finding(self, run_of: RunOf) -> Finding:
        data = as_frame(self._accuracy_rows(run_of))
        tasks = list(dict.fromkeys(task for _, task in run_of))
        ranks = self._rank_correlations(run_of, tasks)
        # The last column is the summary: the mean over tasks, or the only task.
        columns = [*tasks, "mean"] if len(tasks) > 1 else tasks
        lines = []
        summary = []
        rising = []
        falling = []
        for verifier in self.verifiers:
            cells = [share(ranks[verifier, column]) for column in columns]
            lines.append([verifier, *cells])
            overall = ranks[verifier, columns[-1]]
            summary.append(f"{verifier} {share(overall)}")
            if overall.interval_sign > 0:
                rising.append(verifier)
            if overall.interval_sign < 0:
                falling.append(verifier)
        scope = "mean over tasks" if len(tasks) > 1 else tasks[0]
        return Finding(
            "verifiers-gap-accuracy",
            "The gap against the generator's accuracy",
            GAP_AND_ACCURACY,
            f"Spearman's rank correlation of gap and accuracy over {len(self.models)} models, "
            f"{scope}: {'; '.join(summary)}.",
            f"Rising with accuracy: {listed(rising)}; falling: {listed(falling)}. Here larger "
            "models are better at both, and no model is near perfect on every task. So the gap can "
            "still rise, before it must fall because few wrong responses are left to filter.",
            data,
            self._scatter(data),
            "Spearman's rank correlation of gap and accuracy over models:\n\n"
            + markdown_table(["verifier", *columns], lines),
        )

    def _accuracy_rows(self, run_of: RunOf) -> Iterator[dict[str, Any]]:
        """Yield the gap and the accuracy of each model, task and verifier."""
        for (model, task), run in run_of.items():
            for verifier in self.verifiers:
                ratios = gaps(run, verifier)
                values = estimates(run, {"accuracy": ratios["accuracy"], "gap": ratios["gap"]})
                yield estimate_row(
                    values["gap"],
                    model=model,
                    task=task,
                    verifier=verifier,
                    accuracy=values["accuracy"].value,
                )

    def _rank_correlations(
        self, run_of: RunOf, tasks: Sequence[str]
    ) -> dict[tuple[str, str], Estimate]:
        """Return the rank correlation of each verifier on each task, and the mean over tasks."""
        ranks = {}
        for verifier in self.verifiers:
            runs_of_tasks = []
            for task in tasks:
                task_runs = [run_of[model, task] for model in self.models]
                ranks[verifier, task] = rank_correlation(task_runs, verifier)
                runs_of_tasks.append(task_runs)
            if len(tasks) > 1:
                ranks[verifier, "mean"] = mean_rank_correlation(runs_of_tasks, verifier)
        return ranks

    def _scatter(self, data: pl.DataFrame) -> Any:
        shown = in_per_cent(data).with_columns(pl.col("accuracy") * 100)
        x = alt.X(
            "accuracy:Q",
            title="accuracy of the generator, %",
            scale=alt.Scale(domain=[0, 100]),
            axis=alt.Axis(),
        )
        colour = alt.Color("task:N", sort=None, title=None)
        panels = panels_by(shown, "verifier", self.verifiers, "gap, points")
        return stacked_panels(panels, x, colour, height=90, line=False)


def _pair_name(pair: Pair) -> str:
    return " / ".join(pair)


def _correlation_rows(
    model: str, task: str, pair: Pair, correlation: Correlation
) -> Iterator[dict[str, Any]]:
    """Yield one row for each quantity of the correlation of two verifiers."""
    for quantity, value in correlation.estimates.items():
        yield estimate_row(
            value,
            model=model,
            task=task,
            pair=_pair_name(pair),
            quantity=quantity,
            constant=correlation.constant,
            left_out=correlation.unscored,
        )


def _correlation_figure(data: pl.DataFrame) -> Any:
    # Models and tasks come from all rows: a model without a known value keeps its place.
    named = with_short_names(data)
    models = unique_values(named, "model")
    tasks = unique_values(named, "task")
    shown = known_values(named.filter(quantity="pearson_pooled"))
    x = alt.X("model:N", scale=alt.Scale(domain=models), title=None, axis=alt.Axis(labelAngle=-30))
    colour = alt.Color("task:N", sort=None, title=None)
    offset = alt.XOffset("task:N", scale=alt.Scale(domain=tasks))
    panels = panels_by(shown, "pair", unique_values(shown, "pair"), "correlation")
    return stacked_panels(panels, x, colour, height=90, line=False, offset=offset)


def _range(values: Sequence[float]) -> str:
    """Return the lowest, median and highest value."""
    if not values:
        return "unknown"
    median = float(np.median(values))
    return f"{min(values):.2f}, {median:.2f}, {max(values):.2f}"
