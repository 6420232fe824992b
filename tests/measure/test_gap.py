"""Estimators against the truth: identities, enumeration on tables, and plain loops."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.exact import exact_accuracy, exact_gap
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
from strop.measure.rates import auroc_pooled, auroc_within, false_positive_rate, true_positive_rate
from strop.measure.summary import Samples, Summary, Weighed, summarise
from strop.weigh import Weight, parse_weight


def summary(
    utility_PK: np.ndarray,
    mask_PK: np.ndarray,
    score_PK: np.ndarray,
    weight: Weight,
    counts_BP: np.ndarray,
) -> Summary:
    samples = Samples(utility_PK, utility_PK, mask_PK)
    return summarise(samples, {"one": Weighed(score_PK, weight(score_PK, mask_PK))}, counts_BP)[
        "one"
    ]


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
    """Per problem, gap = Cov(w, u) / E[w], with ties and ragged K; a problem without a survivor has weight 1 everywhere, so 0."""
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
    """The estimator's mean over every K-sample of a table, each with its probability, is the exact gap_K: to 1e-12."""
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
    """Why models are compared at equal K only."""
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


@given(utility_PK=utilities, score_PK=scores, mask_PK=masks)
def test_order_of_responses_and_problems_is_irrelevant(
    utility_PK: np.ndarray, score_PK: np.ndarray, mask_PK: np.ndarray
) -> None:
    rng = np.random.default_rng(0)
    problems, columns = rng.permutation(5), rng.permutation(7)
    weight = parse_weight("quantile:0.5")
    counts = np.ones((1, 5))
    one = summary(utility_PK, mask_PK, score_PK, weight, counts)
    moved = [array[problems][:, columns] for array in (utility_PK, mask_PK, score_PK)]
    other = summary(*moved, weight, counts)
    assert (one.no_room, one.no_survivor) == (other.no_room, other.no_survivor)
    for name, value in one.estimates.items():
        assert other.estimates[name].value == (
            pytest.approx(value.value, abs=1e-12) if value.value is not None else None
        ), name


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


def test_undefined_is_null_with_its_reason_never_zero() -> None:
    ones, mask, counts = np.ones((3, 4)), np.ones((3, 4), bool), resample_counts(3, 0)
    rising = np.tile(np.arange(4.0), (3, 1))
    all_right = summary(ones, mask, rising, parse_weight("quantile:0.7"), counts)
    assert all_right.no_room == 3
    for name in ("relative_gap", "auroc", "auroc_pooled", "fpr"):
        assert all_right.estimates[name].value is None and all_right.estimates[name].why, name
        assert all_right.estimates[name].as_json() == {
            "value": None,
            "why": all_right.estimates[name].why,
        }
    assert all_right.estimates["auroc"].why == "no problem has both right and wrong responses"
    assert (
        all_right.estimates["gap"].value == 0
        and all_right.estimates["relative_gap_with_zeros"].value == 0
    )
    all_wrong = summary(ones * 0, mask, rising, parse_weight("threshold:9"), counts)
    assert all_wrong.no_survivor == 3 and all_wrong.estimates["tpr"].value is None
    assert all_wrong.estimates["kept_share"].value == 0
    for name in ("gap", "relative_gap", "accuracy_kept"):
        assert (
            all_wrong.estimates[name].value is None
            and all_wrong.estimates[name].why == "no response to any problem was kept"
        )
    lone = summary(ones[:, :1], mask[:, :1], rising[:, :1], parse_weight("quantile:0.7"), counts)
    assert lone.estimates["gap"].value is None and "one response" in str(lone.estimates["gap"].why)


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
    assert np.isnan(auroc_within(weight_PK, utility_PK, mask_PK).above_P).sum() == 0


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
    """The derivative of the pooled AUROC in the weight of a problem, by finite differences on repeated problems."""
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
