"""Cross-fitting against plain loops over folds and resamples."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.crossfit import balanced_folds, crossfit, repeated_selection
from strop.measure.intervals import resample_counts


def by_loops(choose: np.ndarray, judge: np.ndarray, folds: np.ndarray, counts: np.ndarray) -> float:
    above = below = 0.0
    for fold in range(folds.max() + 1):
        outside = [p for p in range(len(folds)) if folds[p] != fold for _ in range(int(counts[p]))]
        best = int(np.argmax(np.round(choose[outside].mean(axis=0), 12)))
        for p in np.flatnonzero(folds == fold):
            above, below = above + counts[p] * judge[p, best], below + counts[p]
    return above / below


def test_value_and_resamples_agree_with_plain_loops() -> None:
    rng = np.random.default_rng(0)
    choose, judge = rng.normal(size=(23, 5)), rng.normal(size=(23, 5))
    folds, counts = balanced_folds(23, 4, 0), resample_counts(23, 1, 20)
    assert crossfit(choose, judge, folds, counts).crossfitted.value == pytest.approx(
        by_loops(choose, judge, folds, np.ones(23))
    )
    assert repeated_selection(choose, judge, folds, counts) == pytest.approx(
        [by_loops(choose, judge, folds, row) for row in counts]
    )


def test_in_sample_is_optimistic_where_all_candidates_are_equal() -> None:
    """400 worlds without any difference between candidates.

    Cross-fitting has mean 0 within 4 standard errors; the in-sample maximum lies far above.
    """
    rng = np.random.default_rng(1)
    honest, optimistic = [], []
    for world in range(400):
        values = rng.normal(size=(60, 9))
        result = crossfit(values, values, balanced_folds(60, 5, world), np.ones((2, 60)))
        honest.append(result.crossfitted.value)
        optimistic.append(result.in_sample.value)
    assert abs(np.mean(honest)) < 4 * np.std(honest) / 20
    assert np.mean(optimistic) > 8 * np.std(optimistic) / 20


def test_a_clear_winner_is_chosen_by_every_fold_and_ties_go_to_the_first() -> None:
    values, counts = np.zeros((20, 3)), resample_counts(20, 0, 50)
    folds = balanced_folds(20, 5, 0)
    assert list(crossfit(values, values, folds, counts).chosen_F) == [0] * 5
    result = crossfit(values + np.array([0, 0, 1]), values + np.array([0, 7, 1]), folds, counts)
    assert (
        list(result.chosen_F) == [2] * 5
        and result.chosen == 2
        and result.crossfitted.value == 1
        and result.in_sample.value == 1
    )


def test_folds_are_balanced_and_copies_share_one() -> None:
    group = np.repeat(np.arange(10), 3)
    folds = balanced_folds(30, 5, 3, group)
    assert (np.bincount(folds) == 6).all() and all(
        len(set(folds[group == g])) == 1 for g in range(10)
    )
    assert set(np.bincount(balanced_folds(23, 5, 0))) == {4, 5}


def test_unknown_values_are_left_out_and_nothing_known_is_null() -> None:
    values, folds, counts = np.ones((10, 2)), balanced_folds(10, 2, 0), resample_counts(10, 0, 50)
    values[0] = np.nan
    assert crossfit(values, values, folds, counts).crossfitted.n == 9
    nothing = crossfit(values * np.nan, values * np.nan, folds, counts)
    assert (
        nothing.crossfitted.value is None
        and nothing.in_sample.value is None
        and nothing.chosen is None
    )
