"""Accuracy, the generation-verification gap and the relative gap, problem by problem.

"Mind the Gap", Defs. 2.1 and 2.2. With K responses to a problem, J(x; f[w]) is estimated by the
self-normalised mean sum(w u) / sum(w). The quantity estimated is gap_K, the expectation at this K:
compare models at equal K only.

Axes: P problems, K responses; ragged K is masked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from strop.measure.intervals import ANYTHING, Floats, Ratio

Mask = NDArray[np.bool_]
Weigh = Callable[[Floats, Mask], Floats]
"""A function from scores and mask to weights, all (P, K)."""
SHARE = (0.0, 1.0)
"""The least and the greatest value of a share."""
ROOM = 1e-12
"""A problem with less room than this is all right: its accuracy is 1 but for rounding."""
GAP_DEFINITION = (
    "gap = accuracy of a problem's responses weighted by the verifier minus accuracy of all of "
    "them, mean over problems (gap_K of K sampled responses; Def. 2.1 of Song et al., ICLR 2025)"
)


def check_shapes(*arrays_PK: NDArray[np.generic]) -> None:
    """Raise ValueError, with the shapes, unless all arrays have one shape (P, K)."""
    shapes = [array.shape for array in arrays_PK]
    distinct = set(shapes)
    if len(distinct) != 1 or len(shapes[0]) != 2:
        raise ValueError(f"got arrays of shapes {shapes}; expected one shape (problems, responses)")


def mean_over_problems(
    value_P: Floats, definition: str, bounds: tuple[float, float] = ANYTHING
) -> Ratio:
    """Return a mean over problems. A problem whose value is NaN is left out.

    ``n`` of the estimate counts the problems that are in. ``bounds`` are the least and the greatest
    possible value.
    """
    known_P = ~np.isnan(value_P)
    above_P = np.where(known_P, value_P, 0.0)
    below_P = known_P.astype(float)
    return Ratio(above_P, below_P, definition, bounds=bounds)


def accuracy(utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """J(f): mean over problems of the mean utility of their responses, a share.

    Utilities (P, K) lie in [0, 1]; entries outside the mask are never read. Raises ValueError for
    different shapes.
    """
    definition = "mean over problems of the share of right responses"
    return mean_over_problems(accuracy_P(utility_PK, mask_PK), definition, SHARE)


def accuracy_P(utility_PK: Floats, mask_PK: Mask) -> Floats:
    """J(x; f) of each problem, the mean utility of its responses. Every problem has one or more."""
    check_shapes(utility_PK, mask_PK)
    # np.where, not a product: masked utilities are never read, and may be NaN.
    total_P = np.where(mask_PK, utility_PK, 0).sum(axis=1)
    return np.asarray(total_P / mask_PK.sum(axis=1))


def has_survivor_P(weight_PK: Floats, mask_PK: Mask) -> Mask:
    """Return which problems have a response with a weight above 0."""
    return np.asarray((np.where(mask_PK, weight_PK, 0) > 0).any(axis=1))


def effective_weights_PK(weight_PK: Floats, mask_PK: Mask) -> Floats:
    """Return the weights by which a problem's mean is taken.

    A problem without a survivor keeps all its responses at weight 1, so that its gap is 0.
    """
    has_survivor_P1 = has_survivor_P(weight_PK, mask_PK)[:, None]
    existing_PK = np.where(mask_PK, weight_PK, 0.0)
    all_kept_PK = mask_PK.astype(float)
    return np.where(has_survivor_P1, existing_PK, all_kept_PK)


def kept_accuracy_P(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> Floats:
    """J(x; f[w]) of each problem: sum(w u) / sum(w) over its responses.

    A problem without a survivor keeps all its responses at weight 1; ``has_survivor_P`` says which.
    Raises ValueError for different shapes.
    """
    check_shapes(utility_PK, weight_PK, mask_PK)
    # Self-normalised: a weight function is defined up to a factor for each problem.
    effective_PK = effective_weights_PK(weight_PK, mask_PK)
    existing_PK = np.where(mask_PK, utility_PK, 0)
    total_P = (effective_PK * existing_PK).sum(axis=1)
    return np.asarray(total_P / effective_PK.sum(axis=1))


def kept_accuracy(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> Ratio:
    """J(f[w]): mean over problems of their kept accuracy, a share."""
    kept_P = kept_accuracy_P(utility_PK, weight_PK, mask_PK)
    definition = "mean over problems of the weighted share of right responses"
    return mean_over_problems(kept_P, definition, SHARE)


def gap_P(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> Floats:
    """Return the gap of each problem, J(x; f[w]) - J(x; f): a difference of shares."""
    kept_P = kept_accuracy_P(utility_PK, weight_PK, mask_PK)
    return np.asarray(kept_P - accuracy_P(utility_PK, mask_PK))


def gap(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> Ratio:
    """gap(f, g) = J(f[w(û_g)]) - J(f), Def. 2.1.

    ``utility_PK`` is u(x, y) in [0, 1], and ``weight_PK`` the weight w >= 0 that the verifier g
    gives each response; both are (P, K). The gap is a fraction: 0.05 is 5 points.
    """
    value_P = gap_P(utility_PK, weight_PK, mask_PK)
    return mean_over_problems(value_P, GAP_DEFINITION, (-1.0, 1.0))


def relative_gap(
    utility_PK: Floats, weight_PK: Floats, mask_PK: Mask, zeros: bool = False
) -> Ratio:
    """Mean over problems of gap(x) / (1 - J(x; f)), Def. 2.2.

    A problem whose responses are all right has no room: 0/0. It is left out, or with ``zeros``
    counted as 0, a convention that drifts with K.
    """
    room_P = 1 - accuracy_P(utility_PK, mask_PK)
    has_room_P = room_P > ROOM
    # Dividing by 1 where there is no room avoids 0 / 0; those problems are set to 0 below.
    divisor_P = np.where(has_room_P, room_P, 1)
    relative_P = gap_P(utility_PK, weight_PK, mask_PK) / divisor_P
    if zeros:
        counted_P = np.ones_like(room_P)
        rule = "problems without room counted as 0"
    else:
        counted_P = has_room_P.astype(float)
        rule = "problems without room left out"
    return Ratio(
        np.where(has_room_P, relative_P, 0.0),
        counted_P,
        definition=f"mean over problems of gap / (1 - accuracy), {rule}",
        why="every response to every problem is right: no room",
        bounds=(-np.inf, 1.0),
    )


def kept_share(weight_PK: Floats, mask_PK: Mask) -> Ratio:
    """Mean over problems of the share of responses with a weight above 0.

    Counted before the rule for problems without a survivor.
    """
    check_shapes(weight_PK, mask_PK)
    kept_P = (np.where(mask_PK, weight_PK, 0) > 0).sum(axis=1)
    share_P = kept_P / mask_PK.sum(axis=1)
    return mean_over_problems(share_P, "mean over problems of the share of responses kept", SHARE)
