"""Correlations of two verifiers' scores: Pearson and Spearman, within problems and pooled.

Within problems is what a per-problem filter can use; pooled also rewards agreement on which
problems are easy ("Mind the Gap", section 6.2).

Axes: P problems, K responses, N scored responses of all problems, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from strop.measure.gap import Mask, check_shapes
from strop.measure.intervals import Floats, Groups, Ratio, estimate_all, undefined
from strop.measure.ranks import midranks_PK
from strop.records import Estimate

Pair = tuple[str, str]
_RANGE = (-1.0, 1.0)
_CONSTANT = "in every problem one of the two scores is constant"
_POOLED_CONSTANT = "one of the two scores is constant, or fewer than two responses have both"
_POOLED = "correlation over the responses of all problems"


@dataclass(frozen=True)
class Correlation:
    """Two verifiers on the same responses.

    Estimates by name, the number of problems in which one of the scores is constant, and the number
    of responses that one of the two left unscored.
    """

    estimates: dict[str, Estimate]
    constant: int
    unscored: int


@dataclass(frozen=True)
class _Ranked:
    """A verifier's scores, which responses have one, and their ranks within problems and pooled."""

    score_PK: Floats
    known_PK: Mask
    within_PK: Floats
    pooled_PK: Floats

    @classmethod
    def of(cls, score_PK: Floats, mask_PK: Mask) -> _Ranked:
        """Rank the scores of one verifier."""
        check_shapes(score_PK, mask_PK)
        known_PK = mask_PK & ~np.isnan(score_PK)
        within_PK = midranks_PK(score_PK, known_PK)
        return cls(score_PK, known_PK, within_PK, _pooled_ranks(score_PK, known_PK))


def correlations(
    score_of: Mapping[str, Floats], mask_PK: Mask, counts_BP: Floats, group_P: Groups | None = None
) -> dict[Pair, Correlation]:
    """Return the correlations of every pair of verifiers, in the order given.

    Each has ``pearson`` and ``spearman`` within problems, ``pearson_pooled`` and
    ``spearman_pooled`` over all responses. NaN scores are left out pair by pair. ``score_of`` holds
    the scores (P, K) by verifier; ``counts_BP`` and ``group_P`` are as for ``estimate_all``. Raises
    ValueError where scores and mask have different shapes.
    """
    ranked = {name: _Ranked.of(score_PK, mask_PK) for name, score_PK in score_of.items()}
    ratios: dict[tuple[Pair, str], Ratio] = {}
    unscored: dict[Pair, int] = {}
    for pair in combinations(ranked, 2):
        first, second = _jointly(ranked[pair[0]], ranked[pair[1]])
        unscored[pair] = int((mask_PK & ~first.known_PK).sum())
        for name, ratio in _ratios(first, second).items():
            ratios[pair, name] = ratio
    estimates: dict[Pair, dict[str, Estimate]] = {pair: {} for pair in unscored}
    for (pair, name), value in estimate_all(ratios, counts_BP, group_P=group_P).items():
        estimates[pair][name] = value
    result = {}
    for pair, values in estimates.items():
        constant = int((ratios[pair, "pearson"].below_P == 0).sum())
        result[pair] = Correlation(values, constant, unscored[pair])
    return result


def _jointly(first: _Ranked, second: _Ranked) -> tuple[_Ranked, _Ranked]:
    """Restrict both to the responses that both have scored; rank anew where that changes any."""
    if (first.known_PK == second.known_PK).all():
        return first, second
    known_PK = first.known_PK & second.known_PK
    first = _Ranked.of(first.score_PK, known_PK)
    second = _Ranked.of(second.score_PK, known_PK)
    return first, second


def _ratios(first: _Ranked, second: _Ranked) -> dict[str, Ratio]:
    """Return the four correlations of two verifiers that have scored the same responses."""
    known_PK = first.known_PK
    return {
        "pearson": _within(first.score_PK, second.score_PK, known_PK, "Pearson"),
        "spearman": _within(first.within_PK, second.within_PK, known_PK, "Spearman"),
        "pearson_pooled": _pooled(first.score_PK, second.score_PK, known_PK, f"Pearson {_POOLED}"),
        "spearman_pooled": _pooled(
            first.pooled_PK,
            second.pooled_PK,
            known_PK,
            f"Spearman {_POOLED}, ranks of the whole sample taken once",
        ),
    }


def _within(first_PK: Floats, second_PK: Floats, known_PK: Mask, coefficient: str) -> Ratio:
    """Mean over problems of the correlation within the problem."""
    first_PK = _centred(first_PK, known_PK)
    second_PK = _centred(second_PK, known_PK)
    # r = sum(x y) / sqrt(sum x^2 sum y^2) of the deviations x and y.
    product_P = (first_PK * second_PK).sum(axis=1)
    first_square_P = (first_PK**2).sum(axis=1)
    second_square_P = (second_PK**2).sum(axis=1)
    spread_P = np.sqrt(first_square_P * second_square_P)
    # Where one of the two is constant there is no correlation: the value is 0 and not counted.
    varies_P = spread_P > 0
    value_P = product_P / np.where(varies_P, spread_P, 1)
    definition = (
        f"mean over problems of the {coefficient} correlation of two verifiers' scores, "
        "problems constant in either left out"
    )
    return Ratio(value_P, varies_P.astype(float), definition, _CONSTANT, _RANGE)


def _centred(score_PK: Floats, known_PK: Mask) -> Floats:
    """Return deviations from the problem's mean, 0 where unknown.

    They are exactly 0 where all scores of the problem are equal, so that such a problem counts as
    constant. The scale is arbitrary: a correlation does not depend on it.
    """
    score_PK = np.where(known_PK, score_PK, 0.0)
    # Scaled to at most 1, since squares of extreme scores would not be finite. A problem of
    # zeros is divided by 1.
    largest_P1 = np.abs(score_PK).max(axis=1, keepdims=True, initial=0)
    all_zero_P1 = (score_PK == 0).all(axis=1, keepdims=True)
    score_PK = score_PK / (largest_P1 + all_zero_P1)
    count_P1 = np.maximum(known_PK.sum(axis=1, keepdims=True), 1)
    mean_P1 = score_PK.sum(axis=1, keepdims=True) / count_P1
    deviation_PK = np.where(known_PK, score_PK - mean_P1, 0.0)
    # The mean of equal scores can differ from them in the last digits: that is no deviation.
    largest_P1 = np.abs(score_PK).max(axis=1, keepdims=True, initial=0)
    is_rounding_PK = np.abs(deviation_PK) <= 1e-12 * largest_P1
    constant_P = is_rounding_PK.all(axis=1)
    deviation_PK[constant_P] = 0
    return deviation_PK


def _pooled(first_PK: Floats, second_PK: Floats, known_PK: Mask, definition: str) -> Ratio:
    """Correlation over all responses, given by its influence.

    A response moves r by z z' - r (z^2 + z'^2) / 2, a problem by the sum over its responses.
    """
    problems = len(known_PK)
    first_N = first_PK[known_PK]
    second_N = second_PK[known_PK]
    if len(first_N) < 2 or np.ptp(first_N) == 0 or np.ptp(second_N) == 0:
        return undefined(problems, definition, _POOLED_CONSTANT)
    # z and z', with mean 0 and standard deviation 1: r is the mean of z z'.
    first_N = _standardised(first_N)
    second_N = _standardised(second_N)
    product_N = first_N * second_N
    # Rounding can leave a correlation a hair beyond 1.
    value = float(np.clip(product_N.mean(), -1, 1))
    moves_N = product_N - value * (first_N**2 + second_N**2) / 2
    problem_N = np.nonzero(known_PK)[0]
    total_P = np.bincount(problem_N, moves_N, minlength=problems)
    # Moves are shares of all responses; the ratio below is a mean over problems.
    moves_P = np.asarray(total_P * problems / len(first_N), dtype=float)
    return Ratio(
        value + moves_P,
        np.ones(problems),
        definition,
        bounds=_RANGE,
        problems=int(known_PK.any(axis=1).sum()),
    )


def _standardised(score_N: Floats) -> Floats:
    """Return the scores with mean 0 and standard deviation 1."""
    # Scaled first: squares of extreme scores would not be finite.
    score_N = score_N / np.abs(score_N).max()
    return np.asarray((score_N - score_N.mean()) / score_N.std())


def _pooled_ranks(score_PK: Floats, known_PK: Mask) -> Floats:
    """Return the mid-rank of each known score among those of all problems, NaN elsewhere."""
    rank_PK = np.full(score_PK.shape, np.nan)
    _, level_N, count_L = np.unique(score_PK[known_PK], return_inverse=True, return_counts=True)
    # A level's responses have the ranks up to the running count; the mean of these is its middle.
    last_rank_L = count_L.cumsum()
    midrank_L = last_rank_L - (count_L - 1) / 2
    rank_PK[known_PK] = midrank_L[level_N]
    return rank_PK
