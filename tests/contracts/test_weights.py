"""The contract of every weight."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.errors import UsageError
from strop.weigh import WEIGHTS, Weight, parse_product, parse_weight
from strop.weigh.base import Floats

SPECS = (
    "quantile:0.7",
    "quantile:0",
    "threshold:0.5",
    "tilt:0.3",
    "survivors:1",
    "best-of:1",
    "best-of:K",
)
every_weight = pytest.mark.parametrize("weight", [parse_weight(spec) for spec in SPECS], ids=SPECS)

# Few distinct values, so that ties are common.
scores = arrays(np.float64, (4, 6), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))
masks = arrays(np.bool_, (4, 6)).map(lambda mask: mask | (np.arange(6) == 0))


def test_every_kind_is_covered() -> None:
    missing = set(WEIGHTS) - {spec.split(":")[0] for spec in SPECS}
    assert not missing, f"add a spec of {', '.join(sorted(missing))} to SPECS"


@pytest.mark.parametrize("kind", WEIGHTS.values(), ids=list(WEIGHTS))
def test_the_page_can_explain_it(kind: type[Weight]) -> None:
    assert re.fullmatch(rf"{kind.name}:[a-z]+", kind.notation())
    # A part of a sentence: the notation stands in front of it, ";" or "." behind it.
    assert kind.description[0].islower() and kind.description[-1] not in ".;"


@every_weight
@given(score_PK=scores, mask_PK=masks)
def test_finite_not_negative_shape_and_ties_kept(
    weight: Weight, score_PK: Floats, mask_PK: np.ndarray
) -> None:
    weight_PK = weight(score_PK, mask_PK)
    assert (
        weight_PK.shape == score_PK.shape
        and np.isfinite(weight_PK).all()
        and (weight_PK >= 0).all()
    )
    assert (weight_PK[~mask_PK] == 0).all()
    for row, weights, mask in zip(score_PK, weight_PK, mask_PK, strict=True):
        for value in np.unique(row[mask]):
            assert np.ptp(weights[mask & (row == value)]) == pytest.approx(0, abs=1e-12)


@every_weight
@given(score_PK=scores, mask_PK=masks)
def test_masked_scores_are_never_read(
    weight: Weight, score_PK: Floats, mask_PK: np.ndarray
) -> None:
    noisy = np.where(mask_PK, score_PK, 1e9)
    assert (weight(score_PK, mask_PK) == weight(noisy, mask_PK)).all()


@every_weight
@given(score_PK=scores, mask_PK=masks)
def test_rank_based_weights_survive_a_rising_transform(
    weight: Weight, score_PK: Floats, mask_PK: np.ndarray
) -> None:
    moved = weight(np.exp(3 * score_PK) + 7, mask_PK)
    if weight.rank_based:
        assert (moved == weight(score_PK, mask_PK)).all()


@given(score_PK=scores, mask_PK=masks)
def test_threshold_survives_when_it_is_transformed_too(
    score_PK: Floats, mask_PK: np.ndarray
) -> None:
    moved = parse_weight(f"threshold:{np.exp(0.5)}")
    assert (
        moved(np.exp(score_PK), mask_PK) == parse_weight("threshold:0.5")(score_PK, mask_PK)
    ).all()


@pytest.mark.parametrize(
    ("q", "count", "kept"),
    [(0.7, 10, 3), (0.7, 32, 10), (0.0, 5, 5), (0.9, 5, 1), (0.99, 3, 1), (0.5, 3, 2), (0.7, 1, 1)],
)
def test_quantile_keeps_the_m_best(q: float, count: int, kept: int) -> None:
    assert (
        parse_weight(f"quantile:{q}")(
            np.arange(count, dtype=float)[None], np.ones((1, count), bool)
        ).sum()
        == kept
    )


def test_quantile_on_few_passes_keeps_everything_and_nan_is_last() -> None:
    mask_PK = np.ones((1, 5), bool)
    assert parse_weight("quantile:0.5")(np.array([[1.0, 0, 0, 0, 0]]), mask_PK).sum() == 5
    assert parse_weight("quantile:0.5")(
        np.array([[1.0, np.nan, 2, 3, np.nan]]), mask_PK
    ).tolist() == [[1, 0, 1, 1, 0]]


def test_shapes_that_do_not_fit_are_both_printed() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\).*\(2, 4\)"):
        parse_weight("threshold:0.5")(np.zeros((2, 3)), np.ones((2, 4), bool))


@pytest.mark.parametrize(
    "spec",
    [
        "quantile",
        "quantile:",
        "quantile:x",
        "quantile:1",
        "quantile:-0.1",
        "threshold:nan",
        "threshold:inf",
        "tilt:0",
        "tilt:inf",
        "survivors:0",
        "survivors:1.5",
        "best-of:0",
        "best-of:2.5",
        "best-of:inf",
        "best-of:k",
        "foo:1",
        "",
        ":",
    ],
)
def test_malformed_specs_say_what_was_expected(spec: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        parse_weight(spec)


@every_weight
def test_spec_round_trip(weight: Weight) -> None:
    assert parse_weight(weight.spec) == weight


@given(score_PK=scores, mask_PK=masks, shift=st.floats(-700, 700))
def test_tilt_survives_a_constant_added(
    score_PK: Floats, mask_PK: np.ndarray, shift: float
) -> None:
    tilt = parse_weight("tilt:0.3")
    assert tilt(score_PK + shift, mask_PK) == pytest.approx(tilt(score_PK, mask_PK), abs=1e-9)


def test_tilt_of_extreme_scores_does_not_overflow() -> None:
    assert parse_weight("tilt:0.001")(
        np.array([[1e6, -1e6, np.nan]]), np.ones((1, 3), bool)
    ).tolist() == [[1, 0, 0]]


@given(score_PK=scores, mask_PK=masks, n=st.integers(1, 6), missing=arrays(np.bool_, (4, 6)))
def test_best_of_n_is_the_share_of_subsets_in_which_a_response_is_chosen(
    score_PK: Floats, mask_PK: np.ndarray, n: int, missing: np.ndarray
) -> None:
    """Brute force over all n-subsets: ties shared, responses without a score never chosen."""
    n = min(n, mask_PK.sum(axis=1).min())
    score_PK = np.where(missing, np.nan, score_PK)
    expected = np.zeros_like(score_PK)
    for p in range(len(score_PK)):
        subsets = list(combinations(np.flatnonzero(mask_PK[p]), n))
        for subset in subsets:
            scored = [k for k in subset if not missing[p, k]]
            best = [k for k in scored if score_PK[p, k] == max(score_PK[p, scored])]
            for k in best:
                expected[p, k] += 1 / len(best) / len(subsets)
    assert parse_weight(f"best-of:{n}")(score_PK, mask_PK) == pytest.approx(expected, abs=1e-12)


def test_best_of_more_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match=r"best-of:4.*3 responses"):
        parse_weight("best-of:4")(np.zeros((1, 4)), np.array([[True, True, True, False]]))


@given(first=scores, second=scores, mask_PK=masks)
def test_an_ensemble_is_the_and_of_its_filters(
    first: Floats, second: Floats, mask_PK: np.ndarray
) -> None:
    ensemble = parse_product("mc@quantile:0.5&cot-score@threshold:0.5")
    together = ensemble({"mc": first, "cot-score": second}, mask_PK)
    both = (parse_weight("quantile:0.5")(first, mask_PK) > 0) & (
        parse_weight("threshold:0.5")(second, mask_PK) > 0
    )
    assert (together == both).all()
    assert parse_product(ensemble.spec) == ensemble and ensemble.verifiers == ("mc", "cot-score")


@pytest.mark.parametrize("spec", ["mc", "@quantile:0.5", "mc@", "mc@quantile:0.7&", "mc@foo:1"])
def test_malformed_ensembles_say_what_was_expected(spec: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        parse_product(spec)
