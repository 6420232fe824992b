"""weigh/base.py and weigh/__init__.py: the answers that a weight gives to the other rooms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.errors import UsageError
from strop.weigh import (
    WEIGHTS,
    Quantile,
    Weight,
    check_weights,
    curve_weights,
    parse_weight,
    stored_weight,
    sweep_weights,
)


def specs(weights: list[Weight]) -> list[str]:
    return [weight.spec for weight in weights]


def test_the_registry_takes_its_keys_from_the_classes() -> None:
    assert list(WEIGHTS)[:5] == ["quantile", "threshold", "tilt", "survivors", "best-of"]
    assert all(weight.name == name for name, weight in WEIGHTS.items())


def test_a_weight_knows_its_axis_and_whether_it_is_a_filter() -> None:
    filters = {name for name, weight in WEIGHTS.items() if weight.is_filter}
    assert {"quantile", "threshold", "survivors"} <= filters
    assert not {"tilt", "best-of"} & filters
    assert WEIGHTS["best-of"].axis is None
    assert WEIGHTS["quantile"].axis and WEIGHTS["tilt"].axis
    assert WEIGHTS["survivors"].whole_axis and not WEIGHTS["quantile"].whole_axis
    assert parse_weight("quantile:0.3").parameter == 0.3
    assert parse_weight("best-of:K").parameter is None


def test_binary_scores_are_swept_by_level_alone() -> None:
    scores = np.array([[0.0, 1.0], [1.0, np.nan]])
    assert specs(sweep_weights(parse_weight("threshold:0.5"), scores)) == ["threshold:0.5"]


def test_few_levels_are_swept_by_rank_and_between_the_levels() -> None:
    scores = np.array([[1.0, 4.0, 10.0]])
    swept = specs(sweep_weights(parse_weight("quantile:0.7"), scores))
    assert swept[:9] == [f"quantile:{q / 10}" for q in range(1, 10)]
    assert swept[9:] == ["threshold:2.5", "threshold:7"]


def test_many_levels_are_swept_by_threshold_only_within_zero_and_one() -> None:
    probabilities = np.linspace(0, 1, 40)[None]
    swept = sweep_weights(parse_weight("quantile:0.7"), probabilities)
    assert [weight.name for weight in swept] == ["quantile"] * 9 + ["threshold"] * 9
    swept = sweep_weights(parse_weight("best-of:K"), -100 * probabilities)
    assert [weight.name for weight in swept] == ["quantile"] * 9


def test_rounds_of_a_tournament_are_swept_by_survivors_alone() -> None:
    scores = np.array([[0.0, 1.0, 3.0, np.nan]])
    swept = sweep_weights(parse_weight("survivors:2"), scores)
    assert specs(swept) == ["survivors:1", "survivors:2", "survivors:3"]
    assert specs(sweep_weights(parse_weight("survivors:2"), scores * np.nan)) == ["survivors:1"]
    assert not sweep_weights(parse_weight("quantile:0.7"), scores * np.nan)


def test_a_curve_has_one_axis_and_ranks_are_preferred() -> None:
    mixed = ["threshold:0.5", "quantile:0.9", "best-of:4", "quantile:0.1", "threshold:0.1"]
    assert specs(curve_weights(mixed)) == ["quantile:0.1", "quantile:0.9"]
    assert specs(curve_weights(["threshold:2", "best-of:K", "threshold:-1"])) == [
        "threshold:-1",
        "threshold:2",
    ]
    assert specs(curve_weights(["survivors:2", "survivors:1"])) == ["survivors:1", "survivors:2"]
    assert curve_weights(["best-of:K"]) == curve_weights([]) == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("quantile:0.5", [True, False, None, True]),
        ("threshold:0.5", [True, False, None, False]),
        ("survivors:1", [False, False, None, False]),
        ("best-of:K", [None, None, None, None]),
        ("tilt:1", [None, None, None, None]),
    ],
)
def test_kept_responses_of_one_problem(spec: str, expected: list[bool | None]) -> None:
    assert parse_weight(spec).kept([0.9, 0.1, None, 0.3]) == expected


def test_tied_responses_are_kept() -> None:
    assert parse_weight("quantile:0.7").kept([1.0, 1.0, 0.0, 0.0]) == [True, True, False, False]


def test_kept_without_any_score() -> None:
    assert parse_weight("quantile:0.5").kept([None, None]) == [None, None]
    assert parse_weight("quantile:0.5").kept([]) == []


@given(
    st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=8),
    st.sampled_from(["quantile:0.7", "quantile:0.2", "threshold:0.5", "survivors:1"]),
)
def test_kept_is_what_weighs_more_than_zero(scores: list[float | None], spec: str) -> None:
    weight = parse_weight(spec)
    score_1K = np.array([scores], dtype=float)
    mask_1K = np.ones(score_1K.shape, bool)
    weight_K = weight(score_1K, mask_1K)[0]
    for kept, score, own_weight in zip(weight.kept(scores), scores, weight_K, strict=True):
        assert kept == (None if score is None else own_weight > 0)
    assert (weight.keeps(score_1K, mask_1K)[0] == (weight_K > 0)).all()


def test_a_weight_that_is_no_filter_keeps_nothing_apart() -> None:
    with pytest.raises(ValueError, match="no filter"):
        parse_weight("tilt:1").keeps(np.zeros((1, 2)), np.ones((1, 2), bool))


def test_needs_of_a_weight() -> None:
    assert parse_weight("best-of:4").least_responses == 4
    assert parse_weight("best-of:K").least_responses == parse_weight("tilt:1").least_responses == 1
    assert parse_weight("best-of:4").pointwise_reason
    assert parse_weight("best-of:K").pointwise_reason is None
    assert parse_weight("tilt:1").pointwise_reason is None
    assert "draw 1 or more" in parse_weight("tilt:1").advice(0)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("quantile:0.9", [False, True]),
        ("threshold:0.5", [True, True]),
        ("best-of:8", [False, True]),
        ("best-of:K", [True, True]),
        # Half of the responses would have played another tournament.
        ("survivors:2", [False, False]),
    ],
)
def test_whether_a_weight_means_the_same_on_4_and_on_16_responses(
    spec: str, expected: list[bool]
) -> None:
    assert [parse_weight(spec).applies_to(count) for count in (4, 16)] == expected


def test_the_weight_of_a_stored_document() -> None:
    assert stored_weight("quantile:0.3") == Quantile(0.3)
    for unknown in ("", "mc@quantile:0.7&logprob@best-of:K", "gone:1"):
        assert stored_weight(unknown) is None


def test_more_responses_than_there_are_is_refused() -> None:
    asked = ("quantile:0.7", "mc@best-of:4&cot-score@quantile:0.7")
    assert check_weights(asked, samples=4) == check_weights(asked) == asked
    with pytest.raises(UsageError, match=r"there are 3 responses .* ask for best-of:3 or less"):
        check_weights(asked, samples=3)


@given(count=st.integers(2, 200), q=st.floats(0, 0.95))
def test_shares_of_a_quantile_keep_the_wanted_number_on_average(count: int, q: float) -> None:
    mixture = Quantile(q).at(count)
    if mixture:
        kept = sum(
            share * weight(np.arange(float(count))[None], np.ones((1, count), bool)).sum()
            for share, weight in mixture
        )
        assert kept == pytest.approx((1 - q) * count, abs=1e-6)
