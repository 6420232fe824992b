"""Estimates with intervals: every number is a ratio of two sums over problems.

Problems are what is resampled. A mean over problems has 1 below; a mean over the problems that have
room has their indicator below; a rate over responses has counts above and below; a difference of
two such numbers is given by its influence (``difference``). So one vectorised bootstrap serves all
numbers, and those of one run are paired, since they share the resamples.

The interval is studentised: the bootstrap's quantiles of (value* - value) / se*, averaged with
Student's t. Student's t alone misses on the far side where values are skewed (accuracy below 5%);
the bootstrap's quantiles alone are too noisy at 50 problems. Their mean covered best of nine
methods that were compared. docs/statistics.md has the table, and ``strop study coverage`` makes it
again.

Axes: P problems, G groups of problems, B resamples, E estimates.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from strop.measure.student import t_quantile
from strop.records import Estimate

Floats = NDArray[np.float64]
Groups = NDArray[np.int64]
Key = TypeVar("Key", bound=Hashable)
LEVEL = 0.95
RESAMPLES = 2_000
BLOCK = 250
"""Estimates computed at once, so that the (B, E) arrays of a run with thousands of them fit."""
FARTHEST = 2.0
"""A bootstrap quantile is at most this many times as far out as Student's: in resamples of few
problems the standard error can be almost 0, and the quotient runs off to infinity."""
TOO_FEW = 10
"""Below this many effective problems an interval carries a caution."""
MOSTLY_DEFINED = 0.9
"""An interval needs a value in at least this share of the resamples."""
ANYTHING = (-np.inf, np.inf)
_ONE_PROBLEM = "an interval needs at least two problems to resample"
_OFTEN_UNDEFINED = "undefined in over a tenth of the resamples"


@dataclass(frozen=True)
class Ratio:
    """sum(above_P) / sum(below_P), with what an estimate says of it.

    ``why`` is the reason to give where the sum below is 0. ``bounds`` are the least and greatest
    possible value. ``caution`` says why the interval may miss however many problems there are.
    ``problems`` is the number of problems that contribute, where the arrays do not show it: for a
    number given by its influence.
    """

    above_P: Floats
    below_P: Floats
    definition: str
    why: str = "no problem has what this number is about"
    bounds: tuple[float, float] = ANYTHING
    caution: str | None = None
    problems: int | None = None

    @property
    def value(self) -> float:
        """The ratio; NaN where it is undefined."""
        below = float(self.below_P.sum())
        if not below:
            return float("nan")
        return float(self.above_P.sum()) / below

    @property
    def contributing(self) -> int:
        """The number of problems that contribute."""
        if self.problems is not None:
            return self.problems
        contributes_P = (self.above_P != 0) | (self.below_P != 0)
        return int(contributes_P.sum())

    @property
    def influence_P(self) -> Floats:
        """The distance by which each problem moves the value, times P; the mean is 0."""
        # The delta method: d(a / b) = (da - (a / b) db) / b.
        residual_P = self.above_P - self.value * self.below_P
        return np.asarray(residual_P / self.below_P.mean())


def undefined(problems: int, definition: str, why: str) -> Ratio:
    """Return a ratio to which no problem contributes, with the reason."""
    nothing_P = np.zeros(problems)
    return Ratio(nothing_P, nothing_P, definition, why)


def difference(first: Ratio, second: Ratio, definition: str) -> Ratio:
    """Return first - second on the same problems: paired, since each problem moves both.

    The result is a ratio by its influence: each problem has the difference plus what it moves of
    it, over 1. The mean is then the difference, and the spread over problems its error. It is
    undefined where one of the two is. Raises ValueError for different numbers of problems.
    """
    if first.above_P.shape != second.above_P.shape:
        raise ValueError(
            "a paired difference needs the same problems; "
            f"got {first.above_P.shape} and {second.above_P.shape}"
        )
    for ratio in (first, second):
        if np.isnan(ratio.value):
            return undefined(len(first.below_P), definition, ratio.why)
    moved_P = first.value - second.value + first.influence_P - second.influence_P
    least = first.bounds[0] - second.bounds[1]
    greatest = first.bounds[1] - second.bounds[0]
    return Ratio(
        moved_P,
        np.ones_like(moved_P),
        definition,
        bounds=(least, greatest),
        # Every problem has a sum other than 0 now: the arrays do not show which ones contribute.
        problems=min(first.contributing, second.contributing),
    )


def resample_counts(
    problems: int, seed: int, resamples: int = RESAMPLES, group_P: Groups | None = None
) -> NDArray[np.float64]:
    """Return how often each problem is drawn in each of B resamples with replacement: (B, P).

    Problems of one group (copies of one question) are drawn together: the units of resampling are
    then the groups 0, 1, ...
    """
    units = problems
    if group_P is not None:
        units = int(group_P.max()) + 1
    rng = np.random.default_rng(seed)
    drawn_BU = rng.integers(units, size=(resamples, units), dtype=np.int32)
    # Row by row: one bincount over all resamples would need a second array of this size.
    counts_BU = np.empty((resamples, units))
    for resample in range(resamples):
        counts_BU[resample] = np.bincount(drawn_BU[resample], minlength=units)
    if group_P is None:
        return counts_BU
    # Each problem is drawn as often as its group.
    return counts_BU[:, group_P]


def merge_groups(ratio: Ratio, group_P: Groups | None) -> Ratio:
    """Move each group's sums to its first problem and leave 0 at the others.

    The group is then one unit, to which both the standard error and the resamples belong.
    """
    if group_P is None:
        return ratio
    first_G = np.unique(group_P, return_index=True)[1]
    above_P = np.zeros(len(ratio.above_P))
    below_P = np.zeros(len(ratio.below_P))
    above_P[first_G] = np.bincount(group_P, ratio.above_P)
    below_P[first_G] = np.bincount(group_P, ratio.below_P)
    problems = ratio.problems
    if problems is not None:
        problems = min(problems, len(first_G))
    return replace(ratio, above_P=above_P, below_P=below_P, problems=problems)


def estimate(
    ratio: Ratio, counts_BP: Floats, level: float = LEVEL, group_P: Groups | None = None
) -> Estimate:
    """Return one ratio with its interval; arguments and errors are those of ``estimate_all``."""
    return estimate_all({"": ratio}, counts_BP, level, group_P)[""]


def estimate_all(
    ratios: Mapping[Key, Ratio],
    counts_BP: Floats,
    level: float = LEVEL,
    group_P: Groups | None = None,
) -> dict[Key, Estimate]:
    """Return every ratio with its interval, all from the same resamples.

    ``counts_BP`` is as from ``resample_counts`` with the same groups. ``group_P`` gives the group
    of each problem, where some are copies of one another. A ratio without a value gets an estimate
    with the reason. One whose problems do not differ gets an interval that allows for problems not
    seen, if it has bounds, and else none. Raises ValueError where the arrays do not fit the
    resamples.
    """
    for ratio in ratios.values():
        _check_fit(ratio, counts_BP)
    merged = {name: merge_groups(ratio, group_P) for name, ratio in ratios.items()}
    varying = [name for name, ratio in merged.items() if _varies(ratio)]
    intervals: dict[Key, tuple[float, float]] = {}
    for start in range(0, len(varying), BLOCK):
        names = varying[start : start + BLOCK]
        block = [merged[name] for name in names]
        above_PE = np.stack([ratio.above_P for ratio in block], axis=1)
        below_PE = np.stack([ratio.below_P for ratio in block], axis=1)
        contributing_E = np.array([ratio.contributing for ratio in block])
        low_E, high_E = studentised(above_PE, below_PE, contributing_E, counts_BP, level)
        for name, low, high in zip(names, low_E, high_E, strict=True):
            intervals[name] = (low, high)
    return {name: _estimate(ratio, intervals.get(name), level) for name, ratio in merged.items()}


def _check_fit(ratio: Ratio, counts_BP: Floats) -> None:
    """Raise ValueError unless the sums of a ratio are over the problems of the resamples."""
    above_shape = ratio.above_P.shape
    below_shape = ratio.below_P.shape
    if above_shape != below_shape or above_shape != counts_BP.shape[1:]:
        raise ValueError(
            f"sums over {above_shape} and {below_shape} problems "
            f"do not fit resamples of shape {counts_BP.shape}"
        )


def studentised(
    above_PE: Floats,
    below_PE: Floats,
    contributing_E: NDArray[np.int64],
    counts_BP: Floats,
    level: float = LEVEL,
) -> tuple[Floats, Floats]:
    """Return the lower and upper ends (E,) of the intervals of E ratios.

    ``contributing_E`` is the number of problems that contribute to each, at least two. The ends are
    NaN where over a tenth of the resamples leave a ratio undefined.

    The value is v = sum a / sum b, and its standard error, by the delta method,
    se = sqrt(n / (n - 1)) sqrt(sum c^2) / |sum b| with c = a - v b and n contributing problems.
    Each resample gives t* = (v* - v) / se*, and the interval is the mean of two, at level 95% the
    bootstrap's [v - se q(t*, 97.5%), v - se q(t*, 2.5%)] and Student's v -+ se t(97.5%, n - 1).
    """
    total_below_E = below_PE.sum(axis=0)
    value_E = above_PE.sum(axis=0) / total_below_E
    # A problem's contribution to the error of the ratio (the delta method); they sum to 0.
    centred_PE = above_PE - value_E * below_PE
    square_E = (centred_PE**2).sum(axis=0)
    widen_E = np.sqrt(contributing_E / (contributing_E - 1))
    error_E = widen_E * np.sqrt(square_E) / np.abs(total_below_E)
    lower = 0.5 - level / 2
    upper = 0.5 + level / 2
    student_E = np.array([_student(upper, int(problems) - 1) for problems in contributing_E])

    moved_BE, squares_BE, below_BE = _resampled(centred_PE, below_PE, counts_BP)
    with np.errstate(invalid="ignore", divide="ignore"):
        # What is left of equal contributions after subtraction is rounding, not spread.
        squares_BE[squares_BE < 1e-10 * square_E] = 0
        is_rounding_BE = np.abs(moved_BE * below_BE) < 1e-10 * np.sqrt(square_E)
        moved_BE[is_rounding_BE] = 0
        # (v* - v) / se*, with se* from the resample's own squares and sum below.
        spread_BE = widen_E * np.sqrt(squares_BE)
        studentised_BE = moved_BE * np.abs(below_BE) / spread_BE
    defined_E = (~np.isnan(moved_BE)).mean(axis=0)
    undefined_E = defined_E < MOSTLY_DEFINED
    # NaN: a resample that changes nothing (0 / 0), or in which the ratio is undefined.
    studentised_BE[np.isnan(studentised_BE)] = 0
    farthest_E = FARTHEST * student_E
    np.clip(studentised_BE, -farthest_E, farthest_E, out=studentised_BE)
    left_E, right_E = np.quantile(studentised_BE, [lower, upper], axis=0)
    # The upper quantile of the studentised values sets the lower end, and the other way round.
    low_E = value_E - error_E * (student_E + right_E) / 2
    high_E = value_E + error_E * (student_E - left_E) / 2
    low_E = np.where(undefined_E, np.nan, low_E)
    high_E = np.where(undefined_E, np.nan, high_E)
    return low_E, high_E


def _resampled(
    centred_PE: Floats, below_PE: Floats, counts_BP: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return, for each resample, the move of the ratio, its sum of squares and its sum below.

    The squares are those of contributions centred at the resample's value v* = v + moved:
    sum (c - moved b)^2 = sum c^2 - 2 moved sum c b + moved^2 sum b^2. Every sum is one product of
    the counts with a matrix (P, E), so no array (B, P, E) is ever made.
    """
    # c sums to 0 over the sample, so sum* a / sum* b - v = sum* c / sum* b.
    moved_BE = counts_BP @ centred_PE
    squares_BE = counts_BP @ centred_PE**2
    if (below_PE == 1).all():
        # A plain mean: sum c b = moved P and sum b^2 = P, so two matrix products are saved.
        below_BE = np.full_like(moved_BE, len(below_PE))
        moved_BE /= below_BE
        squares_BE -= below_BE * moved_BE**2
        return moved_BE, squares_BE, below_BE
    below_BE = counts_BP @ below_PE
    with np.errstate(invalid="ignore", divide="ignore"):
        moved_BE /= below_BE
        below_squares_BE = counts_BP @ below_PE**2
        products_BE = counts_BP @ (centred_PE * below_PE)
        squares_BE += moved_BE * (moved_BE * below_squares_BE - 2 * products_BE)
    return moved_BE, squares_BE, below_BE


def no_value(definition: str, why: str, level: float = LEVEL, contributing: int = 0) -> Estimate:
    """Return an estimate without a value, with the reason."""
    return Estimate(None, None, None, level, contributing, definition, why)


def no_interval(
    value: float, contributing: int, definition: str, why: str, level: float = LEVEL
) -> Estimate:
    """Return an estimate that has a value but no interval, with the reason."""
    return Estimate(value, None, None, level, contributing, definition, why)


def interval_around(
    value: float, reach: float, bounds: tuple[float, float] = ANYTHING
) -> tuple[float, float]:
    """Return value - reach and value + reach, cut to the bounds (least, greatest)."""
    least, greatest = bounds
    low, high = np.clip([value - reach, value + reach], least, greatest)
    return float(low), float(high)


def from_draws(
    value: float, draws_B: Floats, contributing: int, definition: str, level: float = LEVEL
) -> Estimate:
    """Return an estimate that is no ratio, with the percentile interval of its draws.

    ``draws_B`` holds its value in each resample, and ``contributing`` the number of problems behind
    it. Undefined draws (not finite) are left out; with over a tenth of them, or fewer than two
    problems, there is no interval.
    """
    defined_B = draws_B[np.isfinite(draws_B)]
    if contributing < 2:
        return no_interval(value, contributing, definition, _ONE_PROBLEM, level)
    if len(defined_B) < MOSTLY_DEFINED * len(draws_B):
        return no_interval(value, contributing, definition, _OFTEN_UNDEFINED, level)
    low, high = np.quantile(defined_B, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), level, contributing, definition)


@lru_cache(maxsize=4096)
def _student(p: float, df: int) -> float:
    return t_quantile(p, df)


def _varies(ratio: Ratio) -> bool:
    """Return True if problems differ, so that resampling them says something."""
    if ratio.contributing < 2 or not ratio.below_P.sum():
        return False
    centred_P = ratio.above_P - ratio.value * ratio.below_P
    largest = max(1.0, np.abs(ratio.above_P).max())
    rounding = 1e-12 * largest
    return bool((np.abs(centred_P) > rounding).any())


def _estimate(ratio: Ratio, interval: tuple[float, float] | None, level: float) -> Estimate:
    """Return the estimate of a ratio; ``interval`` is None where problems do not differ."""
    value = ratio.value
    definition = ratio.definition
    contributing = ratio.contributing
    if not ratio.below_P.sum():
        return no_value(definition, ratio.why, level)
    if contributing < 2:
        return no_interval(value, contributing, definition, _ONE_PROBLEM, level)
    if interval is None:
        return _without_variation(ratio, contributing, level)
    if np.isnan(interval[0]):
        return no_interval(value, contributing, definition, _OFTEN_UNDEFINED, level)
    least, greatest = ratio.bounds
    low, high = np.clip(interval, least, greatest)
    caution = ratio.caution or _caution(ratio)
    return Estimate(
        value, float(low), float(high), level, contributing, definition, caution=caution
    )


def _without_variation(ratio: Ratio, contributing: int, level: float) -> Estimate:
    """Return the interval where all problems give one value.

    At most a share 1 - (alpha / 2)^(1/n) of all problems can differ from it, each as far as the
    bounds: with a larger share, n equal ones would have been too unlikely (Clopper and Pearson).
    """
    value = ratio.value
    least, greatest = ratio.bounds
    is_bounded = np.isfinite([least, greatest]).all()
    # Problems of different weight below (a rate over responses) are not n draws of one share.
    counted_P = ratio.below_P[ratio.below_P != 0]
    if not is_bounded or np.ptp(counted_P) > 0:
        why = "every problem gives the same value, so resampling shows no spread"
        return no_interval(value, contributing, ratio.definition, why, level)
    each_tail = (1 - level) / 2
    others = 1 - each_tail ** (1 / contributing)
    low = value - (value - least) * others
    high = value + (greatest - value) * others
    caution = (
        f"all {contributing} problems give the same value: "
        "the interval allows for problems not seen that differ"
    )
    return Estimate(value, low, high, level, contributing, ratio.definition, caution=caution)


def _caution(ratio: Ratio) -> str | None:
    """Return a caution where a few problems decide the value: its interval tends to miss.

    The effective number of problems is (sum z^2)^2 / sum z^4, with z their contributions.
    """
    squares_P = (ratio.above_P - ratio.value * ratio.below_P) ** 2
    effective = float(squares_P.sum() ** 2 / (squares_P**2).sum())
    if effective >= TOO_FEW:
        return None
    noun = "problems"
    if round(effective) == 1:
        noun = "problem"
    return f"rests on about {effective:.0f} {noun} that differ from the rest; sample more"
