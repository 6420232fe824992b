"""Order statistics against plain loops over subsets."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.order_statistics import chance_to_miss, chances_to_be_best, competitors, whole_parts

scores = arrays(np.float64, (3, 6), elements=st.sampled_from([-np.inf, 0.0, 0.5, 1.0]))


@given(score_PK=scores)
def test_competitors_are_counted(score_PK: np.ndarray) -> None:
    better_PK, tied_PK = competitors(score_PK)
    for p, k in np.ndindex(score_PK.shape):
        assert better_PK[p, k] == (score_PK[p] > score_PK[p, k]).sum()
        assert tied_PK[p, k] == (score_PK[p] == score_PK[p, k]).sum()


@given(count=st.integers(1, 40), n=st.integers(1, 40), marked=st.integers(0, 40))
def test_the_chance_to_miss_is_a_ratio_of_binomials(count: int, n: int, marked: int) -> None:
    n, marked = min(n, count), min(marked, count)
    chance = chance_to_miss(np.array([[count]]), n, np.array([[float(marked)]]))
    assert chance[0, 0] == pytest.approx(comb(count - marked, n) / comb(count, n), abs=1e-12)


@given(score_PK=scores, n=st.integers(1, 6))
def test_chances_to_be_best_sum_to_one(score_PK: np.ndarray, n: int) -> None:
    chance_PK = chances_to_be_best(score_PK, np.full((3, 1), 6), n)
    assert chance_PK.sum(axis=1) == pytest.approx(np.ones(3))


@given(st.floats(0, 100))
def test_whole_parts_have_the_number_as_their_mean(number: float) -> None:
    parts = whole_parts(number)
    assert sum(share for share, _ in parts) == pytest.approx(1)
    assert sum(share * whole for share, whole in parts) == pytest.approx(number, abs=1e-8)
    assert len(whole_parts(10 * 0.3)) == 1
