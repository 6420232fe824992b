"""Best-of-N in closed form against every subset: ties, missing scores, unknown values, ragged K."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.gap import accuracy_P, kept_accuracy_P
from strop.measure.intervals import estimate, resample_counts
from strop.measure.selection import (
    best_of_chances,
    likelihood_curve,
    selection_curve,
    selection_curve_PN,
)

SHAPE = (4, 6)
scores = arrays(
    np.float64, SHAPE, elements=st.sampled_from([np.nan, -np.inf, -1.5, 0.0, 0.5, 1.0, np.inf])
)
values = arrays(np.float64, SHAPE, elements=st.floats(-30, 1, width=16))
masks = arrays(np.bool_, SHAPE).map(lambda mask: mask | (np.arange(SHAPE[1]) == 0))


def by_subsets(score: np.ndarray, value: np.ndarray, n: int) -> float:
    """Return the mean value of the best of each n-subset that holds a scored response.

    Where no response is scored, all are.
    """
    if not (score > -np.inf).any():
        score = np.zeros(len(score))
    shares = np.zeros(len(score))
    for subset in combinations(range(len(score)), n):
        scored = [i for i in subset if score[i] > -np.inf]
        best = [i for i in scored if score[i] == max(score[j] for j in scored)]
        shares[best] += 1 / max(len(best), 1)
    known = np.isfinite(value) & (shares > 0)
    return float(shares[known] @ value[known] / shares[known].sum()) if known.any() else np.nan


def best_of_weight(score: np.ndarray, n: int) -> np.ndarray:
    """[C(K - A, n) - C(K - A - g, n)] / (g C(K, n)) for A better and g tied; unscored ones 0."""
    better, tied = (
        (score[None, :] > score[:, None]).sum(axis=1),
        (score[None, :] == score[:, None]).sum(axis=1),
    )
    weights = [
        float(
            Fraction(comb(len(score) - a, n) - comb(len(score) - a - g, n), g * comb(len(score), n))
        )
        if g and s > -np.inf
        else 0.0
        for s, a, g in zip(score, better.tolist(), tied.tolist(), strict=True)
    ]
    return np.array(weights)


@pytest.mark.parametrize("count", [1, 2, 7, 1024])
def test_chances_are_binomial_ratios(count: int) -> None:
    chance = best_of_chances(count)
    for n in {1, 2, 3, count // 3, count // 2, count - 1, count} & set(range(1, count + 1)):
        exact = [float(Fraction(comb(count - 1 - r, n - 1), comb(count, n))) for r in range(count)]
        np.testing.assert_allclose(chance[n - 1], exact, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(chance.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(best_of_chances(count, 1), chance[:1])


@given(score_PK=scores, value_PK=values, mask_PK=masks)
def test_curve_is_the_mean_over_all_subsets(
    score_PK: np.ndarray, value_PK: np.ndarray, mask_PK: np.ndarray
) -> None:
    curve_PN = selection_curve_PN(score_PK, value_PK, mask_PK)
    assert curve_PN.shape == (SHAPE[0], mask_PK.sum(axis=1).min())
    for p, mask in enumerate(mask_PK):
        for n in range(1, curve_PN.shape[1] + 1):
            assert curve_PN[p, n - 1] == pytest.approx(
                by_subsets(score_PK[p, mask], value_PK[p, mask], n), abs=1e-12
            )


@given(score_PK=scores, value_PK=values, mask_PK=masks)
def test_curve_is_kept_accuracy_under_best_of_n(
    score_PK: np.ndarray, value_PK: np.ndarray, mask_PK: np.ndarray
) -> None:
    curve_PN = selection_curve_PN(score_PK, value_PK, mask_PK)
    for n in range(1, curve_PN.shape[1] + 1):
        weight_PK = np.zeros(SHAPE)
        for p, mask in enumerate(mask_PK):
            weight_PK[p, mask] = best_of_weight(score_PK[p, mask], n)
        np.testing.assert_allclose(
            curve_PN[:, n - 1], kept_accuracy_P(value_PK, weight_PK, mask_PK), atol=1e-12
        )


@given(score_PK=scores, value_PK=values, mask_PK=masks, unknown_PK=arrays(np.bool_, SHAPE))
def test_unknown_values_are_left_out_of_the_mean_not_of_the_choice(
    score_PK: np.ndarray, value_PK: np.ndarray, mask_PK: np.ndarray, unknown_PK: np.ndarray
) -> None:
    value_PK = np.where(unknown_PK, np.nan, value_PK)
    curve_PN = selection_curve_PN(score_PK, value_PK, mask_PK)
    for n, ratio in enumerate(selection_curve(score_PK, value_PK, mask_PK), start=1):
        expected_P = np.array(
            [by_subsets(score_PK[p, mask], value_PK[p, mask], n) for p, mask in enumerate(mask_PK)]
        )
        np.testing.assert_allclose(curve_PN[:, n - 1], expected_P, atol=1e-12)
        known_P = np.isfinite(expected_P)
        assert ratio.below_P.tolist() == known_P.tolist()
        value = estimate(ratio, np.ones((1, SHAPE[0]))).value
        assert value == (
            pytest.approx(expected_P[known_P].mean(), abs=1e-12) if known_P.any() else None
        )


@given(score_PK=scores, value_PK=values, mask_PK=masks, seed=st.integers(0, 99))
def test_order_and_rising_transforms_are_irrelevant(
    score_PK: np.ndarray, value_PK: np.ndarray, mask_PK: np.ndarray, seed: int
) -> None:
    curve_PN = selection_curve_PN(score_PK, value_PK, mask_PK)
    columns = np.random.default_rng(seed).permutation(SHAPE[1])
    risen_PK = np.where(score_PK > -np.inf, np.arctan(score_PK), np.nan)
    moved_PN = selection_curve_PN(risen_PK[:, columns], value_PK[:, columns], mask_PK[:, columns])
    np.testing.assert_allclose(moved_PN, curve_PN, atol=1e-12)


def test_corners() -> None:
    mask, right = np.ones((3, 4), bool), np.tile([0.0, 0, 1, 1], (3, 1))
    rising, nothing = np.tile(np.arange(4.0), (3, 1)), np.full((3, 4), np.nan)
    np.testing.assert_allclose(selection_curve_PN(nothing, right, mask), 0.5)
    np.testing.assert_allclose(selection_curve_PN(rising * 0, right, mask), 0.5)
    np.testing.assert_array_equal(selection_curve_PN(rising, right, mask)[:, -1], 1)
    assert (selection_curve_PN(rising, right * 0, mask) == 0).all() and (
        selection_curve_PN(rising, right * 0 + 1, mask) == 1
    ).all()
    np.testing.assert_allclose(
        selection_curve_PN(rising, right, mask)[:, 0], accuracy_P(right, mask)
    )
    np.testing.assert_array_equal(
        selection_curve_PN(rising[:1, :1], right[:1, 2:3], mask[:1, :1]), [[1.0]]
    )
    with pytest.raises(ValueError, match="1 of 3 problems without any response"):
        selection_curve_PN(rising, right, mask & (np.arange(3) > 0)[:, None])
    with pytest.raises(ValueError, match="shapes"):
        selection_curve_PN(rising, right[:, :2], mask)


def test_nothing_known_is_null_with_its_reason() -> None:
    """Every response truncated: no log-probability, no score, and no likelihood."""
    nothing, mask = np.full((3, 2), np.nan), np.ones((3, 2), bool)
    for ratio in likelihood_curve(nothing, nothing, mask):
        result = estimate(ratio, resample_counts(3, 0))
        assert result.value is None and result.why and "log-likelihood" in result.definition


def test_likelihood_of_the_likeliest_rises_with_n() -> None:
    logprob = np.random.default_rng(0).normal(-20, 5, (5, 9))
    values = [
        estimate(ratio, np.ones((1, 5))).value
        for ratio in likelihood_curve(logprob, logprob, np.ones((5, 9), bool))
    ]
    assert values == sorted(values) and values[-1] == pytest.approx(logprob.max(axis=1).mean())
