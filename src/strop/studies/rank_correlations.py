"""Spearman's rank correlation of gap and accuracy over models.

Shapes: P problems, M models, B resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strop.measure import Ratio
from strop.measure.gap import Mask
from strop.measure.intervals import Floats, from_draws
from strop.measure.ranks import midranks_PK
from strop.records import Estimate
from strop.run.run import Run
from strop.studies.frame.numbers import gaps, joint_counts

DEFINITION = "Spearman's rank correlation of gap and accuracy over models"
MIN_MODELS = 3


def rank_correlation(runs: Sequence[Run], verifier: str) -> Estimate:
    """Return the correlation over models of one task; the problems are resampled jointly."""
    value, draws_B = _correlation(runs, verifier, runs[0].counts_BP)
    if not np.isfinite(value):
        why = "fewer than three models that differ in both"
        return Estimate(None, None, None, 0.95, 0, DEFINITION, why)
    return from_draws(value, draws_B, runs[0].plan.problems, DEFINITION)


def mean_rank_correlation(runs_of_tasks: Sequence[Sequence[Run]], verifier: str) -> Estimate:
    """Return the mean correlation over tasks; the problems of each task are resampled alone.

    Args:
        runs_of_tasks: for each task, the runs of all models.
        verifier: the verifier whose gap is used.
    """
    counts_BP = joint_counts([runs[0] for runs in runs_of_tasks])
    values = []
    draws = []
    start = 0
    for runs in runs_of_tasks:
        stop = start + runs[0].counts_BP.shape[1]
        value, draws_B = _correlation(runs, verifier, counts_BP[:, start:stop])
        if np.isfinite(value):
            values.append(value)
            draws.append(draws_B)
        start = stop
    definition = f"{DEFINITION}, mean over tasks"
    if not values:
        why = "no task has three models that differ in both"
        return Estimate(None, None, None, 0.95, 0, definition, why)
    return from_draws(float(np.mean(values)), np.mean(draws, axis=0), start, definition)


def _correlation(runs: Sequence[Run], verifier: str, counts_BP: Floats) -> tuple[float, Floats]:
    """Return the correlation over models on the problems as they are, and on each resample."""
    if len(runs) < MIN_MODELS:
        return float("nan"), np.full(len(counts_BP), np.nan)
    # Row 0 counts every problem once: its correlation is the value itself.
    all_counts_BP = np.vstack([np.ones_like(counts_BP[:1]), counts_BP])
    ratios = [gaps(run, verifier) for run in runs]
    accuracy = [_resampled_B(of_run["accuracy"], all_counts_BP) for of_run in ratios]
    gap = [_resampled_B(of_run["gap"], all_counts_BP) for of_run in ratios]
    value_B = spearman_rows_B(np.stack(accuracy, axis=1), np.stack(gap, axis=1))
    return float(value_B[0]), value_B[1:]


def _resampled_B(ratio: Ratio, counts_BP: Floats) -> Floats:
    """Return a ratio's value on each resample; NaN where nothing is known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        value_B: Floats = (counts_BP @ ratio.above_P) / (counts_BP @ ratio.below_P)
    return value_B


def spearman_rows_B(first_BM: Floats, second_BM: Floats) -> Floats:
    """Return Spearman's correlation of each row; NaN where fewer than three models are known."""
    known_BM: Mask = np.isfinite(first_BM) & np.isfinite(second_BM)
    first_BM = _centred_ranks(first_BM, known_BM)
    second_BM = _centred_ranks(second_BM, known_BM)
    product_B = (first_BM * second_BM).sum(axis=1)
    squares_B = (first_BM**2).sum(axis=1) * (second_BM**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # a row of ties has no correlation
        value_B = product_B / np.sqrt(squares_B)
    result: Floats = np.where(known_BM.sum(axis=1) >= MIN_MODELS, value_B, np.nan)
    return result


def _centred_ranks(value_BM: Floats, known_BM: Mask) -> Floats:
    """Return the ranks within each row minus their mean, and 0 where a value is unknown."""
    # Rounding makes values equal that differ by floating-point noise only, so that they tie.
    rank_BM = midranks_PK(np.round(value_BM, 12), known_BM)
    known_ranks_BM = np.where(known_BM, rank_BM, 0)
    count_B1 = np.maximum(known_BM.sum(axis=1, keepdims=True), 1)
    mean_B1 = known_ranks_BM.sum(axis=1, keepdims=True) / count_B1
    centred: Floats = np.where(known_BM, rank_BM - mean_B1, 0.0)
    return centred
