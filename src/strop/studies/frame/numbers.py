"""The numbers of a run that studies read, and their form in tables and sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import polars as pl

from strop.errors import UsageError
from strop.measure import Ratio, accuracy, estimate_all, fill_grid, gap, kept_accuracy, relative_gap
from strop.measure.gap import accuracy_P, has_survivor_P
from strop.measure.intervals import Floats, undefined
from strop.measure.replicates import mean_of_cells
from strop.measure.summary import nothing_to_filter
from strop.records import Estimate
from strop.run.evidence import Evidence
from strop.run.run import Run
from strop.weigh import Product, parse_weight

FULL = ("ladder/25k", "ladder/40k", "ladder/70k", "ladder/125k", "ladder/250k", "ladder/400k")
LEAN = ("ladder/lean-125k", "ladder/lean-250k")
THREE_SIZES = ("ladder/40k", "ladder/125k", "ladder/250k")
FOUR_SIZES = (*THREE_SIZES, "ladder/400k")
CHECKED = ("arithmetic", "signs", "sudoku4")
"""The embedded tasks whose answers can be checked step by step; a fact of ``recall`` cannot."""
ALPHA = 0.05
"""The level of tests."""

Item = TypeVar("Item")


# --- numbers of a run ---


def weights_of(evidence: Evidence, verifier: str, weigh: str | None = None) -> Floats:
    """Return a verifier's weights (P, K), under its default weight unless one is named."""
    if weigh is None:
        return evidence.weights[verifier]
    # A product of one weight: evidence weighs by products only.
    product = Product(((verifier, parse_weight(weigh)),))
    return evidence.weigh(product)


def gaps(run: Run, verifier: str, weigh: str | None = None) -> dict[str, Ratio]:
    """Return accuracy, accuracy kept, gap and relative gap of a run under one verifier."""
    return gaps_of(run, weights_of(run.evidence, verifier, weigh))


def gaps_of(run: Run, weight_PK: Floats) -> dict[str, Ratio]:
    """Return the same numbers under any weights.

    If nothing is filtered, only the accuracy is defined.
    """
    samples = run.evidence.samples
    utility_PK, mask_PK = samples.utility_PK, samples.mask_PK
    filtered = {
        "accuracy_kept": kept_accuracy(utility_PK, weight_PK, mask_PK),
        "gap": gap(utility_PK, weight_PK, mask_PK),
        "relative_gap": relative_gap(utility_PK, weight_PK, mask_PK),
    }
    why = nothing_to_filter(samples, weight_PK)
    if why:
        for name, ratio in filtered.items():
            filtered[name] = undefined(len(weight_PK), ratio.definition, why)
    return {"accuracy": accuracy(utility_PK, mask_PK), **filtered}


def counts(run: Run, verifier: str, weigh: str | None = None) -> dict[str, int]:
    """Count what was set by convention.

    These are the verifications that could not be parsed, the problems without a kept response, and
    the problems without room for a gap.
    """
    samples = run.evidence.samples
    weight_PK = weights_of(run.evidence, verifier, weigh)
    parsed = run.scores[verifier]["parsed"]
    survives_P = has_survivor_P(weight_PK, samples.mask_PK)
    # The mean of K ones may differ from 1 by rounding.
    no_room_P = accuracy_P(samples.utility_PK, samples.mask_PK) > 1 - 1e-12
    return {
        "unparsed": int((~parsed).sum()),
        "no_survivor": int((~survives_P).sum()),
        "no_room": int(no_room_P.sum()),
    }


def scores_PKM(run: Run, stage: str) -> Floats:
    """Return the scores of every verification draw, (P, K, M)."""
    problems = run.problems["problem"]
    row_of = {problem: row for row, problem in enumerate(problems)}
    # Sorted first, so that the groups come in the order of the draws.
    scores = run.scores[stage].sort("draw")
    grids = []
    for _, of_draw in scores.group_by("draw", maintain_order=True):
        rows = of_draw["problem"].replace_strict(row_of, return_dtype=pl.Int64)
        columns = of_draw["sample"].to_numpy()
        values = of_draw["score"].to_numpy()
        grids.append(fill_grid(rows.to_numpy(), columns, values, len(row_of)))
    return np.stack(grids, axis=2)


def estimates(run: Run, ratios: Mapping[Any, Ratio]) -> dict[Any, Estimate]:
    """Return the ratios with intervals from the run's own resamples."""
    return estimate_all(ratios, run.counts_BP, group_P=run.evidence.group_P)


def joint_counts(runs: Sequence[Run]) -> Floats:
    """Return resamples of the problems of several tasks side by side, (B, P of all tasks).

    The tasks are independent, so each gets the resamples in another order.
    """
    check_equal_samples(runs)
    shuffled = []
    for seed, run in enumerate(runs):
        # Fixed seeds: the same runs give the same intervals.
        rng = np.random.default_rng(seed)
        shuffled.append(rng.permutation(run.counts_BP))
    return np.hstack(shuffled)


def check_equal_samples(runs: Sequence[Run]) -> None:
    """Raise UsageError unless all runs have one number of samples K."""
    sizes = sorted({run.plan.samples for run in runs})
    if len(sizes) > 1:
        raise UsageError(
            f"the runs have {', '.join(map(str, sizes))} samples; gaps can be compared at equal K"
            " only: give all runs the same number of samples"
        )


def mean_over_tasks(ratios: Sequence[Ratio], what: str) -> Ratio:
    """Return the mean of one number over tasks; the number itself if there is one task."""
    if len(ratios) == 1:
        return ratios[0]
    known = np.isfinite([ratio.value for ratio in ratios])
    return mean_of_cells(ratios, f"{what}, mean over {known.sum()} tasks")


def undefined_estimate(definition: str, why: str | None) -> Estimate:
    """Return an estimate without a value, with the reason why there is none."""
    return Estimate(None, None, None, 0.95, 0, definition, why)


# --- numbers in tables and sentences ---


def estimate_columns(estimate: Estimate) -> dict[str, Any]:
    """Return the columns of an estimate in a finding's data."""
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "why": estimate.why or estimate.caution,
    }


def points(estimate: Estimate) -> str:
    """Write a difference in percentage points: ``+3.2 [1.0, 5.4]``."""
    return format_estimate(estimate, 100, "+.1f", ".1f")


def per_cent(estimate: Estimate) -> str:
    """Write a share in per cent: ``43.2 [41.0, 45.4]``."""
    return format_estimate(estimate, 100, ".1f", ".1f")


def share(estimate: Estimate) -> str:
    """Write a number as it is: ``0.43 [0.41, 0.45]``."""
    return format_estimate(estimate, 1, ".2f", ".2f")


def format_estimate(estimate: Estimate, times: float, first: str, ends: str) -> str:
    """Write a value, ``times`` a factor, with its interval.

    ``first`` is the format of the value and ``ends`` that of the interval. The text is a dash if
    the value is undefined, and has no brackets if there is no interval.
    """
    if estimate.value is None:
        return "–"
    # A sum that should be zero may be -1e-17: rounding and adding 0.0 make it a positive zero.
    text = format(round(times * estimate.value, 6) + 0.0, first)
    if estimate.low is None or estimate.high is None:
        return text
    low = format(times * estimate.low + 0.0, ends)
    high = format(times * estimate.high + 0.0, ends)
    return f"{text} [{low}, {high}]"


def count_signs(estimates: Iterable[Estimate]) -> str:
    """Count the intervals above and below zero, beside the number expected by chance alone."""
    signs = [estimate.interval_sign for estimate in estimates]
    # A 95% interval lies above a true zero in 2.5% of all cases, and below it in as many.
    by_chance = f"about {0.025 * len(signs):.1f} of each would by chance if there were nothing"
    return (
        f"{signs.count(1)} of {len(signs)} intervals lie above zero,"
        f" {signs.count(-1)} below ({by_chance})"
    )


def second_or_only(items: Sequence[Item]) -> Item:
    """Return the second item: the default model or temperature of a study that shows one."""
    return items[min(1, len(items) - 1)]


def short_name(model: str) -> str:
    """Return a model's name for figures: without ``ladder/``, or without the folders above it."""
    if model.startswith("ladder/"):
        return model.removeprefix("ladder/")
    last_part = model.rstrip("/").split("/")[-1]
    # What follows a question mark are options of the engine.
    return last_part.partition("?")[0]
