"""Do scores mean what they say? Calibration curve, calibration error and Brier score of a verifier's scores against utility.

Responses of one problem are alike, so the problem, not the response, is what intervals resample and what the debiasing counts as one draw.

Axes: P problems, L bins, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import SHARE, Mask, check_shapes
from strop.measure.intervals import LEVEL, Floats, Groups, Ratio, estimate, estimate_all, from_draws
from strop.records import Estimate

BINS = 10
NOT_PROBABILITIES = "undefined: scores are not probabilities"
_NONE_SCORED = "no response has a score"


@dataclass(frozen=True)
class Bin:
    """The responses whose score lies between two bounds: their mean score, the share of them that are right, and how many they are."""

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
    """Ten bins of equal width or of equal mass; for scores outside [0, 1] a bin for each level (at most 10) and no calibration error."""
    check_shapes(score_PK, utility_PK, mask_PK)
    known_PK = mask_PK & ~np.isnan(score_PK)
    unscored = int((mask_PK & ~known_PK).sum())
    score_N, problem_N = score_PK[known_PK], np.nonzero(known_PK)[0]
    if not len(score_N):
        nothing = Estimate(None, None, None, LEVEL, 0, _ECE, _NONE_SCORED)
        return Calibration([], nothing, nothing, nothing, unscored)
    probabilities = bool((score_N >= 0).all() and (score_N <= 1).all())
    bin_N = _bins(score_N, binning if probabilities else "levels")
    tables = [
        _per_problem(values, problem_N, bin_N, len(mask_PK))
        for values in (np.ones_like(score_N), score_N, utility_PK[known_PK])
    ]
    count_PL, sum_PL, right_PL = tables
    bins = _curve(right_PL, count_PL, score_N, bin_N, counts_BP, group_P)
    if not probabilities:
        undefined = Estimate(None, None, None, LEVEL, 0, _ECE, NOT_PROBABILITIES)
        return Calibration(bins, undefined, undefined, undefined, unscored)
    squares_P = np.bincount(
        problem_N, (score_N - utility_PK[known_PK]) ** 2, minlength=len(mask_PK)
    ).astype(float)
    brier = Ratio(
        squares_P,
        count_PL.sum(axis=1),
        "Brier score: mean over responses of (score - utility)^2",
        bounds=SHARE,
    )
    ece, debiased = _errors(count_PL, right_PL - sum_PL, counts_BP)
    return Calibration(bins, ece, debiased, estimate(brier, counts_BP, group_P=group_P), unscored)


_ECE = "binned calibration error: mean over responses of |share right - mean score| of their bin; biased upward, most where bins are small"
_DEBIASED = (
    "root mean square of (share right - mean score) over bins, each square less its sampling variance over problems "
    "(after Kumar et al., 2019, with problems as the unit); 0 where nothing is left"
)


def _bins(score_N: Floats, binning: str) -> NDArray[np.int64]:
    """A bin for each response; equal scores share one."""
    if binning == "width":
        return np.minimum((score_N * BINS).astype(np.int64), BINS - 1)
    levels, level_N = np.unique(score_N, return_inverse=True)
    if binning == "levels" and len(levels) <= BINS:
        return level_N
    return np.searchsorted(
        np.unique(np.quantile(score_N, np.arange(1, BINS) / BINS)), score_N, side="left"
    )


def _per_problem(
    value_N: Floats, problem_N: NDArray[np.int64], bin_N: NDArray[np.int64], problems: int
) -> Floats:
    bins = int(bin_N.max()) + 1
    return (
        np.bincount(problem_N * bins + bin_N, value_N, minlength=problems * bins)
        .reshape(problems, bins)
        .astype(float)
    )


def _curve(
    right_PL: Floats,
    count_PL: Floats,
    score_N: Floats,
    bin_N: NDArray[np.int64],
    counts_BP: Floats,
    group_P: Groups | None,
) -> list[Bin]:
    filled = [index for index in range(count_PL.shape[1]) if count_PL[:, index].any()]
    definition = "share of right responses among those whose score lies in this bin"
    rights = estimate_all(
        {str(i): Ratio(right_PL[:, i], count_PL[:, i], definition, bounds=SHARE) for i in filled},
        counts_BP,
        group_P=group_P,
    )
    result = []
    for i in filled:
        inside = score_N[bin_N == i]
        result.append(
            Bin(
                float(inside.min()),
                float(inside.max()),
                float(inside.mean()),
                rights[str(i)],
                len(inside),
            )
        )
    return result


def _errors(count_PL: Floats, off_PL: Floats, counts_BP: Floats) -> tuple[Estimate, Estimate]:
    rests_on = int(count_PL.any(axis=1).sum())
    count_L = count_PL.sum(axis=0)
    filled_L = count_L > 0
    count_PL, off_PL, count_L = count_PL[:, filled_L], off_PL[:, filled_L], count_L[filled_L]
    share_L, off_L = count_L / count_L.sum(), off_PL.sum(axis=0) / count_L
    count_BL, off_BL = counts_BP @ count_PL, counts_BP @ off_PL
    with np.errstate(invalid="ignore", divide="ignore"):
        ece_B = np.abs(off_BL).sum(axis=1) / count_BL.sum(axis=1)
        square_B = np.where(count_BL > 0, off_BL**2 / count_BL, 0).sum(axis=1) / count_BL.sum(
            axis=1
        )
    ece = from_draws(float(share_L @ np.abs(off_L)), ece_B, rests_on, _ECE)
    if rests_on < 2:
        return ece, Estimate(
            None,
            None,
            None,
            LEVEL,
            rests_on,
            _DEBIASED,
            "a sampling variance needs at least two problems",
        )
    variance_L = (
        ((off_PL - off_L * count_PL) ** 2).sum(axis=0) / count_L**2 * rests_on / (rests_on - 1)
    )
    # A resample's square is too large twice: by the sample's own noise, and by that of drawing from it.
    noise = float(share_L @ variance_L)
    value = np.sqrt(max(0.0, float(share_L @ off_L**2) - noise))
    return ece, from_draws(
        float(value), np.sqrt(np.maximum(0, square_B - 2 * noise)), rests_on, _DEBIASED
    )
