"""AUROC and rates against plain loops over pairs of responses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.intervals import estimate
from strop.measure.rates import auroc_pooled, auroc_within, false_positive_rate, true_positive_rate
from strop.weigh import parse_weight

utilities = arrays(np.float64, (5, 7), elements=st.sampled_from([0.0, 1.0]))


scores = arrays(np.float64, (5, 7), elements=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))


masks = arrays(np.bool_, (5, 7)).map(lambda mask: mask | (np.arange(7) == 0))


@given(utility_PK=utilities, score_PK=scores, mask_PK=masks)
def test_auroc_and_rates_agree_with_pairs(
    utility_PK: np.ndarray, score_PK: np.ndarray, mask_PK: np.ndarray
) -> None:
    right, wrong = score_PK[mask_PK & (utility_PK == 1)], score_PK[mask_PK & (utility_PK == 0)]
    pooled = estimate(auroc_pooled(score_PK, utility_PK, mask_PK), np.ones((3, 5)))
    if len(right) and len(wrong):
        wins = np.mean([(r > w) + 0.5 * (r == w) for r in right for w in wrong])
        assert pooled.value == pytest.approx(wins)
    else:
        assert pooled.value is None and pooled.why
    kept_PK = parse_weight("threshold:0.5")(score_PK, mask_PK)
    for ratio, chosen in (
        (true_positive_rate(kept_PK, utility_PK, mask_PK), right),
        (false_positive_rate(kept_PK, utility_PK, mask_PK), wrong),
    ):
        assert estimate(ratio, np.ones((1, 5))).value == (
            pytest.approx(np.mean(chosen >= 0.5)) if len(chosen) else None
        )


@given(utility_PK=utilities, score_PK=scores, mask_PK=masks, missing=arrays(np.bool_, (5, 7)))
def test_auroc_within_agrees_with_pairs(
    utility_PK: np.ndarray, score_PK: np.ndarray, mask_PK: np.ndarray, missing: np.ndarray
) -> None:
    score_PK = np.where(missing, np.nan, score_PK)
    areas = []
    for u, s, mask in zip(utility_PK, score_PK, mask_PK & ~missing, strict=True):
        pairs = [(r > w) + 0.5 * (r == w) for r in s[mask & (u == 1)] for w in s[mask & (u == 0)]]
        areas += [np.mean(pairs)] if pairs else []
    ratio = auroc_within(score_PK, utility_PK, mask_PK)
    assert ratio.below_P.sum() == len(areas)
    if areas:
        assert ratio.value == pytest.approx(np.mean(areas))


def test_pooled_auroc_moves_with_each_problem_as_its_influence_says() -> None:
    """The influence is the derivative in the weight of a problem, by finite differences."""
    rng = np.random.default_rng(0)
    utility_PK, score_PK, mask_PK = (
        rng.integers(0, 2, (6, 5)) * 1.0,
        rng.integers(0, 4, (6, 5)) * 1.0,
        np.ones((6, 5), bool),
    )
    copies = 2_000
    plain = np.repeat(np.arange(6), copies)
    ratio = auroc_pooled(score_PK, utility_PK, mask_PK)
    for problem in range(6):
        more = np.append(plain, problem)
        moved = auroc_pooled(score_PK[more], utility_PK[more], mask_PK[more]).value - ratio.value
        assert moved * copies * 6 == pytest.approx(ratio.influence_P[problem], rel=0.01, abs=1e-3)
