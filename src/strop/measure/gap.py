"""Accuracy, the generation-verification gap and the relative gap ("Mind the Gap", Defs. 2.1 and 2.2), problem by problem.

With K responses to a problem, J(x; f[w]) is estimated by the self-normalised mean sum(w u) / sum(w). What is estimated is gap_K, the
expectation at this K: compare models at equal K only.

Axes: P problems, K responses; ragged K is masked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strop.measure.intervals import ANYTHING, Floats, Ratio

Mask = NDArray[np.bool_]
SHARE = (0.0, 1.0)


def check_shapes(*arrays_PK: NDArray[np.generic]) -> None:
    """All of one shape (P, K)? Raises ValueError that prints the shapes."""
    shapes = [array.shape for array in arrays_PK]
    if len(set(shapes)) != 1 or len(shapes[0]) != 2:
        raise ValueError(f"got arrays of shapes {shapes}; expected one shape (problems, responses)")


def mean_over_problems(
    value_P: Floats, definition: str, bounds: tuple[float, float] = ANYTHING
) -> Ratio:
    """A mean over problems; one whose value is NaN is left out (``n`` of the estimate counts those that are in)."""
    known_P = ~np.isnan(value_P)
    return Ratio(np.where(known_P, value_P, 0.0), known_P.astype(float), definition, bounds=bounds)


def accuracy(utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """J(f): mean over problems of the mean utility of their responses."""
    return mean_over_problems(
        accuracy_P(utility_PK, mask_PK), "mean over problems of the share of right responses", SHARE
    )


def accuracy_P(utility_PK: Floats, mask_PK: Mask) -> Floats:
    """J(x; f) of each problem."""
    check_shapes(utility_PK, mask_PK)
    result: Floats = np.where(mask_PK, utility_PK, 0).sum(axis=1) / mask_PK.sum(axis=1)
    return result


def has_survivor_P(weight_PK: Floats, mask_PK: Mask) -> Mask:
    """Does any response of the problem weigh more than 0?"""
    return np.asarray((np.where(mask_PK, weight_PK, 0) > 0).any(axis=1))


def kept_accuracy_P(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> Floats:
    """J(x; f[w]) of each problem; one without a survivor keeps all its responses at weight 1 (count them: ``has_survivor_P``)."""
    check_shapes(utility_PK, weight_PK, mask_PK)
    effective_PK = np.where(
        has_survivor_P(weight_PK, mask_PK)[:, None],
        np.where(mask_PK, weight_PK, 0),
        mask_PK.astype(float),
    )
    result: Floats = (effective_PK * np.where(mask_PK, utility_PK, 0)).sum(
        axis=1
    ) / effective_PK.sum(axis=1)
    return result


def kept_accuracy(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> Ratio:
    """J(f[w])."""
    kept_P = kept_accuracy_P(utility_PK, weight_PK, mask_PK)
    return mean_over_problems(
        kept_P, "mean over problems of the weighted share of right responses", SHARE
    )


def gap_P(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> Floats:
    """The gap of each problem."""
    result: Floats = kept_accuracy_P(utility_PK, weight_PK, mask_PK) - accuracy_P(
        utility_PK, mask_PK
    )
    return result


def gap(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> Ratio:
    """gap(f, g) = J(f[w(û_g)]) - J(f), Def. 2.1."""
    return mean_over_problems(gap_P(utility_PK, weight_PK, mask_PK), GAP_DEFINITION, (-1.0, 1.0))


def relative_gap(
    utility_PK: Floats, weight_PK: Floats, mask_PK: Mask, zeros: bool = False
) -> Ratio:
    """Mean over problems of gap(x) / (1 - J(x; f)), Def. 2.2.

    A problem whose responses are all right has no room: 0/0. It is left out, or with ``zeros`` counted as 0, which drifts with K.
    """
    before_P = accuracy_P(utility_PK, mask_PK)
    room_P = 1 - before_P
    has_room_P = room_P > 1e-12
    ratio_P = np.where(
        has_room_P,
        (kept_accuracy_P(utility_PK, weight_PK, mask_PK) - before_P)
        / np.where(has_room_P, room_P, 1),
        0.0,
    )
    counted_P = np.ones_like(room_P) if zeros else has_room_P.astype(float)
    rule = "problems without room counted as 0" if zeros else "problems without room left out"
    why = "every response to every problem is right: no room"
    return Ratio(
        ratio_P,
        counted_P,
        f"mean over problems of gap / (1 - accuracy), {rule}",
        why,
        (-np.inf, 1.0),
    )


def kept_share(weight_PK: Floats, mask_PK: Mask) -> Ratio:
    """Mean over problems of the share of responses with a weight above 0, before the rule for problems without a survivor."""
    check_shapes(weight_PK, mask_PK)
    share_P = (np.where(mask_PK, weight_PK, 0) > 0).sum(axis=1) / mask_PK.sum(axis=1)
    return mean_over_problems(share_P, "mean over problems of the share of responses kept", SHARE)


GAP_DEFINITION = (
    "gap = accuracy of a problem's responses weighted by the verifier minus accuracy of all of them, mean over problems "
    "(gap_K of K sampled responses; Def. 2.1 of Song et al., ICLR 2025)"
)
