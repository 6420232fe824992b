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
from strop.studies.frame.numbers import gaps, joint_counts, undefined_estimate

DEFINITION = "Spearman's rank correlation of gap and accuracy over models"
MIN_MODELS = 3


def rank_correlation(runs: Sequence[Run], verifier: str) -> Estimate:
    """Return the correlation over models of one task; the problems are resampled jointly."""
    value, draws_B = _correlation(runs, verifier, runs[0].counts_BP)
    if not np.isfinite(value):
        return undefined_estimate(DEFINITION, "fewer than three models that differ in both")
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
    # The columns of one task after another; at the end, start is the number of all problems.
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
        return undefined_estimate(definition, "no task has three models that differ in both")
    mean_draws_B = np.mean(draws, axis=0)
    return from_draws(float(np.mean(values)), mean_draws_B, start, definition)


def _correlation(runs: Sequence[Run], verifier: str, counts_BP: Floats) -> tuple[float, Floats]:
    """Return the correlation over models on the problems as they are, and on each resample."""
    if len(runs) < MIN_MODELS:
        return float("nan"), np.full(len(counts_BP), np.nan)
    # Row 0 counts every problem once: its correlation is the value itself.
    all_counts_BP = np.vstack([np.ones_like(counts_BP[:1]), counts_BP])
    accuracies = []
    gap_values = []
    for run in runs:
        ratios = gaps(run, verifier)
        accuracies.append(_resampled_B(ratios["accuracy"], all_counts_BP))
        gap_values.append(_resampled_B(ratios["gap"], all_counts_BP))
    accuracy_BM = np.stack(accuracies, axis=1)
    gap_BM = np.stack(gap_values, axis=1)
    value_B = spearman_rows_B(accuracy_BM, gap_BM)
    return float(value_B[0]), value_B[1:]


def _resampled_B(ratio: Ratio, counts_BP: Floats) -> Floats:
    """Return a ratio's value on each resample; NaN where nothing is known."""
    above_B = counts_BP @ ratio.above_P
    below_B = counts_BP @ ratio.below_P
    with np.errstate(invalid="ignore", divide="ignore"):
        value_B: Floats = above_B / below_B
    return value_B


def spearman_rows_B(first_BM: Floats, second_BM: Floats) -> Floats:
    """Return Spearman's correlation of each row; NaN where fewer than three models are known."""
    known_BM: Mask = np.isfinite(first_BM) & np.isfinite(second_BM)
    first_BM = _centred_ranks(first_BM, known_BM)
    second_BM = _centred_ranks(second_BM, known_BM)
    # Spearman's correlation is Pearson's of the ranks.
    covariance_B = (first_BM * second_BM).sum(axis=1)
    first_square_B = (first_BM**2).sum(axis=1)
    second_square_B = (second_BM**2).sum(axis=1)
    # A row of ties has no correlation: 0 / 0.
    with np.errstate(invalid="ignore", divide="ignore"):
        value_B = covariance_B / np.sqrt(first_square_B * second_square_B)
    has_enough_B = known_BM.sum(axis=1) >= MIN_MODELS
    result: Floats = np.where(has_enough_B, value_B, np.nan)
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
