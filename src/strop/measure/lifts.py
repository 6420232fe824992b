"""What sampling and choosing gains over greedy decoding (specification B, section 4, "Lift"), problem by problem, so paired.

Each function takes one number a problem: of the way to answer that is judged (accuracy of the samples, kept accuracy, a column of a
selection curve), and of the one greedy response. NaN is unknown, such as the log-likelihood of a truncated response: the problem is left
out on both sides, and ``left_out`` counts it.

Axes: P problems.
"""

from __future__ import annotations

import numpy as np

from strop.measure.gap import Mask
from strop.measure.intervals import Floats, Ratio

NO_PAIR = "no problem has both numbers"


def left_out(value_P: Floats, greedy_P: Floats) -> int:
    """Number of problems on which one of the two is unknown."""
    return int((~_both_P(value_P, greedy_P)).sum())


def accuracy_lift(accuracy_P: Floats, greedy_P: Floats) -> Ratio:
    """(acc - greedy) / greedy of the two mean accuracies: a fraction, 100 times which is the papers' percentage."""
    both_P = _both_P(accuracy_P, greedy_P)
    why = "greedy decoding is right on no problem" if both_P.any() else NO_PAIR
    definition = (
        "(accuracy - greedy accuracy) / greedy accuracy, each a mean over the same problems"
    )
    return Ratio(
        _difference_P(accuracy_P, greedy_P),
        np.where(both_P, greedy_P, 0.0),
        definition,
        why,
        (-1.0, np.inf),
    )


def accuracy_gain(accuracy_P: Floats, greedy_P: Floats) -> Ratio:
    """acc - greedy, defined where the lift is not."""
    definition = "accuracy minus greedy accuracy, mean over problems"
    return Ratio(
        _difference_P(accuracy_P, greedy_P),
        _both_P(accuracy_P, greedy_P).astype(float),
        definition,
        NO_PAIR,
        (-1.0, 1.0),
    )


def likelihood_lift(logprob_P: Floats, greedy_P: Floats) -> Ratio:
    """Difference of mean sequence log-likelihoods under the base model, in nats: no percentage."""
    definition = "sequence log-likelihood minus that of the greedy response (nats), mean over the problems where both are known"
    return Ratio(
        _difference_P(logprob_P, greedy_P),
        _both_P(logprob_P, greedy_P).astype(float),
        definition,
        NO_PAIR,
    )


def _both_P(value_P: Floats, greedy_P: Floats) -> Mask:
    if value_P.shape != greedy_P.shape or value_P.ndim != 1:
        raise ValueError(
            f"got numbers of shapes {value_P.shape} and {greedy_P.shape}; expected one number a problem of each"
        )
    return np.asarray(np.isfinite(value_P) & np.isfinite(greedy_P))


def _difference_P(value_P: Floats, greedy_P: Floats) -> Floats:
    both_P = _both_P(value_P, greedy_P)
    return np.where(both_P, value_P, 0.0) - np.where(both_P, greedy_P, 0.0)
