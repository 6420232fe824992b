"""How alike are verifiers, and does a verifier's gap go with the generator's accuracy ("Mind the Gap", section 6.2, Figure 7)?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure.correlation import correlations
from strop.measure.gap import Mask
from strop.measure.intervals import Floats, from_draws
from strop.measure.ranks import midranks_PK
from strop.records import Estimate
from strop.run.run import Run
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.numbers import (
    CHECKED,
    FULL,
    LEAN,
    estimates,
    gaps,
    joint_counts,
    listed,
    share,
    short,
    side,
    told,
)
from strop.studies.frame.runs import Runs, RunSpec, each
from strop.tasks import Task

ALIKE = "correlations between verifiers are low: about 0.24 for MC and CoT-Binary, 0.39 for MC and CoT-Score (section 6.2, Figure 7)."
RISES = "no verifier's gap rises with the generator's accuracy (section 6.2)."


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
        return cls(
            models=("ladder/25k", "ladder/40k", "ladder/125k", "ladder/250k"),
            problems=48,
            samples=16,
        )

    def wanted(self) -> Sequence[RunSpec]:
        return list(each(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        found = {place: runs.run(wanted) for place, wanted in each(self).items()}
        yield self._alike(found)
        yield self._rises(found)

    # --- correlations ---

    def _alike(self, found: Mapping[tuple[str, str], Run]) -> Finding:
        rows, lines, cells = [], [], {}
        pairs = list(combinations(self.verifiers, 2))
        for (model, task), run in found.items():
            scores = {name: run.evidence.judges[name].score_PK for name in self.verifiers}
            of_pair = correlations(
                scores, run.evidence.samples.mask_PK, run.counts_BP, run.evidence.group_P
            )
            for pair, one in of_pair.items():
                cells[model, task, pair] = one.estimates
                rows += [
                    {
                        "model": model,
                        "task": task,
                        "pair": " / ".join(pair),
                        "quantity": quantity,
                        "constant": one.constant,
                        "left_out": one.unscored,
                    }
                    | told(value)
                    for quantity, value in one.estimates.items()
                ]
            lines.append(
                [
                    task,
                    model,
                    *(
                        f"{share(of_pair[p].estimates['pearson_pooled'])}; {share(of_pair[p].estimates['pearson'])}"
                        for p in pairs
                    ),
                ]
            )
        data = pl.DataFrame(rows, infer_schema_length=None)
        header = [
            "task",
            "model",
            *(f"{' / '.join(pair)}: pooled; within problems" for pair in pairs),
        ]
        values = {
            pair: [one["pearson_pooled"].value for place, one in cells.items() if place[2] == pair]
            for pair in pairs
        }
        ranges = [
            f"{' / '.join(pair)} {_range(found_values)}" for pair, found_values in values.items()
        ]
        known = {
            pair: [value for value in one if value is not None] for pair, one in values.items()
        }
        low = listed(
            f"{' / '.join(pair)} in {sum(abs(value) < 0.5 for value in one)} of {len(one)} cells"
            for pair, one in known.items()
        )
        return Finding(
            "verifiers-correlations",
            "Correlations between verifiers",
            ALIKE,
            f"Pearson's correlation over all responses, model by task, lowest, median and highest: {'; '.join(ranges)}. The table has "
            "every cell with its interval.",
            f"Below 0.5 in size are {low}. Correlations within problems, which are what "
            "a filter can use, are given beside the pooled ones; the checks of the embedded models were taught by one rule, so that their "
            "two written verifiers have more in common than prompts of a large model.",
            data,
            self._correlation_figure(data),
            markdown_table(header, lines),
        )

    def _correlation_figure(self, data: pl.DataFrame) -> Any:
        shown = data.filter(
            pl.col("quantity") == "pearson_pooled", pl.col("value").is_not_null()
        ).with_columns(pl.col("model").map_elements(short, return_dtype=pl.String))
        panels = []
        models = (
            data["model"]
            .map_elements(short, return_dtype=pl.String)
            .unique(maintain_order=True)
            .to_list()
        )
        tasks = data["task"].unique(maintain_order=True).to_list()
        pairs = shown["pair"].unique(maintain_order=True).to_list()
        for number, pair in enumerate(pairs):
            last = number == len(pairs) - 1
            x = alt.X(
                "model:N",
                scale=alt.Scale(domain=models),
                title=None,
                axis=alt.Axis(labelAngle=-30, labels=last),
            )
            own = shown.filter(pl.col("pair") == pair)
            colour = alt.Color("task:N", sort=None, title=None)
            chart = points_with_intervals(
                own, x, "value:Q", colour, title="correlation", line=False
            ).encode(xOffset=alt.XOffset("task:N", scale=alt.Scale(domain=tasks)))
            panels.append(
                alt.layer(level(0), chart).properties(width=COLUMN, height=90, title=pair)
            )
        return alt.vconcat(*panels, spacing=6)

    # --- gap against accuracy ---

    def _rises(self, found: Mapping[tuple[str, str], Run]) -> Finding:
        rows, lines, ranks = [], [], {}
        for (model, task), run in found.items():
            for verifier in self.verifiers:
                measured = estimates(
                    run, {name: gaps(run, verifier)[name] for name in ("accuracy", "gap")}
                )
                rows.append(
                    {
                        "model": model,
                        "task": task,
                        "verifier": verifier,
                        "accuracy": measured["accuracy"].value,
                    }
                    | told(measured["gap"])
                )
        tasks = list(dict.fromkeys(task for _, task in found))
        for verifier in self.verifiers:
            for task in tasks:
                ranks[verifier, task] = rank_correlation(
                    [found[model, task] for model in self.models], verifier
                )
            if len(tasks) > 1:
                ranks[verifier, "mean"] = self._mean_rank(
                    [[found[model, task] for model in self.models] for task in tasks], verifier
                )
            lines.append(
                [
                    verifier,
                    *(
                        share(ranks[verifier, task])
                        for task in dict.fromkeys(task for _, task in ranks)
                    ),
                ]
            )
        header = ["verifier", *(f"{task}" for task in dict.fromkeys(task for _, task in ranks))]
        data = pl.DataFrame(rows, infer_schema_length=None)
        last = "mean" if len(tasks) > 1 else tasks[0]
        means = {verifier: ranks[verifier, last] for verifier in self.verifiers}
        rising, falling = ([v for v, one in means.items() if side(one) == sign] for sign in (1, -1))
        told_means = "; ".join(f"{v} {share(one)}" for v, one in means.items())
        over = "mean over tasks" if len(tasks) > 1 else last
        return Finding(
            "verifiers-gap-accuracy",
            "The gap against the generator's accuracy",
            RISES,
            f"Spearman's rank correlation of gap and accuracy over {len(self.models)} models, {over}: {told_means}.",
            f"Rising with accuracy: {listed(rising)}; falling: {listed(falling)}. Here models grow in both at once and no model is near "
            "perfect on every task, so a rise can come before the fall that lack of room must bring.",
            data,
            self._scatter(data),
            "Spearman's rank correlation of gap and accuracy over models:\n\n"
            + markdown_table(header, lines),
        )

    def _mean_rank(self, of_task: Sequence[Sequence[Run]], verifier: str) -> Estimate:
        """The mean over tasks; each task's problems are resampled on their own."""
        values, draws = [], []
        problems = [len(own[0].counts_BP[0]) for own in of_task]
        counts_BP = joint_counts([own[0] for own in of_task])
        for own, start, count in zip(of_task, np.cumsum([0, *problems]), problems, strict=False):
            value, draws_B = _ranks(own, verifier, counts_BP[:, start : start + count])
            values.append(value)
            draws.append(draws_B)
        definition = "Spearman's rank correlation of gap and accuracy over models, mean over tasks"
        known = [place for place, value in enumerate(values) if np.isfinite(value)]
        if not known:
            return Estimate(
                None,
                None,
                None,
                0.95,
                0,
                definition,
                "no task has three models that differ in both",
            )
        mean_B = np.mean([draws[place] for place in known], axis=0)
        return from_draws(
            float(np.mean([values[place] for place in known])), mean_B, sum(problems), definition
        )

    def _scatter(self, data: pl.DataFrame) -> Any:
        shown = data.with_columns(pl.col("value", "low", "high", "accuracy") * 100)
        panels = []
        for number, verifier in enumerate(self.verifiers):
            last = number == len(self.verifiers) - 1
            title = "accuracy of the generator, %" if last else None
            x = alt.X(
                "accuracy:Q",
                title=title,
                scale=alt.Scale(domain=[0, 100]),
                axis=alt.Axis(labels=last),
            )
            own = shown.filter(pl.col("verifier") == verifier)
            chart = points_with_intervals(
                own,
                x,
                "value:Q",
                alt.Color("task:N", sort=None, title=None),
                title="gap, points",
                line=False,
            )
            panels.append(
                alt.layer(level(0), chart).properties(width=COLUMN, height=90, title=verifier)
            )
        return alt.vconcat(*panels, spacing=6)


def rank_correlation(runs: Sequence[Run], verifier: str) -> Estimate:
    """Spearman's rank correlation of gap and accuracy over models of one task, problems resampled jointly."""
    definition = "Spearman's rank correlation of gap and accuracy over models"
    value, draws_B = _ranks(runs, verifier, runs[0].counts_BP)
    if not np.isfinite(value):
        return Estimate(
            None, None, None, 0.95, 0, definition, "fewer than three models that differ in both"
        )
    return from_draws(value, draws_B, runs[0].plan.problems, definition)


def _ranks(runs: Sequence[Run], verifier: str, counts_BP: Floats) -> tuple[float, Floats]:
    if len(runs) < 3:
        return float("nan"), np.full(len(counts_BP), np.nan)
    once_BP = np.vstack([np.ones_like(counts_BP[:1]), counts_BP])
    measured = [gaps(run, verifier) for run in runs]
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy_BM, gap_BM = (
            np.stack(
                [(once_BP @ one[name].above_P) / (once_BP @ one[name].below_P) for one in measured],
                axis=1,
            )
            for name in ("accuracy", "gap")
        )
    value_B = _spearman_B(accuracy_BM, gap_BM)
    return float(value_B[0]), value_B[1:]


def _spearman_B(one_BM: Floats, other_BM: Floats) -> Floats:
    known_BM: Mask = np.isfinite(one_BM) & np.isfinite(other_BM)
    ranks = [midranks_PK(np.round(value_BM, 12), known_BM) for value_BM in (one_BM, other_BM)]
    count_B1 = known_BM.sum(axis=1, keepdims=True)
    moved = [
        np.where(
            known_BM,
            rank_BM
            - np.where(known_BM, rank_BM, 0).sum(axis=1, keepdims=True) / np.maximum(count_B1, 1),
            0.0,
        )
        for rank_BM in ranks
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        value_B = (moved[0] * moved[1]).sum(axis=1) / np.sqrt(
            (moved[0] ** 2).sum(axis=1) * (moved[1] ** 2).sum(axis=1)
        )
    result: Floats = np.where(count_B1[:, 0] >= 3, value_B, np.nan)
    return result


def _range(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return (
        f"{min(known):.2f}, {float(np.median(known)):.2f}, {max(known):.2f}" if known else "unknown"
    )
