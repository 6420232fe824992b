"""Importance weights: exact on small laws, and honest about what is unknown."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.reweighting import effective_samples, importance_weights_PK, reweighted_gain


def test_many_samples_give_the_new_law_its_accuracy() -> None:
    """Two laws over four responses, two of them right: the estimate meets enumeration."""
    rng = np.random.default_rng(0)
    old = np.array([0.4, 0.3, 0.2, 0.1])
    new = np.array([0.3, 0.2, 0.3, 0.2])
    right = np.array([0.0, 0.0, 1.0, 1.0])
    drawn_PK = rng.choice(4, size=(200, 200), p=old)
    change_PK = np.log(new / old)[drawn_PK]
    mask_PK = np.ones(drawn_PK.shape, bool)
    gain = reweighted_gain(change_PK, right[drawn_PK], mask_PK)
    assert gain.value == pytest.approx(float((new - old) @ right), abs=0.01)


def test_a_constant_change_changes_nothing() -> None:
    utility_PK = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    mask_PK = np.ones((2, 3), bool)
    change_PK = np.full((2, 3), -700.0)  # would underflow without subtracting the largest
    assert reweighted_gain(change_PK, utility_PK, mask_PK).value == pytest.approx(0)
    assert effective_samples(change_PK, mask_PK) == pytest.approx(3)


def test_unknown_changes_are_left_out_and_a_problem_without_any_is_not_counted() -> None:
    utility_PK = np.array([[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    change_PK = np.array([[0.0, 0.0, np.nan], [np.nan, np.nan, np.nan]])
    mask_PK = np.ones((2, 3), bool)
    assert importance_weights_PK(change_PK, mask_PK).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    gain = reweighted_gain(change_PK, utility_PK, mask_PK)
    assert gain.value == pytest.approx(0) and gain.below_P.sum() == 1


def test_one_response_that_carries_all_weight() -> None:
    change_PK = np.array([[50.0, 0.0, 0.0, 0.0]])
    assert effective_samples(change_PK, np.ones((1, 4), bool)) == pytest.approx(1)
    assert np.isnan(effective_samples(np.full((1, 4), np.nan), np.ones((1, 4), bool)))
