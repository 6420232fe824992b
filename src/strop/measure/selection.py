"""Best-of-N in expectation: what the best-scored response is worth, for every N at once, from the order statistics of the K samples.

A random N-subset of K independent responses is N independent responses, so no subsampling is needed (specification B, section 5). Only for
pointwise scores, which do not depend on the other responses (majority: ``measure.majority``; tournaments: none), and for a fixed number of
samples (adaptive stopping breaks exchangeability).

Axes: P problems, K responses, N size of the subset; ragged K is masked, and N runs to the smallest K.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import SHARE, Mask, check_shapes
from strop.measure.intervals import Floats, Ratio

NO_VALUE = "no problem has a chosen response whose value is known"


def best_of_chances(count: int, largest: int | None = None) -> Floats:
    """C[n - 1, r]: probability that rank r (0 is best, distinct scores) is the best of a random n-subset of ``count``; n = 1..``largest``.

    C(count - 1 - r, n - 1) / C(count, n), as a product of factors in [0, 1]: nothing overflows, and no digits cancel.
    """
    size_N1 = np.arange(1, (count if largest is None else largest) + 1)[:, None]
    rank_1R = np.arange(1, count)[None, :]
    stays_NR = np.maximum(count - rank_1R - size_N1 + 1, 0) / (count - rank_1R)
    result: Floats = np.cumprod(np.concatenate([size_N1 / count, stays_NR], axis=1), axis=1)
    return result


def response_counts_P(mask_PK: Mask) -> NDArray[np.int64]:
    """K of each problem. Raises ValueError where a problem has no response at all: no subset can be drawn from it."""
    count_P = mask_PK.sum(axis=1)
    if not count_P.size or count_P.min() == 0:
        raise ValueError(
            f"got {int((count_P == 0).sum())} of {len(count_P)} problems without any response; expected at least one of each"
        )
    return np.asarray(count_P)


def scored_PK(score_PK: Floats, mask_PK: Mask) -> Mask:
    """Which responses may be chosen? Not those without a score (NaN, or minus infinity, as which weights read NaN)."""
    return np.asarray(mask_PK & (score_PK > -np.inf))


def without_choice(score_PK: Floats, mask_PK: Mask) -> int:
    """Number of problems none of whose responses is scored; their curve is their unfiltered mean, as in ``kept_accuracy_P``."""
    return int((~scored_PK(score_PK, mask_PK).any(axis=1)).sum())


def selection_curve_PN(score_PK: Floats, value_PK: Floats, mask_PK: Mask) -> Floats:
    """Expected value of the best-scored response of a random N-subset, for each problem and N = 1 .. smallest K.

    It is sum(w v) / sum(w), where w is the response's probability of being chosen, ties shared: kept accuracy under the weight best-of:N.
    A response without a score is never chosen, so the curve is conditional on a subset that holds a scored one. A problem without any
    scored response keeps all its responses at weight 1 (``without_choice`` counts them). A value may be unknown (NaN: the log-probability
    of a truncated response); the mean is then over the chosen responses whose value is known, and NaN if there is none.
    """
    check_shapes(score_PK, value_PK, mask_PK)
    known_PK = np.isfinite(value_PK)
    if known_PK.all():
        return _chosen_PN(score_PK, value_PK, mask_PK)
    with np.errstate(invalid="ignore"):
        result: Floats = _chosen_PN(
            score_PK, np.where(known_PK, value_PK, 0.0), mask_PK
        ) / _chosen_PN(score_PK, known_PK, mask_PK)
    return result


def selection_curve(
    score_PK: Floats,
    value_PK: Floats,
    mask_PK: Mask,
    value: str = "utility",
    bounds: tuple[float, float] = SHARE,
) -> list[Ratio]:
    """Mean over problems of ``selection_curve_PN``, for N = 1, 2, ..; left out is a problem whose chosen response has no known value."""
    curve_PN = selection_curve_PN(score_PK, value_PK, mask_PK)
    known_PN = np.isfinite(curve_PN)
    return [
        Ratio(
            np.where(known_P, value_P, 0.0),
            known_P.astype(float),
            _definition(value, n),
            NO_VALUE,
            bounds,
        )
        for n, (value_P, known_P) in enumerate(zip(curve_PN.T, known_PN.T, strict=True), start=1)
    ]


def likelihood_curve(score_PK: Floats, logprob_PK: Floats, mask_PK: Mask) -> list[Ratio]:
    """Mean sequence log-likelihood of the chosen response under the base model against N (specification B, section 5, study 2)."""
    return selection_curve(
        score_PK, logprob_PK, mask_PK, "sequence log-likelihood (nats)", (-np.inf, 0.0)
    )


def _definition(value: str, n: int) -> str:
    return f"mean over problems of the {value} of the best-scored of {n} responses, ties shared, exactly over all subsets of the K sampled"


def _chosen_PN(score_PK: Floats, value_PK: NDArray[np.generic], mask_PK: Mask) -> Floats:
    """sum(w v) / sum(w) of finite values: responses from best to worst, each tie group at its mean, times the chances of the ranks."""
    count_P = response_counts_P(mask_PK)
    may_PK = scored_PK(score_PK, mask_PK)
    descent_PK = np.where(
        may_PK, -score_PK, np.where(mask_PK & ~may_PK.any(axis=1, keepdims=True), 0.0, np.inf)
    )
    order_PK = np.argsort(descent_PK, axis=1, kind="stable")
    descent_PK = np.take_along_axis(descent_PK, order_PK, axis=1)
    may_PK = descent_PK < np.inf
    shared_PK = np.where(
        may_PK, _tie_means_PK(np.take_along_axis(value_PK, order_PK, axis=1), descent_PK), 0.0
    )
    curve_PN = np.empty((len(count_P), int(count_P.min())))
    for count in np.unique(count_P):
        rows = np.nonzero(count_P == count)[0]
        chance_KN = best_of_chances(int(count), curve_PN.shape[1]).T
        curve_PN[rows] = (shared_PK[rows, :count] @ chance_KN) / (may_PK[rows, :count] @ chance_KN)
    return curve_PN


def _tie_means_PK(value_PK: NDArray[np.generic], sorted_PK: Floats) -> Floats:
    """Each value replaced by the mean value of its tie group: the neighbours with the same key."""
    starts_PK = np.ones(sorted_PK.shape, bool)
    starts_PK[:, 1:] = sorted_PK[:, 1:] != sorted_PK[:, :-1]
    group = np.cumsum(starts_PK) - 1
    result: Floats = (np.bincount(group, value_PK.ravel()) / np.bincount(group))[group].reshape(
        value_PK.shape
    )
    return result
