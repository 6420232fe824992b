"""Best-of-N in expectation: the value of the best-scored response, for every N at once.

It follows from the order statistics of the K samples. A random N-subset of K independent responses
is N independent responses, so no subsampling is needed (specification B, section 5). Only for
pointwise scores, which do not depend on the other responses (for majority see ``measure.majority``;
a tournament has no such curve), and for a fixed number of samples (adaptive stopping breaks
exchangeability).

Axes: P problems, K responses, N size of the subset, R ranks; ragged K is masked, and N runs to the
smallest K.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import SHARE, Mask, check_shapes
from strop.measure.intervals import Floats, Ratio

NO_VALUE = "no problem has a chosen response whose value is known"
_DEFINITION = (
    "mean over problems of the {} of the best-scored of {} responses, ties shared, "
    "exactly over all subsets of the K sampled"
)


def best_of_chances(count: int, largest: int | None = None) -> Floats:
    """Return C[n - 1, r], the probability that rank r is the best of a random n-subset.

    Rank 0 is the best of ``count`` distinct scores; n = 1..``largest``. The probability is
    C(count - 1 - r, n - 1) / C(count, n), computed as a product of factors in [0, 1]: nothing
    overflows, and no digits cancel.
    """
    if largest is None:
        largest = count
    size_N1 = np.arange(1, largest + 1)[:, None]
    rank_1R = np.arange(1, count)[None, :]
    # Rank 0 is in the subset with probability n / count. Each later rank r multiplies on
    # C(count - 1 - r, n - 1) / C(count - r, n - 1) = (count - r - n + 1) / (count - r).
    free_NR = np.maximum(count - rank_1R - size_N1 + 1, 0)
    stays_NR = free_NR / (count - rank_1R)
    factor_NR = np.concatenate([size_N1 / count, stays_NR], axis=1)
    return np.asarray(np.cumprod(factor_NR, axis=1))


def response_counts_P(mask_PK: Mask) -> NDArray[np.int64]:
    """Return K of each problem.

    Raises ValueError where a problem has no response: no subset can be drawn from it.
    """
    count_P = mask_PK.sum(axis=1)
    if not count_P.size or count_P.min() == 0:
        raise ValueError(
            f"got {int((count_P == 0).sum())} of {len(count_P)} problems without any response; "
            "expected at least one response to each"
        )
    return np.asarray(count_P)


def scored_PK(score_PK: Floats, mask_PK: Mask) -> Mask:
    """Return which responses can be chosen: those with a score.

    NaN is no score, and neither is minus infinity, as which weights read NaN.
    """
    return np.asarray(mask_PK & (score_PK > -np.inf))


def selection_curve_PN(score_PK: Floats, value_PK: Floats, mask_PK: Mask) -> Floats:
    """Expected value of the best-scored response of a random N-subset, N = 1 .. smallest K.

    It is sum(w v) / sum(w), where w is the probability that the response is chosen, ties shared:
    the kept accuracy under the weight best-of:N. A response without a score is never chosen, so the
    curve is conditional on a subset that holds a scored one. A problem without any scored response
    keeps all its responses at weight 1. A value may be unknown (NaN: the log-probability of a
    truncated response); the mean is then over the chosen responses whose value is known, and NaN if
    there is none. Raises ValueError for different shapes, or a problem without a response.
    """
    check_shapes(score_PK, value_PK, mask_PK)
    known_PK = np.isfinite(value_PK)
    if known_PK.all():
        return _chosen_PN(score_PK, value_PK, mask_PK)
    total_PN = _chosen_PN(score_PK, np.where(known_PK, value_PK, 0.0), mask_PK)
    known_PN = _chosen_PN(score_PK, known_PK, mask_PK)
    with np.errstate(invalid="ignore"):
        return np.asarray(total_PN / known_PN)


def selection_curve(
    score_PK: Floats,
    value_PK: Floats,
    mask_PK: Mask,
    value: str = "utility",
    bounds: tuple[float, float] = SHARE,
) -> list[Ratio]:
    """Mean over problems of ``selection_curve_PN``, for N = 1, 2, ...

    A problem whose chosen response has no known value is left out.
    """
    curve_PN = selection_curve_PN(score_PK, value_PK, mask_PK)
    ratios = []
    for n, value_P in enumerate(curve_PN.T, start=1):
        known_P = np.isfinite(value_P)
        chosen_P = np.where(known_P, value_P, 0.0)
        definition = _DEFINITION.format(value, n)
        ratios.append(Ratio(chosen_P, known_P.astype(float), definition, NO_VALUE, bounds))
    return ratios


def likelihood_curve(score_PK: Floats, logprob_PK: Floats, mask_PK: Mask) -> list[Ratio]:
    """Mean sequence log-likelihood of the chosen response under the base model against N.

    Specification B, section 5, study 2.
    """
    return selection_curve(
        score_PK, logprob_PK, mask_PK, "sequence log-likelihood (nats)", (-np.inf, 0.0)
    )


def _chosen_PN(score_PK: Floats, value_PK: NDArray[np.generic], mask_PK: Mask) -> Floats:
    """sum(w v) / sum(w) of finite values.

    Responses are sorted from best to worst, each takes the mean value of its tie group, and the
    chances of the ranks are the weights.
    """
    count_P = response_counts_P(mask_PK)
    scorable_PK = scored_PK(score_PK, mask_PK)
    # The sort key falls with the score. In a problem without any score all responses tie at 0;
    # a response that cannot be chosen has +inf and comes last.
    all_tied_PK = mask_PK & ~scorable_PK.any(axis=1, keepdims=True)
    unscored_key_PK = np.where(all_tied_PK, 0.0, np.inf)
    key_PK = np.where(scorable_PK, -score_PK, unscored_key_PK)
    order_PK = np.argsort(key_PK, axis=1, kind="stable")
    # From here on in sorted order.
    key_PK = np.take_along_axis(key_PK, order_PK, axis=1)
    value_PK = np.take_along_axis(value_PK, order_PK, axis=1)
    scorable_PK = key_PK < np.inf
    tie_mean_PK = _tie_means_PK(value_PK, key_PK)
    shared_PK = np.where(scorable_PK, tie_mean_PK, 0.0)

    curve_PN = np.empty((len(count_P), int(count_P.min())))
    # Problems with the same K share the chances of the ranks.
    for count in np.unique(count_P):
        rows = np.nonzero(count_P == count)[0]
        chance_KN = best_of_chances(int(count), curve_PN.shape[1]).T
        weighted_PN = shared_PK[rows, :count] @ chance_KN
        # The chance that the subset holds a response that can be chosen.
        total_PN = scorable_PK[rows, :count] @ chance_KN
        curve_PN[rows] = weighted_PN / total_PN
    return curve_PN


def _tie_means_PK(value_PK: NDArray[np.generic], sorted_PK: Floats) -> Floats:
    """Replace each value by the mean value of its tie group: the neighbours with the same key."""
    # A group starts at the beginning of a row, and wherever the key changes.
    starts_PK = np.ones(sorted_PK.shape, bool)
    starts_PK[:, 1:] = sorted_PK[:, 1:] != sorted_PK[:, :-1]
    # Numbered over the flattened rows: each row starts a new group.
    group = np.cumsum(starts_PK) - 1
    total_of_group = np.bincount(group, value_PK.ravel())
    mean_of_group = total_of_group / np.bincount(group)
    return np.asarray(mean_of_group[group].reshape(value_PK.shape))
