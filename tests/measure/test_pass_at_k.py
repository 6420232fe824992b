"""pass@k against every subset, and against exact fractions at K = 1024."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.gap import accuracy_P
from strop.measure.intervals import estimate
from strop.measure.pass_at_k import coverage, pass_at_k, pass_at_k_PN
from strop.measure.selection import selection_curve_PN

SHAPE = (4, 6)
utilities = arrays(np.float64, SHAPE, elements=st.sampled_from([0.0, 0.5, 0.6, 1.0]))
masks = arrays(np.bool_, SHAPE).map(lambda mask: mask | (np.arange(SHAPE[1]) == 0))


@given(utility_PK=utilities, mask_PK=masks)
def test_all_subsets(utility_PK: np.ndarray, mask_PK: np.ndarray) -> None:
    chance_PN = pass_at_k_PN(utility_PK, mask_PK)
    assert chance_PN.shape[1] == mask_PK.sum(axis=1).min()
    for k, ratio in enumerate(pass_at_k(utility_PK, mask_PK), start=1):
        expected = [
            np.mean([max(s) > 0.5 for s in combinations(u[mask], k)])
            for u, mask in zip(utility_PK, mask_PK, strict=True)
        ]
        np.testing.assert_allclose(chance_PN[:, k - 1], expected, atol=1e-12)
        assert estimate(ratio, np.ones((1, 4))).value == pytest.approx(np.mean(expected))
    assert (np.diff(chance_PN, axis=1) >= 0).all()
    assert estimate(coverage(utility_PK, mask_PK), np.ones((1, 4))).value == np.mean(
        ((utility_PK > 0.5) & mask_PK).any(axis=1)
    )


@given(utility_PK=utilities, mask_PK=masks)
def test_it_is_selection_by_the_truth(utility_PK: np.ndarray, mask_PK: np.ndarray) -> None:
    """Selection by the utility itself is right as soon as one response is: the skyline."""
    right_PK = (utility_PK > 0.5).astype(float)
    np.testing.assert_allclose(
        pass_at_k_PN(utility_PK, mask_PK),
        selection_curve_PN(right_PK, right_PK, mask_PK),
        atol=1e-12,
    )
    np.testing.assert_allclose(
        pass_at_k_PN(utility_PK, mask_PK)[:, 0], accuracy_P(right_PK, mask_PK), atol=1e-12
    )


def test_stable_at_1024() -> None:
    hits = np.array([0, 1, 2, 10, 512, 1023, 1024])
    utility_PK = (np.arange(1024)[None, :] < hits[:, None]).astype(float)
    chance_PN = pass_at_k_PN(utility_PK, np.ones(utility_PK.shape, bool))
    for k in (1, 2, 100, 512, 1000, 1024):
        exact = [float(1 - Fraction(comb(1024 - c, k), comb(1024, k))) for c in hits.tolist()]
        np.testing.assert_allclose(chance_PN[:, k - 1], exact, atol=1e-12)


def test_corners() -> None:
    mask = np.ones((2, 3), bool)
    assert (pass_at_k_PN(np.ones((2, 3)), mask) == 1).all() and (
        pass_at_k_PN(np.zeros((2, 3)), mask) == 0
    ).all()
    np.testing.assert_array_equal(pass_at_k_PN(np.ones((1, 1)), mask[:1, :1]), [[1.0]])
    with pytest.raises(ValueError, match="without any response"):
        pass_at_k_PN(np.ones((2, 3)), ~mask)
