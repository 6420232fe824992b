"""pass@k without bias, for every k at once, and coverage: the papers' "effective diversity".

A response is right if its utility is above 0.5. Only for a fixed number of samples: adaptive
stopping breaks exchangeability.

Axes: P problems, K responses, N size of the subset (the k of pass@k); ragged K is masked, and N
runs to the smallest K.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import SHARE, Mask, check_shapes, mean_over_problems
from strop.measure.intervals import Floats, Ratio
from strop.measure.selection import response_counts_P

_PASS_AT_K = (
    "pass@{}: mean over problems of the probability that a random subset of that many of the "
    "K responses holds a right one"
)
_COVERAGE = (
    "share of problems with at least one right response among all K sampled; "
    "compare at equal K only"
)


def miss_chances_PN(count_P: NDArray[np.int64], hits_P: NDArray[np.int64], largest: int) -> Floats:
    """C(K - c, n) / C(K, n), n = 1 .. ``largest``.

    The probability that a random n-subset of K responses holds none of c hits.
    """
    # The n-th response drawn misses with (K - c - drawn) / (K - drawn), given that all before
    # missed. A product of such factors in [0, 1] never overflows, as binomials would.
    drawn_1N = np.arange(largest)[None, :]
    misses_P1 = (count_P - hits_P)[:, None]
    misses_left_PN = np.maximum(misses_P1 - drawn_1N, 0)
    left_PN = count_P[:, None] - drawn_1N
    factor_PN = misses_left_PN / left_PN
    return np.asarray(np.cumprod(factor_PN, axis=1))


def pass_at_k_PN(utility_PK: Floats, mask_PK: Mask) -> Floats:
    """1 - C(K - c, k) / C(K, k) for c right responses of K, k = 1 .. smallest K: (P, N).

    The unbiased estimator of Chen et al. (2021). Raises ValueError for different shapes, or a
    problem without a response.
    """
    check_shapes(utility_PK, mask_PK)
    count_P = response_counts_P(mask_PK)
    right_P = _right_P(utility_PK, mask_PK)
    smallest = int(count_P.min())
    return np.asarray(1 - miss_chances_PN(count_P, right_P, smallest))


def pass_at_k(utility_PK: Floats, mask_PK: Mask) -> list[Ratio]:
    """Mean over problems of ``pass_at_k_PN``, for k = 1, 2, ..."""
    chance_PN = pass_at_k_PN(utility_PK, mask_PK)
    ratios = []
    for k, chance_P in enumerate(chance_PN.T, start=1):
        definition = _PASS_AT_K.format(k)
        ratios.append(mean_over_problems(chance_P, definition, SHARE))
    return ratios


def coverage(utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """pass@K: share of problems with at least one right response.

    It is the skyline of any selection, and grows with K.
    """
    check_shapes(utility_PK, mask_PK)
    covered_P = (_right_P(utility_PK, mask_PK) > 0).astype(float)
    return mean_over_problems(covered_P, _COVERAGE, SHARE)


def _right_P(utility_PK: Floats, mask_PK: Mask) -> NDArray[np.int64]:
    """Return the number of right responses to each problem."""
    return np.asarray((mask_PK & (utility_PK > 0.5)).sum(axis=1))
