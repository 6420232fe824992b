"""Coverage of intervals: how often do nominal 95% intervals hold the true value?

Every experiment draws P problems of a population whose true values are known, and K responses to
each problem. It then goes through the package's own weights, estimators and intervals. All
experiments of one P use the same bootstrap resamples; that changes the law of no interval.

Axes: E experiments, and those of populations.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
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
from strop.measure.gap_at_infinity import extrapolated_gap
from strop.measure.intervals import Floats
from strop.measure.pass_at_k import pass_at_k
from strop.measure.selection import selection_curve
from strop.records import Estimate
from strop.seeds import derive
from strop.studies.frame.base import Study
from strop.studies.frame.figures import COLUMN, level
from strop.studies.frame.findings import Finding, write_findings
from strop.studies.populations import KINDS, Population, populations
from strop.text import listed
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
)
BAND = (0.93, 0.97)
CUT = 85
"""Per cent: the figure shows lower coverage at its edge. The data are not cut."""
PAPER = "neither tests how often its intervals or standard errors hold what they should."


@dataclass(frozen=True)
class Row:
    """The coverage of one quantity in one population at one size.

    ``missed_low`` is the share of experiments whose true value lies below the interval,
    ``missed_high`` above it. ``cautioned`` is the share of intervals that came with a caution.
    """

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
    """The coverage of every quantity in every population and at every size.

    ``repeats``: simulated problems of each kind from which the true relative gap is computed, which
    has no closed form. All other true values are exact.
    """

    experiments: int = 2_000
    problems: tuple[int, ...] = (50, 200, 1000)
    samples: tuple[int, ...] = (8, 32, 128)
    repeats: int = 5_000
    workers: int = 0

    name: ClassVar[str] = "coverage"
    description: ClassVar[str] = (
        "how often nominal 95% intervals hold the true value, in simulations that know it"
    )
    beyond: ClassVar[str] = "simulations, which use no model"

    @classmethod
    def quick(cls) -> CoverageStudy:
        return cls(experiments=400, problems=(50, 200), samples=(8, 32), repeats=1_000)

    def run(self, out: Path, tell: Callable[[str], None]) -> Path:
        names = [population.name for population in populations()]
        # Many samples take longest and come first, so that no core waits for them at the end.
        largest_first = sorted(self.samples, reverse=True)
        jobs = list(product(largest_first, range(len(names))))
        rows: list[Row] = []
        with ProcessPoolExecutor(self.workers or os.cpu_count()) as pool:
            # Processes get the number of a population: each one draws the same populations.
            results = pool.map(partial(_simulate_population, self), jobs)
            for (samples, number), rows_of_job in zip(jobs, results, strict=True):
                tell(f"{names[number]}, {samples} samples")
                rows += rows_of_job
        frame = pl.DataFrame(list(map(asdict, rows)))
        frame = frame.sort("population", "problems", "samples", maintain_order=True)
        title = "Coverage of the intervals"
        return write_findings(out, title, self.setting, [finding(frame)], self.name)


def _simulate_population(study: CoverageStudy, job: tuple[int, int]) -> list[Row]:
    """Simulate a population with every number of problems.

    ``job`` is the number of samples, and the number of the population.
    """
    samples, number = job
    population = populations()[number]
    rows: list[Row] = []
    # One process runs on each core already.
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        truths = true_values(population, samples, study.repeats)
        for problems in study.problems:
            rows += simulate(population, problems, samples, study.experiments, truths)
    return rows


# --- true values ---


def true_values(population: Population, samples: int, repeats: int) -> dict[str, float]:
    """Return the expectation of each quantity over all kinds of the population."""
    # Each table is the law of a response to one kind of problem.
    tables = []
    for probability_Y in population.probability_HY:
        tables.append((probability_Y, population.utility_Y, population.score_Y))
    weight = population.weight
    if isinstance(weight, Quantile):
        kept = [exact_kept_quantile(*table, weight.q, samples) for table in tables]
        limit = [exact_limit_quantile(*table, weight.q) for table in tables]
    else:
        kept = [exact_kept_threshold(*table, 0.5, samples) for table in tables]
        # Of a million responses some survive in every kind in which they can.
        limit = [exact_kept_threshold(*table, 0.5, 1_000_000) for table in tables]
    best_of_few = [exact_best_of(*table, FEW) for table in tables]
    best_of_half = [exact_best_of(*table, samples // 2) for table in tables]
    # At least one of a few responses is right unless all are wrong.
    pass_at_few_H = 1 - (1 - population.right_H) ** FEW
    before = float(population.right_H.mean())
    return {
        "accuracy": before,
        "accuracy kept": float(np.mean(kept)),
        "gap_K": float(np.mean(kept)) - before,
        "relative gap": _true_relative_gap(population, samples, repeats),
        f"best-of-{FEW}": float(np.mean(best_of_few)),
        "best-of-K/2": float(np.mean(best_of_half)),
        f"pass@{FEW}": float(np.mean(pass_at_few_H)),
        "gap_inf": float(np.mean(limit)) - before,
    }


def _true_relative_gap(population: Population, samples: int, repeats: int) -> float:
    """Simulate the relative gap with the same number of problems of each kind."""
    rng = np.random.default_rng(derive("coverage", "truth", population.name, samples))
    # The relative gap is a ratio of sums over problems, so the two sums are simulated apart.
    numerator = denominator = 0.0
    step = max(1, AT_ONCE // (KINDS * samples))
    for start in range(0, repeats, step):
        count = min(step, repeats - start)
        kind_P = np.repeat(np.arange(KINDS), count)
        utility_PK, score_PK = population.respond(kind_P, samples, rng)
        mask_PK = np.ones(utility_PK.shape, bool)
        weight_PK = population.weight(score_PK, mask_PK)
        ratio = relative_gap(utility_PK, weight_PK, mask_PK)
        numerator += ratio.above_P.sum()
        denominator += ratio.below_P.sum()
    return numerator / denominator


# --- simulated runs ---


def simulate(
    population: Population, problems: int, samples: int, experiments: int, truths: dict[str, float]
) -> list[Row]:
    """Simulate many runs of one size, and count how often the intervals hold the true values."""
    rng = np.random.default_rng(derive("coverage", population.name, problems, samples))
    # All populations share these resamples, which are large; no interval's law changes by it.
    counts_BP = resample_counts(problems, derive("coverage", "bootstrap", problems))
    # Earlier versions drew six numbers per experiment here, for a quantity that is gone. They are
    # still drawn, so that all other quantities keep their simulated runs.
    rng.normal(size=(experiments, 6))
    estimates: dict[str, list[Estimate]] = {quantity: [] for quantity in QUANTITIES}
    at_once = max(1, AT_ONCE // (problems * samples))
    # The last chunk may be smaller than the others.
    for start in range(0, experiments, at_once):
        count = min(at_once, experiments - start)
        utility_PK, score_PK = population.draw(count * problems, samples, rng)
        for quantity, ratio in measured(utility_PK, score_PK, population):
            runs = _split(ratio, problems)
            estimates[quantity] += estimate_all(runs, counts_BP).values()
    rows = []
    for quantity, of_quantity in estimates.items():
        truth = truths[quantity]
        rows.append(_row(population, problems, samples, quantity, of_quantity, truth))
    return rows


def measured(
    utility_PK: Floats, score_PK: Floats, population: Population
) -> Iterator[tuple[str, Ratio]]:
    """Measure every quantity as a user's run would.

    Every number is computed problem by problem, so the problems of many runs go in at once.
    """
    mask_PK = np.ones(utility_PK.shape, bool)
    weight_PK = population.weight(score_PK, mask_PK)
    best_of = selection_curve(score_PK, utility_PK, mask_PK)
    passes = pass_at_k(utility_PK, mask_PK)
    yield "accuracy", accuracy(utility_PK, mask_PK)
    yield "accuracy kept", kept_accuracy(utility_PK, weight_PK, mask_PK)
    yield "gap_K", gap(utility_PK, weight_PK, mask_PK)
    yield "relative gap", relative_gap(utility_PK, weight_PK, mask_PK)
    yield f"best-of-{FEW}", best_of[FEW - 1]
    yield "best-of-K/2", best_of[utility_PK.shape[1] // 2 - 1]
    yield f"pass@{FEW}", passes[FEW - 1]
    yield "gap_inf", extrapolated_gap(score_PK, utility_PK, mask_PK, population.weight.at)


def _split(ratio: Ratio, problems: int) -> dict[int, Ratio]:
    """Split a ratio over the problems of many runs into one ratio for each run, by its number."""
    runs = {}
    for run in range(len(ratio.above_P) // problems):
        of_run = slice(run * problems, (run + 1) * problems)
        above_P = ratio.above_P[of_run]
        below_P = ratio.below_P[of_run]
        runs[run] = replace(ratio, above_P=above_P, below_P=below_P)
    return runs


def _row(
    population: Population,
    problems: int,
    samples: int,
    quantity: str,
    estimates: list[Estimate],
    truth: float,
) -> Row:
    """Compare the intervals of all experiments with the true value.

    An experiment without an interval counts as not covered.
    """
    # None becomes NaN, and every comparison with NaN is False.
    low_E = np.array([estimate.low for estimate in estimates], dtype=float)
    high_E = np.array([estimate.high for estimate in estimates], dtype=float)
    # One value for each experiment: its mean has the last digit that earlier data have.
    truth_E = np.full(len(estimates), truth)
    holds_E = (low_E <= truth_E) & (truth_E <= high_E)
    cautioned_E = [estimate.caution is not None for estimate in estimates]
    return Row(
        population.name,
        problems,
        samples,
        quantity,
        experiments=len(estimates),
        truth=float(truth_E.mean()),
        covered=float(holds_E.mean()),
        missed_low=float((truth_E < low_E).mean()),
        missed_high=float((truth_E > high_E).mean()),
        without_interval=float(np.isnan(low_E).mean()),
        cautioned=float(np.mean(cautioned_E)),
        half_width=float(np.nanmean(high_E - low_E) / 2),
    )


# --- the page ---


def finding(frame: pl.DataFrame) -> Finding:
    """Count the cells inside the band, and name the quantities that leave it."""
    experiments = frame["experiments"][0]
    lower, upper = BAND
    inside = pl.col("covered").is_between(lower, upper)
    by_quantity = frame.group_by("quantity", maintain_order=True).agg(
        pl.col("covered").min().alias("low"),
        pl.col("covered").max().alias("high"),
        inside.sum().alias("inside"),
        pl.len().alias("cells"),
    )
    ranges = []
    for quantity, low, high, cells_inside, cells in by_quantity.iter_rows():
        extremes = f"{100 * low:.1f} to {100 * high:.1f}%"
        ranges.append(f"{quantity} {extremes} ({cells_inside} of {cells})")
    below = listed(by_quantity.filter(pl.col("low") < lower)["quantity"])
    above = listed(by_quantity.filter(pl.col("high") > upper)["quantity"])
    # The half-width of a 95% interval of a share of 0.95.
    noise = 100 * 1.96 * (0.95 * 0.05 / experiments) ** 0.5
    all_inside = frame.filter(inside).height
    return Finding(
        "coverage",
        "How often nominal 95% intervals hold the truth",
        PAPER,
        f"{all_inside} of {frame.height} cells (population x problems x samples x quantity) lie"
        f" from {lower:.0%} to {upper:.0%}; lowest and highest by quantity, and the number of"
        f" cells inside: {'; '.join(ranges)}. {experiments:,} experiments a cell leave"
        f" {noise:.1f} points of noise.",
        f"Somewhere below the band: {below}; somewhere above it: {above}. An experiment without an"
        " interval counts as not covered. gap_inf is an extrapolation in K, with a bias of its own"
        " (docs/statistics.md).",
        frame,
        _figure(frame),
        as_markdown(frame),
    )


def _figure(frame: pl.DataFrame) -> Any:
    """Draw every cell by quantity, with one row of points for each number of problems."""
    shown = frame.with_columns((pl.col("covered") * 100).clip(CUT))
    sizes = sorted(frame["problems"].unique().to_list())
    lower, upper = BAND
    limits = alt.Data(values=[{"low": 100 * lower, "high": 100 * upper}])
    band = alt.Chart(limits).mark_rect(color="#ddd", opacity=0.6)
    band = band.encode(x="low:Q", x2="high:Q")
    title = f"intervals that hold the truth, %, cut at {CUT}"
    points = alt.Chart(shown).mark_point(filled=True, size=16, opacity=0.7)
    points = points.encode(
        x=alt.X("covered:Q", title=title, scale=alt.Scale(zero=False)),
        y=alt.Y("quantity:N", sort=None, title=None),
        yOffset=alt.YOffset("problems:N", sort=sizes),
        color=alt.Color("problems:N", sort=sizes, title="problems"),
    )
    layers = alt.layer(band, level(95, "x"), points)
    return layers.properties(width=COLUMN - 40, height=220)


def as_markdown(frame: pl.DataFrame) -> str:
    """Return one table for each quantity: populations down, sizes across.

    A cell outside the band is bold.
    """
    sizes = frame.select("problems", "samples").unique().sort("problems", "samples").rows()
    # Numbers are aligned to the right.
    rule = "|---|" + "---:|" * len(sizes)
    header = " | ".join(f"{problems} x {samples}" for problems, samples in sizes)
    lines: list[str] = []
    for quantity in frame["quantity"].unique(maintain_order=True):
        lines += [f"\n### {quantity}\n", f"| population | {header} |"]
        lines.append(rule)
        for name in frame["population"].unique(maintain_order=True):
            cells = [f"| {name}"]
            for problems, samples in sizes:
                row = frame.filter(
                    population=name, problems=problems, samples=samples, quantity=quantity
                )
                cells.append(_cell_text(row["covered"].item()))
            lines.append(" | ".join(cells) + " |")
    return "\n".join(lines).strip()


def _cell_text(covered: float) -> str:
    lower, upper = BAND
    text = f"{100 * covered:.1f}"
    if lower <= covered <= upper:
        return text
    return f"**{text}**"
