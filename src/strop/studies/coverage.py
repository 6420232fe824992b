"""Do the intervals tell the truth? Simulated runs whose true values are known, and how often their 95% intervals hold them.

Every experiment draws P problems of a population and K responses to each, and goes through the package's own weights, estimators and
intervals. All experiments of one P share their resamples: that changes no interval's law.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl
import threadpoolctl

from strop.measure import (
    Ratio,
    accuracy,
    estimate_all,
    gap,
    kept_accuracy,
    relative_gap,
    resample_counts,
)
from strop.measure.exact import (
    exact_best_of,
    exact_kept_quantile,
    exact_kept_threshold,
    exact_limit_quantile,
)
from strop.measure.forecast import forecast
from strop.measure.gap_at_infinity import limit_gap
from strop.measure.intervals import Floats
from strop.measure.pass_at_k import pass_at_k
from strop.measure.selection import selection_curve
from strop.records import Estimate
from strop.seeds import derive
from strop.studies.frame.base import Finding, Study, write_findings
from strop.studies.frame.figures import COLUMN, level
from strop.studies.frame.numbers import listed
from strop.studies.populations import KINDS, Population, populations
from strop.weigh import Quantile

AT_ONCE = 4_000_000
"""Responses that are held in memory at a time."""
FEW = 4
QUANTITIES = (
    "accuracy",
    "accuracy kept",
    "gap_K",
    "relative gap",
    f"best-of-{FEW}",
    "best-of-K/2",
    f"pass@{FEW}",
    "gap_inf",
    "forecast",
)
CELLS, LOSS, LOSS_SPREAD = 5, 0.02, 0.03
"""What updates lose (eps_update), normally spread: on five other cells, and on the one that is forecast."""
BAND = (0.93, 0.97)
CUT = 85
"""Per cent, where the figure ends; the data do not."""
PAPER = "neither tests how often its intervals or standard errors hold what they should."


@dataclass(frozen=True)
class Row:
    """One cell. ``missed_low``: how often the truth lay below the interval. ``cautioned``: share of intervals that came with a caution."""

    population: str
    problems: int
    samples: int
    quantity: str
    experiments: int
    truth: float
    covered: float
    missed_low: float
    missed_high: float
    without_interval: float
    cautioned: float
    half_width: float


@dataclass(frozen=True)
class CoverageStudy(Study):
    """``repeats``: simulated problems of each kind behind the true relative gap, which has no closed form; all other truths are exact."""

    experiments: int = 2_000
    problems: tuple[int, ...] = (50, 200, 1000)
    samples: tuple[int, ...] = (8, 32, 128)
    repeats: int = 5_000
    workers: int = 0

    name: ClassVar[str] = "coverage"
    description: ClassVar[str] = (
        "how often nominal 95% intervals hold the truth, in worlds whose truth is known"
    )
    beyond: ClassVar[str] = "simulations, in which no model has a part"

    @classmethod
    def quick(cls) -> CoverageStudy:
        return cls(experiments=400, problems=(50, 200), samples=(8, 32), repeats=1_000)

    def run(self, out: Path, tell: Callable[[str], None]) -> Path:
        cells = [
            (world, samples)
            for samples in sorted(self.samples, reverse=True)
            for world in range(len(populations()))
        ]
        rows: list[Row] = []
        with ProcessPoolExecutor(self.workers or os.cpu_count()) as pool:
            for (world, samples), found in zip(
                cells, pool.map(partial(_cell, self), cells), strict=True
            ):
                tell(f"{populations()[world].name}, {samples} samples")
                rows += found
        frame = pl.DataFrame([asdict(row) for row in rows]).sort(
            "population", "problems", "samples", maintain_order=True
        )
        return write_findings(
            out, "Coverage of the intervals", self.setting, [finding(frame)], self.name
        )


def _cell(study: CoverageStudy, cell: tuple[int, int]) -> list[Row]:
    world, samples = cell
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        truths = true_values(populations()[world], samples, study.repeats)
        return [
            row
            for problems in study.problems
            for row in simulate(populations()[world], problems, samples, study.experiments, truths)
        ]


def true_values(population: Population, samples: int, repeats: int) -> dict[str, float]:
    """What each quantity is in expectation, over all kinds of the population."""
    weight = population.weight
    tables = [
        (probability_Y, population.utility_Y, population.score_Y)
        for probability_Y in population.probability_HY
    ]
    if isinstance(weight, Quantile):
        kept = [exact_kept_quantile(*table, weight.q, samples) for table in tables]
        limit = [exact_limit_quantile(*table, weight.q) for table in tables]
    else:
        kept = [exact_kept_threshold(*table, 0.5, samples) for table in tables]
        limit = [exact_kept_threshold(*table, 0.5, 1_000_000) for table in tables]
    before = float(population.right_H.mean())
    return {
        "accuracy": before,
        "accuracy kept": float(np.mean(kept)),
        "gap_K": float(np.mean(kept)) - before,
        "relative gap": _true_relative_gap(population, samples, repeats),
        f"best-of-{FEW}": float(np.mean([exact_best_of(*table, FEW) for table in tables])),
        "best-of-K/2": float(np.mean([exact_best_of(*table, samples // 2) for table in tables])),
        f"pass@{FEW}": float(np.mean(1 - (1 - population.right_H) ** FEW)),
        "gap_inf": float(np.mean(limit)) - before,
    }


def simulate(
    population: Population, problems: int, samples: int, experiments: int, truths: dict[str, float]
) -> list[Row]:
    """Many runs of one size, and how often the intervals of each quantity hold its truth."""
    rng = np.random.default_rng(derive("coverage", population.name, problems, samples))
    counts_BP = resample_counts(problems, derive("coverage", "bootstrap", problems))
    at_once = max(1, AT_ONCE // (problems * samples))
    estimates: dict[str, list[Estimate]] = {quantity: [] for quantity in QUANTITIES}
    losses_EC = rng.normal(LOSS, LOSS_SPREAD, (experiments, CELLS + 1))
    for start in range(0, experiments, at_once):
        count = min(at_once, experiments - start)
        utility_PK, score_PK = population.draw(count * problems, samples, rng)
        for quantity, ratio in measured(utility_PK, score_PK, population):
            runs = {e: _part(ratio, slice(e * problems, (e + 1) * problems)) for e in range(count)}
            estimates[quantity] += estimate_all(runs, counts_BP).values()
            if quantity == "accuracy kept":
                estimates["forecast"] += [
                    forecast(kept, losses_EC[start + e, :CELLS]) for e, kept in runs.items()
                ]
    truth_E = {quantity: np.full(experiments, truth) for quantity, truth in truths.items()}
    truth_E["forecast"] = np.clip(
        truths["accuracy kept"] - losses_EC[:, CELLS], 0, 1
    )  # no update makes an accuracy negative
    return [
        _row(population, problems, samples, quantity, found, truth_E[quantity])
        for quantity, found in estimates.items()
    ]


def measured(
    utility_PK: Floats, score_PK: Floats, population: Population
) -> Iterator[tuple[str, Ratio]]:
    """Every quantity of the study, as a user's run would measure it. Problems do not touch each other, so many runs go in at once."""
    mask_PK = np.ones(utility_PK.shape, bool)
    weight_PK = population.weight(score_PK, mask_PK)
    curve, passes = selection_curve(score_PK, utility_PK, mask_PK), pass_at_k(utility_PK, mask_PK)
    yield "accuracy", accuracy(utility_PK, mask_PK)
    yield "accuracy kept", kept_accuracy(utility_PK, weight_PK, mask_PK)
    yield "gap_K", gap(utility_PK, weight_PK, mask_PK)
    yield "relative gap", relative_gap(utility_PK, weight_PK, mask_PK)
    yield f"best-of-{FEW}", curve[FEW - 1]
    yield "best-of-K/2", curve[utility_PK.shape[1] // 2 - 1]
    yield f"pass@{FEW}", passes[FEW - 1]
    yield "gap_inf", limit_gap(score_PK, utility_PK, mask_PK, population.weight.at)


def finding(frame: pl.DataFrame) -> Finding:
    """How many cells are inside the band, which quantities leave it, and by how much."""
    experiments, inside = frame["experiments"][0], pl.col("covered").is_between(*BAND)
    by_quantity = frame.group_by("quantity", maintain_order=True).agg(
        pl.col("covered").min().alias("low"),
        pl.col("covered").max().alias("high"),
        inside.sum().alias("inside"),
        pl.len().alias("cells"),
    )
    ranges = "; ".join(
        f"{one['quantity']} {100 * one['low']:.1f} to {100 * one['high']:.1f}% ({one['inside']} of {one['cells']})"
        for one in by_quantity.iter_rows(named=True)
    )
    below, above = (
        listed(one["quantity"] for one in by_quantity.filter(which).iter_rows(named=True))
        for which in (pl.col("low") < BAND[0], pl.col("high") > BAND[1])
    )
    noise = 100 * 1.96 * (0.95 * 0.05 / experiments) ** 0.5
    band = f"{BAND[0]:.0%} to {BAND[1]:.0%}"
    return Finding(
        "coverage",
        "How often nominal 95% intervals hold the truth",
        PAPER,
        f"{frame.filter(inside).height} of {frame.height} cells (population x problems x samples x quantity) lie from "
        f"{band}; lowest and highest by quantity, and how many are inside: {ranges}. {experiments:,} experiments a "
        f"cell leave {noise:.1f} points of noise.",
        f"Somewhere below the band: {below}; somewhere above it: {above}. An experiment without an interval counts as not covered. "
        "gap_inf is an extrapolation in K, with a bias of its own (docs/statistics.md).",
        frame,
        _figure(frame),
        as_markdown(frame),
    )


def _figure(frame: pl.DataFrame) -> Any:
    """Every cell, by quantity; the number of problems apart."""
    shown = frame.with_columns((pl.col("covered") * 100).clip(CUT))
    sizes = sorted(frame["problems"].unique().to_list())
    band = alt.Chart(alt.Data(values=[{"low": 100 * BAND[0], "high": 100 * BAND[1]}])).mark_rect(
        color="#ddd", opacity=0.6
    )
    points = (
        alt.Chart(shown)
        .mark_point(filled=True, size=16, opacity=0.7)
        .encode(
            x=alt.X(
                "covered:Q",
                title=f"intervals that hold the truth, %, cut at {CUT}",
                scale=alt.Scale(zero=False),
            ),
            y=alt.Y("quantity:N", sort=None, title=None),
            yOffset=alt.YOffset("problems:N", sort=sizes),
            color=alt.Color("problems:N", sort=sizes, title="problems"),
        )
    )
    return alt.layer(band.encode(x="low:Q", x2="high:Q"), level(95, "x"), points).properties(
        width=COLUMN - 40, height=220
    )


def as_markdown(frame: pl.DataFrame) -> str:
    """One table a quantity: populations down, sizes across; what lies outside the band is bold."""
    sizes: list[tuple[int, int]] = (
        frame.select("problems", "samples").unique().sort("problems", "samples").rows()
    )
    lines: list[str] = []
    for quantity in frame["quantity"].unique(maintain_order=True):
        lines += [
            f"\n### {quantity}\n",
            "| population | " + " | ".join(f"{p} x {k}" for p, k in sizes) + " |",
        ]
        lines += ["|---|" + "---:|" * len(sizes)]
        for name in frame["population"].unique(maintain_order=True):
            cells = [
                _cell_text(frame.row(by_predicate=_is(name, p, k, quantity), named=True))
                for p, k in sizes
            ]
            lines.append(" | ".join([f"| {name!s}", *cells]) + " |")
    return "\n".join(lines).strip()


def _cell_text(row: dict[str, float]) -> str:
    text = f"{100 * row['covered']:.1f}"
    return text if BAND[0] <= row["covered"] <= BAND[1] else f"**{text}**"


def _is(name: str, problems: int, samples: int, quantity: str) -> pl.Expr:
    wanted = {"population": name, "problems": problems, "samples": samples, "quantity": quantity}
    return pl.all_horizontal(pl.col(column) == value for column, value in wanted.items())


def _part(ratio: Ratio, rows: slice) -> Ratio:
    return replace(ratio, above_P=ratio.above_P[rows], below_P=ratio.below_P[rows])


def _row(
    population: Population,
    problems: int,
    samples: int,
    quantity: str,
    found: list[Estimate],
    truth_E: Floats,
) -> Row:
    """An experiment without an interval has not covered."""
    ends = np.array(
        [(one.low, one.high) if one.low is not None else (np.nan, np.nan) for one in found], float
    )
    return Row(
        population.name,
        problems,
        samples,
        quantity,
        len(found),
        float(truth_E.mean()),
        covered=float(((ends[:, 0] <= truth_E) & (truth_E <= ends[:, 1])).mean()),
        missed_low=float((truth_E < ends[:, 0]).mean()),
        missed_high=float((truth_E > ends[:, 1]).mean()),
        without_interval=float(np.isnan(ends[:, 0]).mean()),
        cautioned=float(np.mean([one.caution is not None for one in found])),
        half_width=float(np.nanmean(ends[:, 1] - ends[:, 0]) / 2),
    )


def _true_relative_gap(population: Population, samples: int, repeats: int) -> float:
    """By simulation, the same number of problems of each kind."""
    rng = np.random.default_rng(derive("coverage", "truth", population.name, samples))
    above, below = 0.0, 0.0
    step = max(1, AT_ONCE // (KINDS * samples))
    for start in range(0, repeats, step):
        utility_PK, score_PK = population.respond(
            np.repeat(np.arange(KINDS), min(step, repeats - start)), samples, rng
        )
        mask_PK = np.ones(utility_PK.shape, bool)
        ratio = relative_gap(utility_PK, population.weight(score_PK, mask_PK), mask_PK)
        above, below = above + ratio.above_P.sum(), below + ratio.below_P.sum()
    return above / below
