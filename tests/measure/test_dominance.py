"""First-order dominance: the test keeps its level where nothing dominates, and has power."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.dominance import Dominance, dominance, within_problem_PK
from strop.measure.intervals import resample_counts

COUNTS_BP = resample_counts(60, seed=0, resamples=400)
MASK_PK = np.ones((60, 16), bool)


def drawn(seed: int, shift: float = 0.0, stretch: float = 1.0) -> Dominance:
    """Right responses moved and stretched against wrong ones, on top of problems that differ."""
    rng = np.random.default_rng(seed)
    utility_PK = (rng.random((60, 16)) < rng.beta(2, 2, size=(60, 1))).astype(float)
    noise_PK = rng.normal(size=(60, 16))
    value_PK = rng.normal(scale=0.5, size=(60, 1)) + np.where(
        utility_PK == 1, shift + stretch * noise_PK, noise_PK
    )
    return dominance(value_PK, utility_PK, MASK_PK, COUNTS_BP)


def test_equal_distributions_are_seldom_told_apart() -> None:
    """The test rejects each direction wrongly at about its level.

    At most three standard errors above 5% of 200 times.
    """
    results = [drawn(seed) for seed in range(200)]
    for rejected in (
        np.mean([result.right_p <= 0.05 for result in results]),
        np.mean([result.wrong_p <= 0.05 for result in results]),
    ):  # type: ignore[operator]
        assert rejected <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_shift_dominates_and_a_stretch_does_not() -> None:
    assert {drawn(seed, shift=1.0).verdict for seed in range(10)} == {"right dominates"}
    assert {drawn(seed, shift=-1.0).verdict for seed in range(10)} == {"wrong dominates"}
    assert {drawn(seed, stretch=3.0).verdict for seed in range(10)} == {"neither dominates"}


def test_how_far_it_fails_is_the_distance_of_the_distribution_functions() -> None:
    value_PK = np.array([[1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 3.5, 4.5]])
    utility_PK = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    result = dominance(value_PK, utility_PK, np.ones((2, 4), bool), resample_counts(2, 0, 50))
    assert (result.right_fails, result.wrong_fails) == (0.0, 1.0)


@pytest.mark.parametrize("utility", [0.0, 1.0])
def test_without_both_kinds_it_is_unknown_with_a_reason(utility: float) -> None:
    result = dominance(np.zeros((60, 16)), np.full((60, 16), utility), MASK_PK, COUNTS_BP)
    assert (
        result.verdict == "unknown"
        and result.right_p is None
        and result.why == "no response is right, or none is wrong"
    )


def test_within_a_problem_values_are_centred_and_unknown_ones_stay_unknown() -> None:
    value_PK = np.array([[1.0, 3.0, np.nan, 9.0]])
    mask_PK = np.array([[True, True, True, False]])
    np.testing.assert_array_equal(
        within_problem_PK(value_PK, mask_PK), [[-1.0, 1.0, np.nan, np.nan]]
    )
