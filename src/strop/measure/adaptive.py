"""Adaptive best-of-N ("Sharpening", Appendix D): the rule that says when to stop sampling.

Draw until 1 / max_{j <= k} pi(y_j|x) <= k / mu, that is, until k max_j pi(y_j|x) >= mu, with
mu = ln(2 / delta). Then, with probability 1 - delta, no response is left that is much likelier than
the best of those drawn. The number of responses depends on the responses, so pass@k, gaps and
selection curves have no meaning on them.

Axes: P problems, K responses in the order in which they were drawn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import Mask, check_shapes
from strop.measure.intervals import Floats


def mu_for(delta: float) -> float:
    """Return mu = ln(2 / delta). Raises ValueError unless ``delta`` is a probability."""
    if not 0 < delta < 1:
        raise ValueError(f"delta is {delta:g}; expected a chance between 0 and 1")
    return math.log(2 / delta)


def stopping_times_P(
    logprob_PK: Floats, mask_PK: Mask, mu: float
) -> tuple[NDArray[np.int64], Mask]:
    """Return the number of responses drawn for each problem, and whether the rule was met.

    Where it is never met, all K are drawn. A response of unknown log-probability (NaN: truncated)
    is drawn and counted, but cannot be the maximum. ``logprob_PK`` is in nats. Raises ValueError
    for different shapes.
    """
    check_shapes(logprob_PK, mask_PK)
    known_PK = mask_PK & ~np.isnan(logprob_PK)
    possible_PK = np.where(known_PK, logprob_PK, -np.inf)
    best_PK = np.maximum.accumulate(possible_PK, axis=1)
    # k max pi >= mu in logarithms, since probabilities of long responses underflow.
    drawn_K = np.arange(1, mask_PK.shape[1] + 1)
    is_enough_PK = best_PK + np.log(drawn_K) >= math.log(mu)
    stops_PK = mask_PK & is_enough_PK
    reached_P = np.asarray(stops_PK.any(axis=1))
    # argmax gives the first True.
    first_stop_P = stops_PK.argmax(axis=1) + 1
    drawn_P = np.where(reached_P, first_stop_P, mask_PK.sum(axis=1))
    return drawn_P, reached_P
