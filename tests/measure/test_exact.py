"""Closed forms against enumeration of every way that K responses can fall."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.measure.exact import (
    exact_best_of,
    exact_kept_quantile,
    exact_kept_threshold,
    exact_limit_quantile,
)
from strop.weigh import parse_weight
from tests.measure.enumeration import exact_accuracy, exact_gap


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
