"""Estimators against the truth: identities, enumeration on tables, and plain loops."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.gap import (
    accuracy,
    accuracy_P,
    gap,
    has_survivor_P,
    kept_accuracy,
    kept_accuracy_P,
    kept_share,
    relative_gap,
)
from strop.measure.intervals import Ratio, estimate, resample_counts
from strop.weigh import Weight, parse_weight
from tests.measure.enumeration import exact_accuracy, exact_gap

both_weights = pytest.mark.parametrize(
    "weight",
    [parse_weight("quantile:0.7"), parse_weight("threshold:0.5")],
    ids=["quantile", "threshold"],
)
utilities = arrays(np.float64, (5, 7), elements=st.sampled_from([0.0, 1.0]))
scores = arrays(np.float64, (5, 7), elements=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
masks = arrays(np.bool_, (5, 7)).map(lambda mask: mask | (np.arange(7) == 0))


@both_weights
@given(utility_PK=utilities, score_PK=scores, mask_PK=masks)
def test_gap_is_covariance_over_mean_weight(
    weight: Weight, utility_PK: np.ndarray, score_PK: np.ndarray, mask_PK: np.ndarray
) -> None:
    """Per problem, gap = Cov(w, u) / E[w], with ties and ragged K.

    A problem without a survivor has weight 1 everywhere, and so a gap of 0.
    """
    weight_PK = weight(score_PK, mask_PK)
    per_problem = gap(utility_PK, weight_PK, mask_PK).above_P
    for u, w, mask, value in zip(utility_PK, weight_PK, mask_PK, per_problem, strict=True):
        u, w = u[mask], w[mask]
        w = w if w.any() else np.ones_like(w)
        assert value == pytest.approx((np.mean(w * u) - w.mean() * u.mean()) / w.mean(), abs=1e-12)


TABLES = [
    ([0.5, 0.3, 0.2], [1, 0, 1], [0.9, 0.9, 0.1]),
    ([0.25, 0.25, 0.25, 0.25], [0, 0, 1, 0], [0.2, 0.5, 0.5, 0.7]),
    ([0.9, 0.1], [0, 1], [0.0, 1.0]),
    ([0.6, 0.4], [1, 0], [0.1, 0.2]),
]


@both_weights
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("samples", [1, 2, 3, 5])
def test_expectation_by_enumeration_is_gap_K(
    weight: Weight, table: tuple[list[float], list[int], list[float]], samples: int
) -> None:
    """The mean over every K-sample of a table, each with its probability, is the exact gap_K."""
    probability, utility, score = (np.array(column, float) for column in table)
    draws_CK = np.array(list(product(range(len(probability)), repeat=samples)))
    mask_CK = np.ones(draws_CK.shape, bool)
    weight_CK = weight(score[draws_CK], mask_CK)
    estimates_C = gap(utility[draws_CK], weight_CK, mask_CK).above_P
    expectation = float(np.prod(probability[draws_CK], axis=1) @ estimates_C)
    assert expectation == pytest.approx(
        exact_gap(probability, utility, score, weight, samples), abs=1e-12
    )
    accuracy_C = accuracy_P(utility[draws_CK], mask_CK)
    assert float(np.prod(probability[draws_CK], axis=1) @ accuracy_C) == pytest.approx(
        exact_accuracy(probability, utility), abs=1e-12
    )


def test_gap_K_depends_on_K() -> None:
    """The gap changes with K, so models are compared at equal K only."""
    probability, utility, score = (
        np.full(4, 0.25),
        np.array([0.0, 0, 0, 1]),
        np.array([0.1, 0.2, 0.3, 0.4]),
    )
    values = [
        exact_gap(probability, utility, score, parse_weight("quantile:0.7"), samples)
        for samples in (1, 2, 3, 8)
    ]
    assert values[0] == 0 and len(set(values)) == 4


@given(utility_PK=utilities, score_PK=scores, mask_PK=masks)
def test_everything_agrees_with_plain_loops(
    utility_PK: np.ndarray, score_PK: np.ndarray, mask_PK: np.ndarray
) -> None:
    weight_PK = parse_weight("threshold:0.5")(score_PK, mask_PK)
    before, kept, relative, room = [], [], [], []
    for u, w, mask in zip(utility_PK, weight_PK, mask_PK, strict=True):
        inside = [i for i in range(7) if mask[i]]
        survivors = [i for i in inside if w[i] > 0] or inside
        before.append(sum(u[i] for i in inside) / len(inside))
        kept.append(sum(u[i] for i in survivors) / len(survivors))
        if before[-1] < 1:
            relative.append((kept[-1] - before[-1]) / (1 - before[-1]))
            room.append(1)

    def value(ratio: Ratio) -> float | None:
        return estimate(ratio, np.ones((1, 5))).value

    assert value(accuracy(utility_PK, mask_PK)) == pytest.approx(np.mean(before))
    assert value(kept_accuracy(utility_PK, weight_PK, mask_PK)) == pytest.approx(np.mean(kept))
    assert value(gap(utility_PK, weight_PK, mask_PK)) == pytest.approx(
        np.mean(kept) - np.mean(before), abs=1e-12
    )
    assert value(relative_gap(utility_PK, weight_PK, mask_PK, zeros=True)) == pytest.approx(
        sum(relative) / 5, abs=1e-12
    )
    expected = pytest.approx(np.mean(relative), abs=1e-12) if relative else None
    assert value(relative_gap(utility_PK, weight_PK, mask_PK)) == expected


def test_one_problem_has_a_value_and_no_interval() -> None:
    one = estimate(Ratio(np.array([0.5]), np.array([1.0]), "x"), resample_counts(1, 0))
    assert (
        (one.value, one.low, one.high) == (0.5, None, None)
        and one.why
        and f"{one:.1%}" == "50.0% [–]"
    )


def test_wrong_shapes_are_printed() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(2, 4\)"):
        accuracy(np.zeros((2, 3)), np.ones((2, 4), bool))
    with pytest.raises(ValueError, match=r"\(3,\)"):
        estimate(Ratio(np.zeros(3), np.ones(3), "x"), np.ones((10, 4)))


def test_ragged_rows_are_masked_never_padded_with_zeros() -> None:
    utility_PK, mask_PK = (
        np.array([[1.0, 0, 0], [1, 1, 0]]),
        np.array([[True, False, False], [True, True, True]]),
    )
    weight_PK = mask_PK.astype(float)
    assert accuracy_P(utility_PK, mask_PK) == pytest.approx([1, 2 / 3])
    assert kept_accuracy_P(utility_PK, weight_PK, mask_PK) == pytest.approx([1, 2 / 3])
    assert has_survivor_P(weight_PK, mask_PK).all() and kept_share(
        weight_PK, mask_PK
    ).above_P == pytest.approx([1, 1])
