"""Lifts over greedy decoding, paired problem by problem (specification B, section 4).

Each function takes one number per problem for the method that is judged (accuracy of the samples,
kept accuracy, a column of a selection curve), and one for the greedy response. NaN is unknown, such
as the log-likelihood of a truncated response: the problem is then left out on both sides.

Axes: P problems.
"""

from __future__ import annotations

import numpy as np

from strop.measure.gap import Mask
from strop.measure.intervals import Floats, Ratio

NO_PAIR = "no problem has both numbers"


def accuracy_lift(accuracy_P: Floats, greedy_P: Floats) -> Ratio:
    """(acc - greedy) / greedy of the two mean accuracies: a fraction; the papers give percent.

    Raises ValueError unless there is one number for each problem on both sides.
    """
    both_P = _both_P(accuracy_P, greedy_P)
    why = NO_PAIR
    if both_P.any():
        why = "greedy decoding is right on no problem"
    return Ratio(
        _difference_P(accuracy_P, greedy_P),
        np.where(both_P, greedy_P, 0.0),
        definition="(accuracy - greedy accuracy) / greedy accuracy, "
        "each a mean over the same problems",
        why=why,
        bounds=(-1.0, np.inf),
    )


def accuracy_gain(accuracy_P: Floats, greedy_P: Floats) -> Ratio:
    """acc - greedy; it is defined even where greedy accuracy is 0 and the lift is not."""
    return Ratio(
        _difference_P(accuracy_P, greedy_P),
        _both_P(accuracy_P, greedy_P).astype(float),
        definition="accuracy minus greedy accuracy, mean over problems",
        why=NO_PAIR,
        bounds=(-1.0, 1.0),
    )


def likelihood_lift(logprob_P: Floats, greedy_P: Floats) -> Ratio:
    """Difference of mean sequence log-likelihoods under the base model, in nats; no percentage."""
    return Ratio(
        _difference_P(logprob_P, greedy_P),
        _both_P(logprob_P, greedy_P).astype(float),
        definition="sequence log-likelihood minus that of the greedy response (nats), "
        "mean over the problems where both are known",
        why=NO_PAIR,
    )


def _both_P(value_P: Floats, greedy_P: Floats) -> Mask:
    """Return the problems on which both numbers are known. Checks the shapes."""
    if value_P.shape != greedy_P.shape or value_P.ndim != 1:
        raise ValueError(
            f"got numbers of shapes {value_P.shape} and {greedy_P.shape}; "
            "expected one number for each problem, twice"
        )
    return np.asarray(np.isfinite(value_P) & np.isfinite(greedy_P))


def _difference_P(value_P: Floats, greedy_P: Floats) -> Floats:
    # Both sides of a problem are dropped together, so that the difference stays paired.
    both_P = _both_P(value_P, greedy_P)
    return np.where(both_P, value_P, 0.0) - np.where(both_P, greedy_P, 0.0)
