"""First-order stochastic dominance of right over wrong responses in log-probability.

Right responses dominate wrong ones if at every level x no larger share of them lies below it:
F_right(x) <= F_wrong(x) for all x ("Sharpening", Figures 1c and 6 show the two distributions). The
largest F_right(x) - F_wrong(x) measures how far that fails. Its p-value is the share of resamples,
of whole problems and centred on what was seen, in which it fails further. Both directions are
tested: the verdict is "dominates" only where the other direction is rejected and this one is not.

Pooled, a problem with likely responses of all kinds weighs on both sides; ``within_problem_PK``
compares each response with its own problem's mean.

Axes: P problems, K responses, B resamples, X levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strop.measure.gap import Mask, check_shapes
from strop.measure.intervals import Floats

LEVELS = 200
"""Levels at which the two distributions are compared: quantiles of all values."""
ALPHA = 0.05


@dataclass(frozen=True)
class Dominance:
    """The two tests of dominance.

    ``right_fails`` is the largest F_right - F_wrong, ``right_p`` the p-value of "right dominates
    wrong"; ``wrong_fails`` and ``wrong_p`` are the other way round. They are None, with ``why``,
    where there are not both kinds. ``problems`` have at least one response of either kind.
    """

    right_fails: float | None
    right_p: float | None
    wrong_fails: float | None
    wrong_p: float | None
    problems: int
    verdict: str
    why: str | None = None


def within_problem_PK(value_PK: Floats, mask_PK: Mask) -> Floats:
    """Return the values (P, K) less the mean of their problem's known values; NaN if unknown."""
    known_PK = mask_PK & np.isfinite(value_PK)
    # At least 1, so that a problem without a known value is no 0 / 0; all its entries are NaN.
    count_P1 = np.maximum(known_PK.sum(axis=1, keepdims=True), 1)
    total_P1 = np.where(known_PK, value_PK, 0).sum(axis=1, keepdims=True)
    mean_P1 = total_P1 / count_P1
    return np.where(known_PK, value_PK - mean_P1, np.nan)


def dominance(value_PK: Floats, utility_PK: Floats, mask_PK: Mask, counts_BP: Floats) -> Dominance:
    """Test the values of right responses (utility 1) against those of all others, both ways.

    Unknown values (NaN) are left out. ``counts_BP`` is as from ``resample_counts``. The verdict is
    "right dominates", "wrong dominates", "neither dominates" (both rejected), "not told apart"
    (none rejected) or "unknown". Raises ValueError for different shapes.
    """
    check_shapes(value_PK, utility_PK, mask_PK)
    known_PK = mask_PK & np.isfinite(value_PK)
    right_PK = known_PK & (utility_PK == 1)
    wrong_PK = known_PK & (utility_PK != 1)
    problems = int(known_PK.any(axis=1).sum())
    if not (right_PK.any() and wrong_PK.any()):
        why = "no response is right, or none is wrong"
        return Dominance(None, None, None, None, problems, "unknown", why)
    # Quantiles of all values: between two neighbouring ones hardly a response lies.
    shares_X = np.linspace(0, 1, LEVELS)
    levels_X = np.unique(np.quantile(value_PK[known_PK], shares_X))
    once_1P = np.ones((1, len(mask_PK)))
    seen_X = _difference_BX(value_PK, right_PK, wrong_PK, levels_X, once_1P)[0]
    drawn_BX = _difference_BX(value_PK, right_PK, wrong_PK, levels_X, counts_BP)
    # A resample without one of the two kinds says nothing.
    drawn_BX = drawn_BX[np.isfinite(drawn_BX).all(axis=1)]
    right_fails, right_p = _test(seen_X, drawn_BX)
    wrong_fails, wrong_p = _test(-seen_X, -drawn_BX)
    verdict = _verdict(right_p, wrong_p)
    return Dominance(right_fails, right_p, wrong_fails, wrong_p, problems, verdict)


def _test(seen_X: Floats, drawn_BX: Floats) -> tuple[float, float]:
    """Return how far dominance fails, and the p-value of the hypothesis that it does not."""
    fails = max(float(seen_X.max()), 0.0)
    # Centred on what was seen, the resamples show how far it could fail by chance.
    by_chance_B = (drawn_BX - seen_X).max(axis=1)
    further_B = by_chance_B >= fails
    # The sample itself counts as one more resample, so a p-value is never 0.
    return fails, float((1 + further_B.sum()) / (1 + len(further_B)))


def _difference_BX(
    value_PK: Floats, right_PK: Mask, wrong_PK: Mask, levels_X: Floats, counts_BP: Floats
) -> Floats:
    """F_right - F_wrong at every level, in each resample."""
    right_BX = _distribution_BX(value_PK, right_PK, levels_X, counts_BP)
    return right_BX - _distribution_BX(value_PK, wrong_PK, levels_X, counts_BP)


def _distribution_BX(
    value_PK: Floats, counted_PK: Mask, levels_X: Floats, counts_BP: Floats
) -> Floats:
    """Return the share of the counted responses at or below each level, in each resample."""
    # Level by level: an array (P, K, X) of all comparisons would be hundreds of times as large.
    below_PX = np.empty((len(value_PK), len(levels_X)))
    for index, level in enumerate(levels_X):
        below_PK = counted_PK & (value_PK <= level)
        below_PX[:, index] = below_PK.sum(axis=1)
    counted_P = counted_PK.sum(axis=1).astype(float)
    total_B = counts_BP @ counted_P
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((counts_BP @ below_PX) / total_B[:, None])


def _verdict(right_p: float, wrong_p: float) -> str:
    """Return which one dominates: its own direction stands, and the other one is rejected."""
    if right_p > ALPHA >= wrong_p:
        return "right dominates"
    if wrong_p > ALPHA >= right_p:
        return "wrong dominates"
    if max(right_p, wrong_p) <= ALPHA:
        return "neither dominates"
    return "not told apart"
