"""Order statistics, for weights and estimators alike: who is better than whom, and how likely a subset is to miss the better ones.

NumPy only. Axes: P problems, K responses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def chances_to_be_best(score_PK: Floats, count_P1: np.ndarray, n: np.ndarray | int) -> Floats:
    """How likely each response is to be the best of a random n-subset of its problem's ``count`` responses, ties sharing it."""
    better_PK, tied_PK = competitors(score_PK)
    missed_PK = chance_to_miss(count_P1, n, better_PK) - chance_to_miss(
        count_P1, n, better_PK + tied_PK
    )
    return np.asarray(np.maximum(missed_PK / tied_PK, 0))


def competitors(score_PK: Floats) -> tuple[Floats, Floats]:
    """How many responses score strictly better than each, and how many score the same, itself among them."""
    order_PK = np.argsort(-score_PK, axis=1)
    sorted_PK = np.take_along_axis(score_PK, order_PK, axis=1)
    place_K = np.arange(score_PK.shape[1])
    is_first_PK = np.ones(score_PK.shape, bool)
    is_first_PK[:, 1:] = sorted_PK[:, 1:] != sorted_PK[:, :-1]
    first_PK = np.maximum.accumulate(np.where(is_first_PK, place_K, 0), axis=1)
    is_last_PK = np.roll(is_first_PK, -1, axis=1)
    is_last_PK[:, -1:] = True
    last_PK = np.minimum.accumulate(
        np.where(is_last_PK, place_K, score_PK.shape[1])[:, ::-1], axis=1
    )[:, ::-1]
    better_PK, tied_PK = np.empty_like(score_PK), np.empty_like(score_PK)
    np.put_along_axis(better_PK, order_PK, first_PK.astype(float), axis=1)
    np.put_along_axis(tied_PK, order_PK, (last_PK - first_PK + 1).astype(float), axis=1)
    return better_PK, tied_PK


def chance_to_miss(count_P1: np.ndarray, n_P1: np.ndarray | int, marked_PK: Floats) -> Floats:
    """C(count - marked, n) / C(count, n): that a random n-subset holds none of the marked responses."""
    top = int(count_P1.max(initial=0))
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, top + 1)))])
    rest_PK = (count_P1 - np.minimum(marked_PK, count_P1)).astype(int)
    possible_PK = rest_PK >= n_P1
    free_PK = np.where(possible_PK, rest_PK - n_P1, 0)
    logarithm_PK = (
        log_factorial[rest_PK]
        - log_factorial[free_PK]
        - log_factorial[count_P1]
        + log_factorial[count_P1 - n_P1]
    )
    return np.where(possible_PK, np.exp(logarithm_PK), 0.0)


def whole_parts(wanted: float) -> tuple[tuple[float, int], ...]:
    """9.6 as shares of whole numbers: 0.4 of 9 and 0.6 of 10."""
    fewer = int(wanted + 1e-9)
    return (
        ((1.0, fewer),)
        if abs(wanted - fewer) < 1e-9
        else ((fewer + 1 - wanted, fewer), (wanted - fewer, fewer + 1))
    )
