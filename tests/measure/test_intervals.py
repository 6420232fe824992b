"""The bootstrap: what it resamples, and that its intervals cover the truth."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.exact import exact_gap
from strop.measure.gap import gap
from strop.measure.intervals import Ratio, estimate, resample_counts
from strop.weigh import parse_weight


def test_resamples_draw_every_problem_as_often_and_follow_the_seed() -> None:
    counts_BP = resample_counts(50, 3)
    assert counts_BP.shape == (2000, 50) and (counts_BP.sum(axis=1) == 50).all()
    assert (counts_BP == resample_counts(50, 3)).all() and (counts_BP != resample_counts(50, 4)).any()
    assert abs(counts_BP.mean(axis=0) - 1).max() < 5 / np.sqrt(2000)


def test_standard_error_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(size=400)
    result = estimate(Ratio(values, np.ones(400), "mean"), resample_counts(400, 0))
    assert result.low is not None and result.high is not None
    assert (result.high - result.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.08)


def test_a_resample_without_what_is_measured_does_not_become_a_zero() -> None:
    below = np.zeros(40)
    below[:20] = 1
    result = estimate(Ratio(below * 0.5, below, "x"), resample_counts(40, 0))
    assert (result.value, result.low, result.high, result.n) == (0.5, 0.5, 0.5, 20)


def test_intervals_of_gap_K_cover_the_truth() -> None:
    """600 simulated runs of 100 problems x 8 samples from known tables: a nominal 95% interval covers gap_K in 92 to 98 of 100.

    A short version of the coverage study; the band is five standard errors of 600 runs wide, and the seed was the first one tried.
    """
    rng = np.random.default_rng(20261121)
    weight, problems, samples, runs = parse_weight("quantile:0.7"), 100, 8, 600
    kinds = [np.array([p, 1 - p]) for p in (0.1, 0.5, 0.9)]
    utility, score = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    truths = [exact_gap(kind, utility, score, weight, samples) for kind in kinds]
    truth = float(np.mean(truths))
    covered = 0
    for run in range(runs):
        kind_P = rng.integers(3, size=problems)
        right_PK = rng.random((problems, samples)) < np.array([kind[0] for kind in kinds])[kind_P, None]
        mask_PK = np.ones_like(right_PK)
        ratio = gap(right_PK.astype(float), weight(right_PK.astype(float), mask_PK), mask_PK)
        result = estimate(ratio, resample_counts(problems, run, resamples=400))
        assert result.low is not None and result.high is not None
        covered += result.low <= truth <= result.high
    assert 0.92 <= covered / runs <= 0.98
