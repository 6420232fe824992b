"""Calibration: plain loops, and that debiasing takes away what perfect calibration would show."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.calibration import NOT_PROBABILITIES, calibration
from strop.measure.intervals import resample_counts


def test_curve_and_errors_agree_with_plain_loops() -> None:
    rng = np.random.default_rng(0)
    score, mask = rng.random((30, 6)), rng.random((30, 6)) < 0.8
    right = (rng.random((30, 6)) < score).astype(float)
    score[0, 0], mask[0, 0] = np.nan, True
    result = calibration(score, right, mask, resample_counts(30, 0, 100))
    known = mask & ~np.isnan(score)
    s, u = score[known], right[known]
    inside = [(s >= i / 10) & (s < (i + 1) / 10) for i in range(10)]
    expected = sum(abs(u[b].mean() - s[b].mean()) * b.mean() for b in inside if b.any())
    assert result.ece.value == pytest.approx(expected) and result.unscored == 1
    assert result.brier.value == pytest.approx(((s - u) ** 2).mean())
    assert [b.right.value for b in result.bins] == pytest.approx(
        [u[b].mean() for b in inside if b.any()]
    )
    assert sum(b.responses for b in result.bins) == known.sum()
    mass = calibration(score, right, mask, resample_counts(30, 0, 100), "mass")
    counts = [b.responses for b in mass.bins]
    assert len(counts) == 10 and max(counts) - min(counts) <= 2


def test_debiased_error_of_perfect_scores_is_near_zero_and_of_wrong_ones_near_the_truth() -> None:
    """Mean square over 200 worlds. Responses of a problem share their score: it is the unit."""
    rng = np.random.default_rng(1)
    for shift, truth in ((0.0, 0.0), (0.2, 0.2)):
        values, plain = [], []
        for _ in range(200):
            chance = 0.2 + 0.6 * rng.random((60, 1)).repeat(4, axis=1)
            right = (rng.random((60, 4)) < chance).astype(float)
            result = calibration(chance + shift, right, np.ones_like(right, bool), np.ones((2, 60)))
            values.append(result.error_debiased.value)
            plain.append(result.ece.value)
        assert np.mean(np.square(values)) == pytest.approx(truth**2, abs=0.006)
        assert np.mean(plain) > truth


def test_scores_that_are_no_probabilities_have_a_curve_by_level_and_no_error() -> None:
    score = np.tile([1.0, 5, 10], (4, 1))
    result = calibration(score, score > 4, np.ones((4, 3), bool), resample_counts(4, 0))
    assert [(b.score, b.right.value) for b in result.bins] == [(1, 0), (5, 1), (10, 1)]
    assert result.ece.value is None and result.ece.why == NOT_PROBABILITIES


def test_corners() -> None:
    nothing = calibration(
        np.full((2, 3), np.nan), np.ones((2, 3)), np.ones((2, 3), bool), resample_counts(2, 0)
    )
    assert nothing.bins == [] and nothing.ece.value is None and nothing.unscored == 6
    one = calibration(
        np.array([[0.7]]), np.ones((1, 1)), np.ones((1, 1), bool), resample_counts(1, 0)
    )
    assert (
        one.ece.value == pytest.approx(0.3)
        and one.ece.low is None
        and one.error_debiased.value is None
    )
