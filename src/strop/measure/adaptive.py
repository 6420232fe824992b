"""Adaptive best-of-N ("Sharpening", Appendix D): sample a problem until its likeliest response is likely enough for the number drawn.

Draw until 1 / max_{j <= k} pi(y_j|x) <= k / mu, that is, until k max_j pi(y_j|x) >= mu, with mu = ln(2 / delta): then, but for a chance
delta, no response is left that is much likelier than the best of those drawn. What is drawn so is no fixed number of independent responses:
pass@k, gaps and selection curves have no meaning on it.

Axes: P problems, K responses in the order in which they were drawn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import Mask, check_shapes
from strop.measure.intervals import Floats


def enough(delta: float) -> float:
    """mu = ln(2 / delta). Raises ValueError for a ``delta`` that is no chance."""
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta:g}; expected a chance between 0 and 1")
    return math.log(2 / delta)


def stopping_times_P(
    logprob_PK: Floats, mask_PK: Mask, mu: float
) -> tuple[NDArray[np.int64], Mask]:
    """How many responses are drawn for each problem, and whether that was enough; where it never is, all K are drawn.

    A response of unknown log-probability (NaN: truncated) is drawn and counted, and can be no maximum.
    """
    check_shapes(logprob_PK, mask_PK)
    best_PK = np.maximum.accumulate(
        np.where(mask_PK & ~np.isnan(logprob_PK), logprob_PK, -np.inf), axis=1
    )
    stops_PK = mask_PK & (best_PK + np.log(np.arange(1, mask_PK.shape[1] + 1)) >= math.log(mu))
    reached_P = stops_PK.any(axis=1)
    return np.where(reached_P, stops_PK.argmax(axis=1) + 1, mask_PK.sum(axis=1)), np.asarray(
        reached_P
    )
