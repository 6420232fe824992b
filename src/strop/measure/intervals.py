"""Estimates with intervals: every number is a ratio of two sums over problems, and problems are what is resampled.

A mean over problems has 1 below; a mean over the problems that have room has their indicator below; a rate over responses has counts
above and below; a difference of two such numbers goes by its influence (``difference``). So one vectorised bootstrap serves all, and
numbers of one run are paired, since they share the resamples.

The interval is studentised: the bootstrap's quantiles of (value* - value) / se*, averaged with Student's t. Student's t alone misses on the
far side where values are skewed (accuracy below 5%), the bootstrap's quantiles alone are too noisy at 50 problems; their mean covered
best of nine methods that were compared. docs/statistics.md has the table, and ``strop study coverage`` makes it again.

Axes: P problems, B resamples, E estimates.
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
FARTHEST = 2.0
"""A bootstrap quantile is taken at most this many times as far out as Student's: resamples of few problems run off to infinity."""
TOO_FEW = 10
"""Below this many effective problems an interval carries a caution."""
ANYTHING = (-np.inf, np.inf)


@dataclass(frozen=True)
class Ratio:
    """sum(above_P) / sum(below_P). ``why`` is the reason to give where the sum below is 0; ``bounds`` are the least and greatest value;
    ``caution`` says why its interval may miss however many problems there are.
    """

    above_P: Floats
    below_P: Floats
    definition: str
    why: str = "no problem has what this number is about"
    bounds: tuple[float, float] = ANYTHING
    caution: str | None = None
    problems: int | None = None
    """How many problems have a part in it, where the arrays do not show it: a number given by its influence."""

    @property
    def value(self) -> float:
        """NaN where undefined."""
        below = float(self.below_P.sum())
        return float(self.above_P.sum()) / below if below else float("nan")

    @property
    def rests_on(self) -> int:
        """How many problems have a part in it."""
        return (
            self.problems
            if self.problems is not None
            else int(((self.above_P != 0) | (self.below_P != 0)).sum())
        )

    @property
    def influence_P(self) -> Floats:
        """How far each problem moves the value, times P; their mean is 0."""
        result: Floats = (self.above_P - self.value * self.below_P) / self.below_P.mean()
        return result


def undefined(problems: int, definition: str, why: str) -> Ratio:
    """A ratio that no problem has a part in, and the reason."""
    nothing_P = np.zeros(problems)
    return Ratio(nothing_P, nothing_P, definition, why)


def difference(first: Ratio, second: Ratio, definition: str) -> Ratio:
    """first - second on the same problems: paired, since each problem moves both."""
    if first.above_P.shape != second.above_P.shape:
        raise ValueError(
            f"a paired difference needs the same problems; got {first.above_P.shape} and {second.above_P.shape}"
        )
    if np.isnan(first.value - second.value):
        return undefined(
            len(first.below_P), definition, first.why if np.isnan(first.value) else second.why
        )
    moved_P = first.value - second.value + first.influence_P - second.influence_P
    bounds = (first.bounds[0] - second.bounds[1], first.bounds[1] - second.bounds[0])
    return Ratio(
        moved_P,
        np.ones_like(moved_P),
        definition,
        bounds=bounds,
        problems=min(first.rests_on, second.rests_on),
    )


def resample_counts(
    problems: int, seed: int, resamples: int = RESAMPLES, group_P: Groups | None = None
) -> NDArray[np.float64]:
    """How often each problem is drawn in each of B resamples of all P with replacement: (B, P).

    Copies of one question, problems of one group, are drawn together: what is resampled are groups 0, 1, ...
    """
    units = problems if group_P is None else int(group_P.max()) + 1
    drawn_BU = np.random.default_rng(seed).integers(units, size=(resamples, units), dtype=np.int32)
    counts_BU = np.empty((resamples, units))
    for row, drawn in zip(counts_BU, drawn_BU, strict=True):
        row[:] = np.bincount(drawn, minlength=units)
    return counts_BU if group_P is None else counts_BU[:, group_P]


def together(ratio: Ratio, group_P: Groups | None) -> Ratio:
    """The ratio with each group's sums at its first problem and nothing at the others: one unit of resampling."""
    if group_P is None:
        return ratio
    first_G = np.unique(group_P, return_index=True)[1]
    sums = []
    for values_P in (ratio.above_P, ratio.below_P):
        gathered_P = np.zeros(len(values_P))
        gathered_P[first_G] = np.bincount(group_P, values_P)
        sums.append(gathered_P)
    problems = None if ratio.problems is None else min(ratio.problems, len(first_G))
    return replace(ratio, above_P=sums[0], below_P=sums[1], problems=problems)


def estimate(
    ratio: Ratio, counts_BP: Floats, level: float = LEVEL, group_P: Groups | None = None
) -> Estimate:
    """One ratio with its interval."""
    return estimate_all({"": ratio}, counts_BP, level, group_P)[""]


def estimate_all(
    ratios: Mapping[Key, Ratio],
    counts_BP: Floats,
    level: float = LEVEL,
    group_P: Groups | None = None,
) -> dict[Key, Estimate]:
    """Every ratio with its interval, all from the same resamples; ``group_P`` tells which problems are copies of one another."""
    for ratio in ratios.values():
        if ratio.above_P.shape != ratio.below_P.shape or ratio.above_P.shape != counts_BP.shape[1:]:
            raise ValueError(
                f"sums over {ratio.above_P.shape} and {ratio.below_P.shape} problems do not fit resamples of shape {counts_BP.shape}"
            )
    ratios = {name: together(ratio, group_P) for name, ratio in ratios.items()}
    varied = {name: ratio for name, ratio in ratios.items() if _varies(ratio)}
    intervals: dict[Key, tuple[float, float]] = {}
    for start in range(0, len(varied), BLOCK):
        names = list(varied)[start : start + BLOCK]
        above_PE = np.stack([varied[name].above_P for name in names], axis=1)
        below_PE = np.stack([varied[name].below_P for name in names], axis=1)
        rests_on_E = np.array([varied[name].rests_on for name in names])
        intervals |= dict(
            zip(
                names,
                zip(*studentised(above_PE, below_PE, rests_on_E, counts_BP, level), strict=True),
                strict=True,
            )
        )
    return {name: _estimate(ratio, intervals.get(name), level) for name, ratio in ratios.items()}


def studentised(
    above_PE: Floats,
    below_PE: Floats,
    rests_on_E: NDArray[np.int64],
    counts_BP: Floats,
    level: float = LEVEL,
) -> tuple[Floats, Floats]:
    """Lower and upper ends (E,) of the intervals of E ratios that rest on so many problems each.

    NaN where over a tenth of the resamples leave a ratio undefined.
    """
    value_E = above_PE.sum(axis=0) / below_PE.sum(axis=0)
    centred_PE = above_PE - value_E * below_PE
    square_E = (centred_PE**2).sum(axis=0)
    widen_E = np.sqrt(rests_on_E / (rests_on_E - 1))
    error_E = widen_E * np.sqrt(square_E) / np.abs(below_PE.sum(axis=0))
    student_E = np.array([_student(0.5 + level / 2, int(rests_on) - 1) for rests_on in rests_on_E])

    moved_BE = counts_BP @ centred_PE
    squares_BE = counts_BP @ centred_PE**2
    if (below_PE == 1).all():
        below_BE = np.full_like(moved_BE, len(below_PE))
        moved_BE /= below_BE
        squares_BE -= below_BE * moved_BE**2
    else:
        below_BE = counts_BP @ below_PE
        with np.errstate(invalid="ignore", divide="ignore"):
            moved_BE /= below_BE
            squares_BE += moved_BE * (
                moved_BE * (counts_BP @ below_PE**2) - 2 * (counts_BP @ (centred_PE * below_PE))
            )
    with np.errstate(invalid="ignore", divide="ignore"):
        squares_BE[squares_BE < 1e-10 * square_E] = 0
        moved_BE[np.abs(moved_BE * below_BE) < 1e-10 * np.sqrt(square_E)] = 0
        studentised_BE = moved_BE * np.abs(below_BE) / (widen_E * np.sqrt(squares_BE))
    undefined_E = np.isnan(moved_BE).mean(axis=0) > 0.1
    studentised_BE[np.isnan(studentised_BE)] = (
        0  # a resample that changes nothing, or in which the ratio is undefined
    )
    np.clip(studentised_BE, -FARTHEST * student_E, FARTHEST * student_E, out=studentised_BE)
    left_E, right_E = np.quantile(studentised_BE, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    low_E = np.where(undefined_E, np.nan, value_E - error_E * (student_E + right_E) / 2)
    high_E = np.where(undefined_E, np.nan, value_E + error_E * (student_E - left_E) / 2)
    return low_E, high_E


def from_draws(
    value: float, draws_B: Floats, rests_on: int, definition: str, level: float = LEVEL
) -> Estimate:
    """What is no ratio: the percentile interval of its draws. Undefined ones are left out; too many of them mean no interval."""
    defined = draws_B[np.isfinite(draws_B)]
    if rests_on < 2:
        return Estimate(value, None, None, level, rests_on, definition, _ONE_PROBLEM)
    if len(defined) < 0.9 * len(draws_B):
        return Estimate(value, None, None, level, rests_on, definition, _OFTEN_UNDEFINED)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), level, rests_on, definition)


@lru_cache(maxsize=4096)
def _student(p: float, df: int) -> float:
    return t_quantile(p, df)


_ONE_PROBLEM = "an interval needs at least two problems to resample"
_OFTEN_UNDEFINED = "undefined in over a tenth of the resamples"


def _varies(ratio: Ratio) -> bool:
    """Do problems differ, so that resampling them says something?"""
    if ratio.rests_on < 2 or not ratio.below_P.sum():
        return False
    centred_P = ratio.above_P - ratio.value * ratio.below_P
    return bool((np.abs(centred_P) > 1e-12 * max(1.0, np.abs(ratio.above_P).max())).any())


def _estimate(ratio: Ratio, interval: tuple[float, float] | None, level: float) -> Estimate:
    rests_on = ratio.rests_on
    if not ratio.below_P.sum():
        return Estimate(None, None, None, level, 0, ratio.definition, ratio.why)
    if rests_on < 2:
        return Estimate(ratio.value, None, None, level, rests_on, ratio.definition, _ONE_PROBLEM)
    if interval is None:
        return _without_variation(ratio, rests_on, level)
    if np.isnan(interval[0]):
        return Estimate(
            ratio.value, None, None, level, rests_on, ratio.definition, _OFTEN_UNDEFINED
        )
    low, high = np.clip(interval, *ratio.bounds)
    return Estimate(
        ratio.value,
        float(low),
        float(high),
        level,
        rests_on,
        ratio.definition,
        caution=ratio.caution or _caution(ratio),
    )


def _without_variation(ratio: Ratio, rests_on: int, level: float) -> Estimate:
    """All problems give one value. At most a share 1 - (alpha / 2)^(1/n) of all problems can differ from it, each as far as the bounds."""
    value, (least, greatest) = ratio.value, ratio.bounds
    counted_P = ratio.below_P[ratio.below_P != 0]
    if not np.isfinite([least, greatest]).all() or np.ptp(counted_P) > 0:
        why = "every problem gives the same value, so resampling them says nothing of others"
        return Estimate(value, None, None, level, rests_on, ratio.definition, why)
    others = 1 - ((1 - level) / 2) ** (1 / rests_on)
    caution = f"all {rests_on} problems give the same value: the interval says what the problems not seen could change"
    low, high = value - (value - least) * others, value + (greatest - value) * others
    return Estimate(value, low, high, level, rests_on, ratio.definition, caution=caution)


def _caution(ratio: Ratio) -> str | None:
    """Where a few problems decide the value, its interval tends to miss: their effective number is (sum z^2)^2 / sum z^4."""
    squares_P = (ratio.above_P - ratio.value * ratio.below_P) ** 2
    effective = float(squares_P.sum() ** 2 / (squares_P**2).sum())
    few = f"{effective:.0f} problem{'s' if round(effective) != 1 else ''}"
    return (
        f"rests on about {few} that differ from the rest; sample more"
        if effective < TOO_FEW
        else None
    )
