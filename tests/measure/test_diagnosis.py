"""The three conditions: identities and expectations."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.diagnosis import improvable, informative, update_error
from strop.measure.gap import gap
from strop.measure.intervals import Ratio


def test_variance_is_unbiased_for_finite_K_and_one_response_says_nothing() -> None:
    right = (np.random.default_rng(0).random((40_000, 3)) < 0.3).astype(float)
    assert improvable(right, np.ones_like(right, bool))["utility_variance"].value == pytest.approx(
        0.21, abs=0.003
    )
    assert np.isnan(improvable(np.ones((4, 1)), np.ones((4, 1), bool))["utility_variance"].value)


def test_share_improvable_with_ragged_rows() -> None:
    utility, mask = (
        np.array([[1.0, 0, 1], [1, 1, 0], [0, 0, 1]]),
        np.array([[1, 1, 1], [1, 1, 0], [1, 1, 0]], bool),
    )
    assert improvable(utility, mask)["improvable"].value == pytest.approx(1 / 3)


def test_gap_is_covariance_over_mean_weight_without_survivors_too() -> None:
    rng = np.random.default_rng(1)
    utility, weight, mask = rng.random((9, 5)), rng.random((9, 5)), rng.random((9, 5)) < 0.7
    mask[:, 0], weight[2] = True, 0
    ratios = informative(utility, weight, mask)
    assert ratios["covariance"].above_P / ratios["mean_weight"].above_P == pytest.approx(
        gap(utility, weight, mask).above_P, abs=1e-12
    )


def test_update_is_paired() -> None:
    kept, after = (
        Ratio(np.array([0.5, 0.9]), np.ones(2), "k"),
        Ratio(np.array([0.4, 0.8]), np.ones(2), "a"),
    )
    result = update_error(kept, after)["eps_update"]
    assert result.value == pytest.approx(0.1) and np.ptp(result.above_P) < 1e-12
