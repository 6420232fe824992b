"""Estimates with intervals: every number is a ratio of two sums over problems, and problems are what is resampled.

A mean over problems has 1 below; a mean over the problems that have room has their indicator below; a rate over responses has counts
above and below. So one vectorised bootstrap serves all, and numbers of one run are paired, since they share the resamples.

Axes: P problems, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strop.records import Estimate

Floats = NDArray[np.float64]
LEVEL = 0.95
RESAMPLES = 2_000
BLOCK = 250


@dataclass(frozen=True)
class Ratio:
    """sum(above_P) / sum(below_P). ``why`` is the reason to give where the sum below is 0."""

    above_P: Floats
    below_P: Floats
    definition: str
    why: str = "no problem has what this number is about"


def resample_counts(problems: int, seed: int, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """How often each problem is drawn in each of B resamples of all P with replacement: (B, P)."""
    drawn_BP = np.random.default_rng(seed).integers(problems, size=(resamples, problems))
    flat = (drawn_BP + np.arange(resamples)[:, None] * problems).ravel()
    return np.bincount(flat, minlength=resamples * problems).reshape(resamples, problems).astype(float)


def estimate(ratio: Ratio, counts_BP: Floats, level: float = LEVEL) -> Estimate:
    """The ratio with its percentile bootstrap interval."""
    if ratio.above_P.shape != ratio.below_P.shape or ratio.above_P.shape != counts_BP.shape[1:]:
        raise ValueError(
            f"sums over {ratio.above_P.shape} and {ratio.below_P.shape} problems do not fit resamples of shape {counts_BP.shape}"
        )
    below = ratio.below_P.sum()
    rests_on = int((ratio.below_P > 0).sum())
    if below == 0:
        return Estimate(None, None, None, level, 0, ratio.definition, ratio.why)
    with np.errstate(invalid="ignore", divide="ignore"):
        draws_B = (counts_BP @ ratio.above_P) / (counts_BP @ ratio.below_P)
    return from_draws(float(ratio.above_P.sum() / below), draws_B, rests_on, ratio.definition, level)


def from_draws(value: float, draws_B: Floats, rests_on: int, definition: str, level: float = LEVEL) -> Estimate:
    """An estimate from a value and its bootstrap draws; resamples in which it is undefined are left out, and too many mean no interval."""
    defined = draws_B[np.isfinite(draws_B)]
    if rests_on < 2:
        return Estimate(value, None, None, level, rests_on, definition, "an interval needs at least two problems to resample")
    if len(defined) < 0.9 * len(draws_B):
        return Estimate(value, None, None, level, rests_on, definition, "undefined in over a tenth of the resamples")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), level, rests_on, definition)
