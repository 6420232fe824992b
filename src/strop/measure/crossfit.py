"""Choosing a verifier, weight or threshold, and judging the choice on problems that had no part in it.

Axes: P problems, C candidates, F folds, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from strop.measure.intervals import ANYTHING, LEVEL, Floats, Ratio, estimate, from_draws
from strop.measure.student import t_quantile
from strop.records import Estimate

Indices = NDArray[np.int64]
NEEDS_LABELS = (
    "choosing used the reference answers of the other folds: it is no longer free of labels"
)


@dataclass(frozen=True)
class Crossfit:
    """The value of choosing, honest and in-sample; which candidate each fold's outside chose, and which all data choose."""

    crossfitted: Estimate
    in_sample: Estimate
    chosen_F: Indices
    chosen: int | None
    note: str = NEEDS_LABELS


def balanced_folds(
    problems: int, folds: int, seed: int, group_P: NDArray[np.generic] | None = None
) -> Indices:
    """A random fold for each problem; problems of one group share a fold. Each group goes to the fold that holds the fewest problems."""
    if folds < 2:
        raise ValueError(f"cross-fitting needs at least 2 folds; got {folds}")
    _, group = np.unique(np.arange(problems) if group_P is None else group_P, return_inverse=True)
    size_G = np.bincount(group)
    order_G = np.random.default_rng(seed).permutation(len(size_G))
    order_G = order_G[np.argsort(-size_G[order_G], kind="stable")]
    fold_G, held_F = np.empty(len(size_G), dtype=np.int64), np.zeros(folds)
    for index in order_G:
        fold_G[index] = held_F.argmin()
        held_F[fold_G[index]] += size_G[index]
    return fold_G[group]


def crossfit(
    choose_PC: Floats,
    judge_PC: Floats,
    folds_P: Indices,
    counts_BP: Floats,
    bounds: tuple[float, float] = ANYTHING,
) -> Crossfit:
    """In each fold judge the candidate with the largest mean over the other folds (ties: the first). NaN values are left out of means.

    The in-sample maximum's bootstrap repeats the maximum. ``judge_PC`` may be another model's values on the same problems: then the value
    is that of a choice carried over to it.
    """
    if choose_PC.shape != judge_PC.shape or len(choose_PC) != len(folds_P):
        raise ValueError(
            f"got values {choose_PC.shape} and {judge_PC.shape} and folds {folds_P.shape}; expected (P, C) twice and (P,)"
        )
    folds = int(folds_P.max()) + 1 if len(folds_P) else 0
    once_1P = np.ones((1, len(folds_P)))
    chosen_F = np.array(
        [_best(*_sums(choose_PC, once_1P * (folds_P != fold)))[0] for fold in range(folds)],
        dtype=np.int64,
    )
    judged_P = np.take_along_axis(judge_PC, np.maximum(chosen_F, 0)[folds_P][:, None], axis=1)[:, 0]
    known_P = ~np.isnan(judged_P) & (chosen_F[folds_P] >= 0)
    definition = f"mean over problems of the candidate that did best on the other {folds - 1} of {folds} folds (cross-fitted)"
    ratio = Ratio(
        np.where(known_P, judged_P, 0.0),
        known_P.astype(float),
        definition,
        "no candidate could be chosen and judged",
        bounds,
    )
    chosen = int(_best(*_sums(choose_PC, once_1P))[0]) if folds else -1
    in_sample = _in_sample(choose_PC, judge_PC, counts_BP)
    return Crossfit(
        _interval(ratio, choose_PC, judge_PC, folds_P, counts_BP),
        in_sample,
        chosen_F,
        chosen if chosen >= 0 else None,
    )


def _sums(values_PC: Floats, counts_BP: Floats) -> tuple[Floats, Floats]:
    """Sum of the known values of each candidate in each resample, and how many they are: (B, C) twice."""
    known_PC = ~np.isnan(values_PC)
    if known_PC.all():
        above_BC: Floats = counts_BP @ values_PC
        return above_BC, np.broadcast_to(counts_BP.sum(axis=1, keepdims=True), above_BC.shape)
    return counts_BP @ np.where(known_PC, values_PC, 0.0), counts_BP @ known_PC.astype(float)


def _best(above_BC: Floats, below_BC: Floats) -> Indices:
    """The candidate with the largest mean in each resample, the first of equals; -1 where none has one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means_BC = np.where(below_BC > 0.5, np.round(above_BC / below_BC, 12), -np.inf)
    return np.where((means_BC > -np.inf).any(axis=1), means_BC.argmax(axis=1), -1)


def _chosen(best_B: Indices, values_BC: Floats) -> Floats:
    """Of each resample the value of its best candidate; 0 where it has none."""
    return np.where(
        best_B < 0, 0.0, np.take_along_axis(values_BC, np.maximum(best_B, 0)[:, None], axis=1)[:, 0]
    )


def repeated_selection(
    choose_PC: Floats, judge_PC: Floats, folds_P: Indices, counts_BP: Floats
) -> Floats:
    """The cross-fitted value of each resample (B,), the choice made anew in each; copies of a problem stay in its fold."""
    above_B, below_B = np.zeros(len(counts_BP)), np.zeros(len(counts_BP))
    total_BC, known_BC = _sums(choose_PC, counts_BP)
    for fold in range(int(folds_P.max()) + 1):
        inside_P = folds_P == fold
        own_counts_BP = counts_BP[:, inside_P]
        own_BC, own_known_BC = _sums(choose_PC[inside_P], own_counts_BP)
        best_B = _best(total_BC - own_BC, known_BC - own_known_BC)
        judged_BC, judged_known_BC = (
            (own_BC, own_known_BC)
            if judge_PC is choose_PC
            else _sums(judge_PC[inside_P], own_counts_BP)
        )
        above_B += _chosen(best_B, judged_BC)
        below_B += _chosen(best_B, judged_known_BC)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(above_B / below_B)


def _in_sample(choose_PC: Floats, judge_PC: Floats, counts_BP: Floats) -> Estimate:
    definition = "mean of the candidate that did best on these same problems: in-sample, optimistic"
    once_1P = np.ones((1, len(choose_PC)))
    value = _judged(choose_PC, judge_PC, once_1P)[0]
    if np.isnan(value):
        return Estimate(
            None, None, None, LEVEL, 0, definition, "no candidate could be chosen and judged"
        )
    best = _best(*_sums(choose_PC, once_1P))[0]
    rests_on = int((~np.isnan(judge_PC[:, best])).sum())
    return from_draws(float(value), _judged(choose_PC, judge_PC, counts_BP), rests_on, definition)


def _judged(choose_PC: Floats, judge_PC: Floats, counts_BP: Floats) -> Floats:
    best_B = _best(*_sums(choose_PC, counts_BP))
    above_BC, below_BC = _sums(judge_PC, counts_BP)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(_chosen(best_B, above_BC) / _chosen(best_B, below_BC))


def _interval(
    ratio: Ratio, choose_PC: Floats, judge_PC: Floats, folds_P: Indices, counts_BP: Floats
) -> Estimate:
    """value ± t sd of the repeated selections.

    In simulated worlds (one winner, two near, all equal) it covered the expectation of the whole procedure at least 95 times in 100; t on
    the held-out values alone, which forgets that the choice is chance, covered 85 to 92 where candidates are alike.
    """
    plain = estimate(ratio, counts_BP)
    if plain.value is None or plain.n < 2:
        return plain
    draws_B = repeated_selection(choose_PC, judge_PC, folds_P, counts_BP)
    known_B = draws_B[np.isfinite(draws_B)]
    if len(known_B) < max(2.0, 0.9 * len(draws_B)):
        return replace(plain, low=None, high=None, why="undefined in over a tenth of the resamples")
    if np.ptp(known_B) == 0:
        return plain
    reach = t_quantile(0.5 + LEVEL / 2, plain.n - 1.0) * float(known_B.std(ddof=1))
    low, high = np.clip([plain.value - reach, plain.value + reach], *ratio.bounds)
    return replace(plain, low=float(low), high=float(high), why=None)
