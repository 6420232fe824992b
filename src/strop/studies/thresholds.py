"""Gap against threshold ("Mind the Gap", section 6.1, Figures 5 and 6): is the best one the same for all models?

Whether it is: the threshold is chosen on the smallest model and judged on the others, against choosing it on each model itself. Both
choices are cross-fitted over problems, so neither is flattered, and both are made anew in every resample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure.crossfit import crossfit, repeated_selection
from strop.measure.gap import gap, kept_share
from strop.measure.intervals import Floats, from_draws
from strop.records import Estimate
from strop.run.analysis import sweep_weights
from strop.run.run import Run
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.numbers import (
    check_equal_samples,
    estimates,
    listed,
    points,
    short,
    side,
    told,
)
from strop.studies.frame.runs import Runs, RunSpec, each
from strop.tasks import Task

KINDS = {"mc": "quantile", "cot-score": "quantile", "tournament": "survivors"}
"""What is swept of each verifier; thresholds for all others."""
FEWEST = 3
"""Thresholds that a curve has."""
PAPER = (
    "the gap is concave in the threshold for MC and the tournament and rises for CoT-Score; the best threshold is similar for all models "
    "of a task, so that a small model can choose it (section 6.1, Figures 5 and 6)."
)


@dataclass(frozen=True)
class Curve:
    """One model, task and verifier: thresholds T, the gap of each problem under each (P, T), and their estimates."""

    run: Run
    threshold_T: Floats
    gap_PT: Floats
    gaps: Sequence[Estimate]
    kept: Sequence[Estimate] = field(default=())

    @property
    def best(self) -> float:
        return float(self.threshold_T[self.gap_PT.mean(axis=0).argmax()])


@dataclass(frozen=True)
class ThresholdsStudy(Study):
    """Quantiles for mc and cot-score, rounds for the tournament."""

    models: tuple[str, ...] = ("ladder/40k", "ladder/125k", "ladder/250k", "ladder/400k")
    tasks: tuple[str | Task, ...] = ("arithmetic", "signs", "sudoku4")
    verifiers: tuple[str, ...] = ("mc", "cot-score", "tournament")
    problems: int = 200
    samples: int = 32
    seed: int = 0

    name: ClassVar[str] = "thresholds"
    description: ClassVar[str] = (
        "the gap against the threshold, and whether a small model can choose it"
    )

    @classmethod
    def quick(cls) -> ThresholdsStudy:
        return cls(
            models=("ladder/40k", "ladder/125k", "ladder/250k"),
            tasks=("arithmetic", "sudoku4"),
            problems=48,
            samples=16,
        )

    def wanted(self) -> Sequence[RunSpec]:
        return list(each(self).values())

    def findings(self, runs: Runs) -> Iterator[Finding]:
        places = each(self)
        tasks = list(dict.fromkeys(task for _, task in places))
        for verifier in self.verifiers:
            curves = {place: curve(runs.run(wanted), verifier) for place, wanted in places.items()}
            check_equal_samples([one.run for one in curves.values()])
            transfers = {
                (task, model): transfer(curves[self.models[0], task], curves[model, task])
                for task in tasks
                for model in self.models[1:]
            }
            yield self._finding(verifier, curves, transfers)

    def _finding(
        self,
        verifier: str,
        curves: Mapping[tuple[str, str], Curve],
        transfers: Mapping[tuple[str, str], tuple[Estimate, Estimate]],
    ) -> Finding:
        rows = [
            {
                "model": model,
                "task": task,
                "verifier": verifier,
                "kind": kind_of(verifier),
                "threshold": threshold,
            }
            | told(value)
            | {"kept_share": kept.value, "best": threshold == one.best}
            for (model, task), one in curves.items()
            for threshold, value, kept in zip(
                one.threshold_T.tolist(), one.gaps, one.kept, strict=True
            )
        ]
        lines = []
        for (model, task), one in curves.items():
            loss, own = transfers.get((task, model), (None, None))
            low, high = best_interval(one)
            cells = [
                f"{one.best:g} [{low:g}, {high:g}]",
                points(one.gaps[int(one.gap_PT.mean(axis=0).argmax())]),
                shape(one),
            ]
            lines.append(
                [task, model, *cells, points(own) if own else "–", points(loss) if loss else "–"]
            )
        small = short(self.models[0])
        header = [
            "task",
            "model",
            f"best {swept(verifier)} [95% of resamples]",
            "gap there (in-sample), points",
            "shape",
            "gap, chosen on itself (cross-fitted)",
            f"change when chosen on {small}",
        ]
        return Finding(
            f"thresholds-{verifier}",
            f"Gap against threshold: {verifier}",
            PAPER,
            self._seen(verifier, curves, transfers),
            self._holds(verifier, curves, transfers),
            pl.DataFrame(rows, infer_schema_length=None),
            self._figure(rows, verifier),
            markdown_table(header, lines),
        )

    def _seen(
        self,
        verifier: str,
        curves: Mapping[tuple[str, str], Curve],
        transfers: Mapping[Any, tuple[Estimate, Estimate]],
    ) -> str:
        shapes = [shape(one) for one in curves.values()]
        counted = listed(f"{shapes.count(kind)} {kind}" for kind in dict.fromkeys(shapes))
        spread = []
        for task in dict.fromkeys(task for _, task in curves):
            best = [one.best for (_, other), one in curves.items() if other == task]
            spread.append(f"{min(best):g} to {max(best):g} on {task}")
        text = f"of {len(shapes)} cells {counted}; the best {swept(verifier)} of the models goes from {listed(spread)}."
        losses = [loss for loss, _ in transfers.values() if loss.value is not None]
        if losses:
            worst = min(losses, key=lambda one: one.value or 0.0)
            text += f" Chosen on {short(self.models[0])} instead of on the model itself, the gap changes by {points(worst)} points at worst."
        return text

    def _holds(
        self,
        verifier: str,
        curves: Mapping[tuple[str, str], Curve],
        transfers: Mapping[Any, tuple[Estimate, Estimate]],
    ) -> str:
        expected = "rising" if verifier == "cot-score" else "concave"
        shapes = [shape(one) for one in curves.values()]
        losses = [loss for loss, _ in transfers.values() if loss.value is not None]
        lost = sum(side(loss) < 0 for loss in losses)
        carried = (
            f"In {lost} of {len(losses)} cells the smallest model's choice costs some of the gap (whole interval below zero); in the "
            "others a loss is not shown, which is not the same as none."
            if losses
            else "With one model, or too few thresholds, there is nothing to carry over."
        )
        drawn = len(shapes) - shapes.count("no curve")
        return (
            f"{shapes.count(expected)} of {drawn} curves are {expected} as in the paper, as far as their points tell; a curve within noise "
            f"is called flat{', and scores of two levels have none' if drawn < len(shapes) else ''}. {carried}"
        )

    def _figure(self, rows: Sequence[Mapping[str, Any]], verifier: str) -> Any:
        data = pl.DataFrame(list(rows), infer_schema_length=None).with_columns(
            pl.col("value", "low", "high") * 100,
            pl.col("model").map_elements(short, return_dtype=pl.String),
        )
        panels = []
        tasks = data["task"].unique(maintain_order=True).to_list()
        for number, task in enumerate(tasks):
            last = number == len(tasks) - 1
            own = data.filter(pl.col("task") == task)
            whole = 1 if kind_of(verifier) == "survivors" else alt.Undefined
            x = alt.X(
                "threshold:Q",
                title=swept(verifier) if last else None,
                axis=alt.Axis(labels=last, tickMinStep=whole),
                scale=alt.Scale(zero=False, nice=False, padding=10),
            )
            chart = points_with_intervals(
                own, x, "value:Q", alt.Color("model:N", sort=None, title=None), title="gap, points"
            )
            panels.append(
                alt.layer(level(0), chart).properties(width=COLUMN, height=105, title=task)
            )
        return alt.vconcat(*panels, spacing=6)


def kind_of(verifier: str) -> str:
    return KINDS.get(verifier, "threshold")


def swept(verifier: str) -> str:
    """What a curve's axis is called."""
    return "number of rounds survived" if kind_of(verifier) == "survivors" else kind_of(verifier)


def curve(run: Run, verifier: str) -> Curve:
    """The gap under every threshold of the verifier's kind."""
    evidence, samples = run.evidence, run.evidence.samples
    judge = evidence.judges[verifier]
    weights = {
        float(one.spec.split(":")[1]): one
        for one in sweep_weights(judge)
        if one.name == kind_of(verifier)
    }
    weights = dict(sorted(weights.items())) or {
        float(judge.weight.spec.split(":")[1]): judge.weight
    }
    weighed = {
        threshold: weight(judge.score_PK, samples.mask_PK) for threshold, weight in weights.items()
    }
    ratios = {
        threshold: gap(samples.utility_PK, weight_PK, samples.mask_PK)
        for threshold, weight_PK in weighed.items()
    }
    kept = {
        threshold: kept_share(weight_PK, samples.mask_PK)
        for threshold, weight_PK in weighed.items()
    }
    gap_PT = np.stack([ratio.above_P for ratio in ratios.values()], axis=1)
    return Curve(
        run,
        np.array(list(weights)),
        gap_PT,
        list(estimates(run, ratios).values()),
        list(estimates(run, kept).values()),
    )


def best_interval(one: Curve) -> tuple[float, float]:
    """Between which thresholds the best one lies in 95% of the resamples."""
    best_B = one.threshold_T[(one.run.counts_BP @ one.gap_PT).argmax(axis=1)]
    low, high = np.quantile(best_B, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def shape(one: Curve) -> str:
    """flat where no interval excludes zero; else by the best threshold: at the end rising, at the start falling, between concave. Scores of
    two levels have no curve.
    """
    if len(one.threshold_T) < FEWEST:
        return "no curve"
    if not any(side(value) for value in one.gaps):
        return "flat"
    place, last = int(one.gap_PT.mean(axis=0).argmax()), len(one.threshold_T) - 1
    return "rising" if place == last else "falling" if place == 0 else "concave"


def transfer(chooser: Curve, judged: Curve) -> tuple[Estimate, Estimate]:
    """The gap under the threshold chosen on ``chooser`` minus that under its own choice; and its own. Of thresholds that both have: where
    these are too few for a choice, the first is unknown.
    """
    common = [threshold for threshold in chooser.threshold_T if threshold in judged.threshold_T]
    gap_PT, other_PT = (
        one.gap_PT[
            :, [int(np.flatnonzero(one.threshold_T == threshold)[0]) for threshold in common]
        ]
        for one in (judged, chooser)
    )
    folds_P, counts_BP = judged.run.evidence.folds_P, judged.run.counts_BP
    own, carried = (
        crossfit(choose_PT, gap_PT, folds_P, counts_BP, (-1.0, 1.0)).crossfitted
        for choose_PT in (gap_PT, other_PT)
    )
    draws_B = repeated_selection(other_PT, gap_PT, folds_P, counts_BP) - repeated_selection(
        gap_PT, gap_PT, folds_P, counts_BP
    )
    definition = "gap under the threshold chosen on another model minus that under the model's own choice, both cross-fitted"
    why = "too few thresholds to choose from" if len(common) < FEWEST else own.why or carried.why
    if own.value is None or carried.value is None or len(common) < FEWEST:
        return Estimate(None, None, None, 0.95, 0, definition, why), own
    return from_draws(carried.value - own.value, draws_B, own.n, definition), own
