"""Lifts over greedy decoding: the papers' formula, unknowns left out, undefined with a reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.intervals import estimate, resample_counts
from strop.measure.lifts import accuracy_gain, accuracy_lift, likelihood_lift

ONCE = np.ones((1, 6))
accuracies = arrays(np.float64, 6, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, np.nan]))
greedies = arrays(np.float64, 6, elements=st.sampled_from([0.0, 1.0, np.nan]))


@given(accuracy_P=accuracies, greedy_P=greedies)
def test_formulas_on_the_problems_where_both_are_known(
    accuracy_P: np.ndarray, greedy_P: np.ndarray
) -> None:
    both = [(a, g) for a, g in zip(accuracy_P, greedy_P, strict=True) if not np.isnan(a + g)]
    accuracy, greedy = (
        (np.mean(column) for column in zip(*both, strict=True)) if both else (np.nan, np.nan)
    )
    lift, gain = (
        estimate(accuracy_lift(accuracy_P, greedy_P), ONCE),
        estimate(accuracy_gain(accuracy_P, greedy_P), ONCE),
    )
    assert lift.value == (pytest.approx((accuracy - greedy) / greedy) if both and greedy else None)
    assert gain.value == (pytest.approx(accuracy - greedy) if both else None)
    assert gain.n == len(both)
    nats = estimate(likelihood_lift(accuracy_P * 40 - 50, greedy_P * 40 - 50), ONCE)
    assert nats.value == (pytest.approx(40 * (accuracy - greedy)) if both else None)


def test_undefined_has_its_reason() -> None:
    never = estimate(accuracy_lift(np.full(6, 0.5), np.zeros(6)), resample_counts(6, 0))
    assert never.value is None and never.why == "greedy decoding is right on no problem"
    unknown = np.full(6, np.nan)
    for ratio in (
        accuracy_lift(unknown, np.ones(6)),
        accuracy_gain(unknown, np.ones(6)),
        likelihood_lift(np.ones(6), unknown),
    ):
        assert estimate(ratio, ONCE).value is None and ratio.why == "no problem has both numbers"
    with pytest.raises(ValueError, match="shapes"):
        accuracy_gain(np.ones(6), np.ones(5))


def test_paired_over_problems() -> None:
    """A gain that is nearly the same on every problem is nearly certain."""
    rng = np.random.default_rng(0)
    greedy_P = rng.normal(-50, 20, 40)
    sure = estimate(
        likelihood_lift(greedy_P + rng.uniform(2.9, 3.1, 40), greedy_P), resample_counts(40, 0)
    )
    assert sure.low is not None and sure.high is not None and 2.9 < sure.low < sure.high < 3.1
