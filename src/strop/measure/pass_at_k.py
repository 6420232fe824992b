"""pass@k without bias, for every k at once, and coverage: can the model be right at all? The papers' "effective diversity".

A response is right if its utility is above 0.5. Only for a fixed number of samples: adaptive stopping breaks exchangeability.

Axes: P problems, K responses, N size of the subset (the k of pass@k); ragged K is masked, and N runs to the smallest K.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import SHARE, Mask, check_shapes, mean_over_problems
from strop.measure.intervals import Floats, Ratio
from strop.measure.selection import response_counts_P


def miss_chances_PN(count_P: NDArray[np.int64], hits_P: NDArray[np.int64], largest: int) -> Floats:
    """C(K - c, n) / C(K, n): probability that a random n-subset of K holds none of c hits, n = 1 .. ``largest``, as a product."""
    drawn_1N = np.arange(largest)[None, :]
    result: Floats = np.cumprod(
        np.maximum((count_P - hits_P)[:, None] - drawn_1N, 0) / (count_P[:, None] - drawn_1N),
        axis=1,
    )
    return result


def pass_at_k_PN(utility_PK: Floats, mask_PK: Mask) -> Floats:
    """1 - C(K - c, k) / C(K, k) for c right responses of K, for each problem and k = 1 .. smallest K."""
    check_shapes(utility_PK, mask_PK)
    count_P = response_counts_P(mask_PK)
    result: Floats = 1 - miss_chances_PN(count_P, _right_P(utility_PK, mask_PK), int(count_P.min()))
    return result


def pass_at_k(utility_PK: Floats, mask_PK: Mask) -> list[Ratio]:
    """Mean over problems of ``pass_at_k_PN``, for k = 1, 2, .."""
    definition = "pass@{}: mean over problems of the probability that a random subset of that many of the K responses holds a right one"
    return [
        mean_over_problems(chance_P, definition.format(k), SHARE)
        for k, chance_P in enumerate(pass_at_k_PN(utility_PK, mask_PK).T, start=1)
    ]


def coverage(utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """pass@K: share of problems with at least one right response; the skyline of any selection. It grows with K."""
    check_shapes(utility_PK, mask_PK)
    covered_P = (_right_P(utility_PK, mask_PK) > 0).astype(float)
    definition = "share of problems with at least one right response among all K sampled; compare at equal K only"
    return mean_over_problems(covered_P, definition, SHARE)


def _right_P(utility_PK: Floats, mask_PK: Mask) -> NDArray[np.int64]:
    return np.asarray((mask_PK & (utility_PK > 0.5)).sum(axis=1))
