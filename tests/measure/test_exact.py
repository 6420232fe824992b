"""Closed forms against enumeration of every way that K responses can fall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.measure.exact import (
    exact_accuracy,
    exact_best_of,
    exact_gap,
    exact_kept_quantile,
    exact_kept_threshold,
    exact_limit_quantile,
)
from strop.measure.gap_at_infinity import limit_gap
from strop.weigh import Quantile, parse_weight


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, utilities and scores of four responses; scores tie often."""
    probability = np.array(draw(st.lists(st.integers(1, 9), min_size=4, max_size=4)), float)
    utility = np.array(draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=4, max_size=4)))
    score = np.array(draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=4, max_size=4)))
    return probability / probability.sum(), utility, score


@given(table=tables(), samples=st.integers(1, 6), q=st.sampled_from([0.0, 0.3, 0.5, 0.7]))
def test_kept_accuracy_in_closed_form(
    table: tuple[np.ndarray, np.ndarray, np.ndarray], samples: int, q: float
) -> None:
    before = exact_accuracy(*table[:2])
    by_rank = exact_gap(*table, parse_weight(f"quantile:{q}"), samples)
    assert exact_kept_quantile(*table, q, samples) - before == pytest.approx(by_rank, abs=1e-12)
    by_level = exact_gap(*table, parse_weight("threshold:0.5"), samples)
    assert exact_kept_threshold(*table, 0.5, samples) - before == pytest.approx(by_level, abs=1e-12)


@given(table=tables(), n=st.integers(1, 4), extra=st.integers(0, 2))
def test_best_of_n_in_closed_form_whatever_K(
    table: tuple[np.ndarray, np.ndarray, np.ndarray], n: int, extra: int
) -> None:
    by_enumeration = exact_accuracy(*table[:2]) + exact_gap(
        *table, parse_weight(f"best-of:{n}"), n + extra
    )
    assert exact_best_of(*table, n) == pytest.approx(by_enumeration, abs=1e-12)


def test_a_quantile_of_many_samples_is_that_of_the_distribution() -> None:
    probability, utility, score = (
        np.array([0.4, 0.3, 0.2, 0.1]),
        np.array([0.0, 1, 0, 1]),
        np.array([0.1, 0.2, 0.3, 0.4]),
    )
    limit = exact_limit_quantile(probability, utility, score, 0.55)
    errors = [
        abs(exact_kept_quantile(probability, utility, score, 0.55, samples) - limit)
        for samples in (8, 32, 128, 512)
    ]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.002


@pytest.mark.parametrize("samples", [32, 33, 48])
def test_extrapolation_comes_closer_to_the_limit_than_the_gap_itself(samples: int) -> None:
    """Normal scores, one apart; 60,000 simulated problems, so that what is left is bias."""
    rng = np.random.default_rng(0)
    utility_PK = (rng.random((60_000, samples)) < 0.3).astype(float)
    score_PK = rng.normal(size=utility_PK.shape) + utility_PK
    mask_PK = np.ones(utility_PK.shape, bool)
    weight = parse_weight("quantile:0.7")
    limit = limit_gap(score_PK, utility_PK, mask_PK, weight.at).value
    kept_PK = weight(score_PK, mask_PK)
    plain = (kept_PK * utility_PK).sum() / kept_PK.sum() - utility_PK.mean()
    many = rng.random(4_000_000) < 0.3
    scores = rng.normal(size=many.size) + many
    truth = many[scores >= np.quantile(scores, 0.7)].mean() - 0.3
    assert abs(limit - truth) < 0.4 * abs(plain - truth)


def test_the_limit_has_a_reason_where_it_is_unknown() -> None:
    arrays = np.zeros((3, 4)), np.ones((3, 4)), np.ones((3, 4), bool)
    for spec in ("survivors:1", "best-of:K", "quantile:0.9"):
        assert np.isnan(limit_gap(*arrays, parse_weight(spec).at).value), spec
    ragged = np.array([[True, False, False, False]] + [[True] * 4] * 2)
    assert np.isnan(limit_gap(*arrays[:2], ragged, parse_weight("threshold:0").at).value)


@given(count=st.integers(2, 200), q=st.floats(0, 0.95))
def test_shares_of_a_quantile_keep_the_wanted_number_on_average(count: int, q: float) -> None:
    mixture = Quantile(q).at(count)
    if mixture:
        kept = sum(
            share * weight(np.arange(float(count))[None], np.ones((1, count), bool)).sum()
            for share, weight in mixture
        )
        assert kept == pytest.approx((1 - q) * count, abs=1e-6)
