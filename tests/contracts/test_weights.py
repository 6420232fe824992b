"""What every weight promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.errors import UsageError
from strop.weigh import WEIGHTS, Weight, parse_weight
from strop.weigh.base import Floats

every_weight = pytest.mark.parametrize("weight", [parse_weight(spec) for spec in ("quantile:0.7", "quantile:0", "threshold:0.5")], ids=str)

# Few distinct values, so that ties are common.
scores = arrays(np.float64, (4, 6), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
masks = arrays(np.bool_, (4, 6)).map(lambda mask: mask | (np.arange(6) == 0))


def test_every_kind_is_covered() -> None:
    assert set(WEIGHTS) == {"quantile", "threshold"}


@every_weight
@given(score_PK=scores, mask_PK=masks)
def test_finite_not_negative_shape_and_ties_kept(weight: Weight, score_PK: Floats, mask_PK: np.ndarray) -> None:
    weight_PK = weight(score_PK, mask_PK)
    assert weight_PK.shape == score_PK.shape and np.isfinite(weight_PK).all() and (weight_PK >= 0).all()
    assert (weight_PK[~mask_PK] == 0).all()
    for row, own, mask in zip(score_PK, weight_PK, mask_PK, strict=True):
        for value in np.unique(row[mask]):
            assert len(np.unique(own[mask & (row == value)])) == 1


@every_weight
@given(score_PK=scores, mask_PK=masks)
def test_masked_scores_are_never_read(weight: Weight, score_PK: Floats, mask_PK: np.ndarray) -> None:
    noisy = np.where(mask_PK, score_PK, 1e9)
    assert (weight(score_PK, mask_PK) == weight(noisy, mask_PK)).all()


@every_weight
@given(score_PK=scores, mask_PK=masks)
def test_rank_based_weights_survive_a_rising_transform(weight: Weight, score_PK: Floats, mask_PK: np.ndarray) -> None:
    moved = weight(np.exp(3 * score_PK) + 7, mask_PK)
    if weight.rank_based:
        assert (moved == weight(score_PK, mask_PK)).all()


@given(score_PK=scores, mask_PK=masks)
def test_threshold_survives_when_it_is_transformed_too(score_PK: Floats, mask_PK: np.ndarray) -> None:
    moved = parse_weight(f"threshold:{np.exp(0.5)}")
    assert (moved(np.exp(score_PK), mask_PK) == parse_weight("threshold:0.5")(score_PK, mask_PK)).all()


@pytest.mark.parametrize(
    ("q", "count", "kept"), [(0.7, 10, 3), (0.7, 32, 10), (0.0, 5, 5), (0.9, 5, 1), (0.99, 3, 1), (0.5, 3, 2), (0.7, 1, 1)]
)
def test_quantile_keeps_the_m_best(q: float, count: int, kept: int) -> None:
    assert parse_weight(f"quantile:{q}")(np.arange(count, dtype=float)[None], np.ones((1, count), bool)).sum() == kept


def test_quantile_on_few_passes_keeps_everything_and_nan_is_last() -> None:
    mask_PK = np.ones((1, 5), bool)
    assert parse_weight("quantile:0.5")(np.array([[1.0, 0, 0, 0, 0]]), mask_PK).sum() == 5
    assert parse_weight("quantile:0.5")(np.array([[1.0, np.nan, 2, 3, np.nan]]), mask_PK).tolist() == [[1, 0, 1, 1, 0]]


def test_shapes_that_do_not_fit_are_both_printed() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(2, 4\)"):
        parse_weight("threshold:0.5")(np.zeros((2, 3)), np.ones((2, 4), bool))


@pytest.mark.parametrize("spec", ["quantile", "quantile:", "quantile:x", "quantile:1", "quantile:-0.1", "threshold:nan", "foo:1", "", ":"])
def test_malformed_specs_say_what_was_expected(spec: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        parse_weight(spec)


@every_weight
def test_spec_round_trip(weight: Weight) -> None:
    assert parse_weight(weight.spec) == weight
