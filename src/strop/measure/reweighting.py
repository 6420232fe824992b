"""Judge a model by the stored samples of another one: importance weights, no new sampling.

If the stored responses y were drawn from q0(y|x), then weights q1(y|x) / q0(y|x) turn their mean
utility into that of q1. The weights are normalised within each problem, so constants cancel, and a
problem with K responses is judged by K weighted ones. This is accurate while the two models are
close; the effective number of samples says how close they are.

Axes: P problems, K responses.
"""

from __future__ import annotations

import numpy as np

from strop.measure.gap import Mask, mean_over_problems
from strop.measure.intervals import Floats, Ratio

DEFINITION = "accuracy of the stored responses, reweighted to the new model, minus their accuracy"


def importance_weights_PK(change_PK: Floats, mask_PK: Mask) -> Floats:
    """Return weights that sum to 1 in each problem, proportional to exp(change).

    ``change_PK`` is log q1(y|x) - log q0(y|x) in nats, NaN where it is unknown; such responses get
    weight 0, and so does a whole problem without any known change.
    """
    known_PK = mask_PK & np.isfinite(change_PK)
    change_PK = np.where(known_PK, change_PK, -np.inf)
    largest_P1 = change_PK.max(axis=1, keepdims=True)
    largest_P1 = np.where(np.isfinite(largest_P1), largest_P1, 0.0)
    weight_PK = np.exp(change_PK - largest_P1)  # the largest becomes 1: nothing overflows
    total_P1 = weight_PK.sum(axis=1, keepdims=True)
    empty_PK: Floats = np.zeros_like(weight_PK)
    np.divide(weight_PK, total_P1, out=empty_PK, where=total_P1 > 0)
    return empty_PK


def reweighted_gain(change_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Return the mean over problems of: reweighted accuracy minus plain accuracy.

    Both are taken over the responses whose change is known; problems without any are left out.
    """
    known_PK = mask_PK & np.isfinite(change_PK)
    count_P = known_PK.sum(axis=1)
    weight_PK = importance_weights_PK(change_PK, mask_PK)
    reweighted_P = (weight_PK * utility_PK).sum(axis=1)
    total_P = (known_PK * utility_PK).sum(axis=1)
    plain_P = np.divide(total_P, count_P, out=np.zeros(len(count_P)), where=count_P > 0)
    gain_P = np.where(count_P > 0, reweighted_P - plain_P, np.nan)
    return mean_over_problems(gain_P, DEFINITION, (-1.0, 1.0))


def effective_samples(change_PK: Floats, mask_PK: Mask) -> float:
    """Return the mean over problems of 1 / (sum of squared weights).

    It is K where nothing changed, and 1 where one response carries all weight; NaN without any
    known change.
    """
    weight_PK = importance_weights_PK(change_PK, mask_PK)
    squares_P = (weight_PK**2).sum(axis=1)
    return float((1 / squares_P[squares_P > 0]).mean()) if (squares_P > 0).any() else float("nan")
