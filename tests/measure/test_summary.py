"""All numbers of a verifier under a weight: order is irrelevant, and undefined is never zero."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.intervals import resample_counts
from strop.measure.summary import Samples, Summary, Weighed, summarise
from strop.weigh import Weight, parse_weight

utilities = arrays(np.float64, (5, 7), elements=st.sampled_from([0.0, 1.0]))


scores = arrays(np.float64, (5, 7), elements=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))


masks = arrays(np.bool_, (5, 7)).map(lambda mask: mask | (np.arange(7) == 0))


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
