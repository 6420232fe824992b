"""Calibration: do a verifier's scores equal the share of right responses?

Calibration curve, calibration error and Brier score of scores against utility. Responses to one
problem are alike, so the problem, not the response, is what intervals resample and what the
debiasing counts as one draw.

Axes: P problems, K responses, N scored responses of all problems, L bins, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import SHARE, Mask, check_shapes
from strop.measure.intervals import (
    LEVEL,
    Floats,
    Groups,
    Ratio,
    estimate,
    estimate_all,
    from_draws,
    no_value,
)
from strop.records import Estimate

Indices = NDArray[np.int64]
BINS = 10
NOT_PROBABILITIES = "undefined: scores are not probabilities"
_NONE_SCORED = "no response has a score"
_RIGHT = "share of right responses among those whose score lies in this bin"
_BRIER = "Brier score: mean over responses of (score - utility)^2"
_ECE = (
    "binned calibration error: mean over responses of |share right - mean score| of their bin; "
    "biased upward, most where bins are small"
)
_DEBIASED = (
    "root mean square of (share right - mean score) over bins, each square less its sampling "
    "variance over problems (after Kumar et al., 2019, with problems as the unit); 0 where nothing "
    "is left"
)


@dataclass(frozen=True)
class Bin:
    """The responses whose score lies between two bounds.

    Their mean score, the share of them that are right, and their number.
    """

    lowest: float
    highest: float
    score: float
    right: Estimate
    responses: int


@dataclass(frozen=True)
class Calibration:
    """The curve, and how far it is from the diagonal. ``unscored`` responses are left out."""

    bins: list[Bin]
    ece: Estimate
    error_debiased: Estimate
    brier: Estimate
    unscored: int


def calibration(
    score_PK: Floats,
    utility_PK: Floats,
    mask_PK: Mask,
    counts_BP: Floats,
    binning: Literal["width", "mass"] = "width",
    group_P: Groups | None = None,
) -> Calibration:
    """Return the curve in ten bins of equal width or mass, and the calibration errors.

    Scores outside [0, 1] have a bin for each level (at most 10) and no calibration error.
    ``counts_BP`` and ``group_P`` are as for ``estimate_all``. Raises ValueError for different
    shapes.
    """
    check_shapes(score_PK, utility_PK, mask_PK)
    problems = len(mask_PK)
    known_PK = mask_PK & ~np.isnan(score_PK)
    unscored = int((mask_PK & ~known_PK).sum())
    score_N = score_PK[known_PK]
    utility_N = utility_PK[known_PK]
    problem_N = np.nonzero(known_PK)[0]
    if not len(score_N):
        unknown = no_value(_ECE, _NONE_SCORED)
        return Calibration([], unknown, unknown, unknown, unscored)
    # Only scores that could be probabilities have a distance from the share of right responses.
    probabilities = bool((score_N >= 0).all() and (score_N <= 1).all())
    rule: str = binning
    if not probabilities:
        rule = "levels"
    bin_N = _bins(score_N, rule)
    count_PL = _sums_PL(np.ones_like(score_N), problem_N, bin_N, problems)
    score_sum_PL = _sums_PL(score_N, problem_N, bin_N, problems)
    right_PL = _sums_PL(utility_N, problem_N, bin_N, problems)
    bins = _curve(right_PL, count_PL, score_N, bin_N, counts_BP, group_P)
    if not probabilities:
        unknown = no_value(_ECE, NOT_PROBABILITIES)
        return Calibration(bins, unknown, unknown, unknown, unscored)
    square_N = (score_N - utility_N) ** 2
    squares_P = np.bincount(problem_N, square_N, minlength=problems).astype(float)
    brier = Ratio(squares_P, count_PL.sum(axis=1), _BRIER, bounds=SHARE)
    ece, debiased = _errors(count_PL, right_PL - score_sum_PL, counts_BP)
    brier_estimate = estimate(brier, counts_BP, group_P=group_P)
    return Calibration(bins, ece, debiased, brier_estimate, unscored)


def _bins(score_N: Floats, binning: str) -> Indices:
    """Return a bin for each response; equal scores share one."""
    if binning == "width":
        # A score of exactly 1 belongs to the last bin.
        return np.minimum((score_N * BINS).astype(np.int64), BINS - 1)
    levels, level_N = np.unique(score_N, return_inverse=True)
    if binning == "levels" and len(levels) <= BINS:
        return level_N
    # Equal mass: the deciles are the edges. Scores with few levels give fewer, distinct edges.
    shares = np.arange(1, BINS) / BINS
    edges = np.unique(np.quantile(score_N, shares))
    return np.searchsorted(edges, score_N, side="left")


def _sums_PL(value_N: Floats, problem_N: Indices, bin_N: Indices, problems: int) -> Floats:
    """Return the sum of the values of each problem in each bin."""
    # The index of each response's cell (problem, bin) in the flattened table.
    bins = int(bin_N.max()) + 1
    cell_N = problem_N * bins + bin_N
    sums = np.bincount(cell_N, value_N, minlength=problems * bins)
    return sums.reshape(problems, bins).astype(float)


def _curve(
    right_PL: Floats,
    count_PL: Floats,
    score_N: Floats,
    bin_N: Indices,
    counts_BP: Floats,
    group_P: Groups | None,
) -> list[Bin]:
    """Return the bins that hold a response."""
    ratios = {}
    for index in range(count_PL.shape[1]):
        if count_PL[:, index].any():
            ratios[index] = Ratio(right_PL[:, index], count_PL[:, index], _RIGHT, bounds=SHARE)
    rights = estimate_all(ratios, counts_BP, group_P=group_P)
    bins = []
    for index, right in rights.items():
        inside_N = score_N[bin_N == index]
        score_bin = Bin(
            lowest=float(inside_N.min()),
            highest=float(inside_N.max()),
            score=float(inside_N.mean()),
            right=right,
            responses=len(inside_N),
        )
        bins.append(score_bin)
    return bins


def _errors(count_PL: Floats, off_PL: Floats, counts_BP: Floats) -> tuple[Estimate, Estimate]:
    """Return the binned calibration error and its debiased root mean square.

    ``off_PL`` is the sum of (utility - score) of each problem in each bin. With s_l the share of
    responses in bin l and o_l their mean of utility - score, the error is sum s_l |o_l|, and the
    debiased square sum s_l (o_l^2 - var_l). The sampling variance var_l of o_l is that of a ratio
    over problems (the delta method).
    """
    contributing = int(count_PL.any(axis=1).sum())
    # Empty bins are dropped: their mean would be 0 / 0.
    count_L = count_PL.sum(axis=0)
    filled_L = count_L > 0
    count_PL = count_PL[:, filled_L]
    off_PL = off_PL[:, filled_L]
    count_L = count_L[filled_L]
    share_L = count_L / count_L.sum()
    off_L = off_PL.sum(axis=0) / count_L

    # The same in each resample. A share times a mean is a sum over the total: s |o| = |sum| / n.
    count_BL = counts_BP @ count_PL
    off_BL = counts_BP @ off_PL
    total_B = count_BL.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ece_B = np.abs(off_BL).sum(axis=1) / total_B
        square_BL = np.where(count_BL > 0, off_BL**2 / count_BL, 0)
        square_B = square_BL.sum(axis=1) / total_B
    value = float(share_L @ np.abs(off_L))
    ece = from_draws(value, ece_B, contributing, _ECE)
    if contributing < 2:
        why = "a sampling variance needs at least two problems"
        return ece, no_value(_DEBIASED, why, LEVEL, contributing)
    residual_PL = off_PL - off_L * count_PL
    squares_L = (residual_PL**2).sum(axis=0)
    variance_L = squares_L / count_L**2 * contributing / (contributing - 1)
    noise = float(share_L @ variance_L)
    square = float(share_L @ off_L**2)
    debiased = np.sqrt(max(0.0, square - noise))
    # A resample's square is too large twice: by the sample's own noise, and by that of drawing
    # from it.
    draws_B = np.sqrt(np.maximum(0, square_B - 2 * noise))
    return ece, from_draws(float(debiased), draws_B, contributing, _DEBIASED)
