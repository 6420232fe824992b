"""How alike are two verifiers? Pearson and Spearman correlations of their scores, within problems and pooled.

Within a problem is what a per-problem filter can use; pooled rewards agreeing on which problems are easy ("Mind the Gap", section 6.2).

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

_RANGE = (-1.0, 1.0)
_CONSTANT = "in every problem one of the two scores is constant"


@dataclass(frozen=True)
class Correlation:
    """Two verifiers on the same responses: estimates by name, the problems constant in one, the responses that one left unscored."""

    estimates: dict[str, Estimate]
    constant: int
    unscored: int


@dataclass(frozen=True)
class _Ranked:
    """A verifier's scores, which responses have one, and their ranks within problems and over all."""

    score_PK: Floats
    known_PK: Mask
    within_PK: Floats
    pooled_PK: Floats

    @classmethod
    def of(cls, score_PK: Floats, mask_PK: Mask) -> _Ranked:
        check_shapes(score_PK, mask_PK)
        known_PK = mask_PK & ~np.isnan(score_PK)
        return cls(
            score_PK, known_PK, midranks_PK(score_PK, known_PK), _pooled_ranks(score_PK, known_PK)
        )


def correlations(
    score_of: Mapping[str, Floats], mask_PK: Mask, counts_BP: Floats, group_P: Groups | None = None
) -> dict[tuple[str, str], Correlation]:
    """Every pair of verifiers, in the order given; NaN scores are left out pair by pair."""
    ranked = {name: _Ranked.of(score_PK, mask_PK) for name, score_PK in score_of.items()}
    pairs = {
        (one, other): _jointly(ranked[one], ranked[other]) for one, other in combinations(ranked, 2)
    }
    ratios = {
        (pair, name): ratio
        for pair, both in pairs.items()
        for name, ratio in _ratios(*both).items()
    }
    estimates = estimate_all(ratios, counts_BP, group_P=group_P)
    return {
        pair: Correlation(
            {name: value for (owner, name), value in estimates.items() if owner == pair},
            constant=int((ratios[pair, "pearson"].below_P == 0).sum()),
            unscored=int((mask_PK & ~one.known_PK).sum()),
        )
        for pair, (one, _) in pairs.items()
    }


def correlation(one_PK: Floats, other_PK: Floats, mask_PK: Mask, counts_BP: Floats) -> Correlation:
    """``pearson`` and ``spearman`` within problems, ``pearson_pooled`` and ``spearman_pooled`` over all responses."""
    return correlations({"one": one_PK, "other": other_PK}, mask_PK, counts_BP)["one", "other"]


def _jointly(one: _Ranked, other: _Ranked) -> tuple[_Ranked, _Ranked]:
    """Both over the responses that both have scored, ranked anew where one has left some out."""
    if (one.known_PK == other.known_PK).all():
        return one, other
    known_PK = one.known_PK & other.known_PK
    return _Ranked.of(one.score_PK, known_PK), _Ranked.of(other.score_PK, known_PK)


def _ratios(one: _Ranked, other: _Ranked) -> dict[str, Ratio]:
    known_PK, once = one.known_PK, ", ranks of the whole sample taken once"
    pooled = "correlation over the responses of all problems"
    return {
        "pearson": _within(one.score_PK, other.score_PK, known_PK, "Pearson"),
        "spearman": _within(one.within_PK, other.within_PK, known_PK, "Spearman"),
        "pearson_pooled": _pooled(one.score_PK, other.score_PK, known_PK, f"Pearson {pooled}"),
        "spearman_pooled": _pooled(
            one.pooled_PK, other.pooled_PK, known_PK, f"Spearman {pooled}{once}"
        ),
    }


def _within(one_PK: Floats, other_PK: Floats, known_PK: Mask, kind: str) -> Ratio:
    one_PK, other_PK = _centred(one_PK, known_PK), _centred(other_PK, known_PK)
    spread_P = np.sqrt((one_PK**2).sum(axis=1) * (other_PK**2).sum(axis=1))
    varies_P = spread_P > 0
    value_P = (one_PK * other_PK).sum(axis=1) / np.where(varies_P, spread_P, 1)
    definition = f"mean over problems of the {kind} correlation of two verifiers' scores, problems constant in either left out"
    return Ratio(value_P, varies_P.astype(float), definition, _CONSTANT, _RANGE)


def _centred(score_PK: Floats, known_PK: Mask) -> Floats:
    """Deviations from the problem's mean, 0 where unknown; exactly 0 where all scores of the problem are equal."""
    score_PK = np.where(known_PK, score_PK, 0.0)
    score_PK = score_PK / (
        np.abs(score_PK).max(axis=1, keepdims=True, initial=0)
        + (score_PK == 0).all(axis=1, keepdims=True)
    )
    mean_P1 = score_PK.sum(axis=1, keepdims=True) / np.maximum(
        known_PK.sum(axis=1, keepdims=True), 1
    )
    moved_PK = np.where(known_PK, score_PK - mean_P1, 0.0)
    greatest_P1 = np.abs(score_PK).max(axis=1, keepdims=True, initial=0)
    moved_PK[(np.abs(moved_PK) <= 1e-12 * greatest_P1).all(axis=1)] = 0
    return moved_PK


def _pooled(one_PK: Floats, other_PK: Floats, known_PK: Mask, definition: str) -> Ratio:
    """By its influence: a response moves r by z z' - r (z^2 + z'^2) / 2, a problem by the sum over its responses."""
    problems = len(known_PK)
    one_N, other_N = one_PK[known_PK], other_PK[known_PK]
    if len(one_N) < 2 or np.ptp(one_N) == 0 or np.ptp(other_N) == 0:
        return undefined(
            problems,
            definition,
            "one of the two scores is constant, or fewer than two responses have both",
        )
    one_N, other_N = (
        one_N / np.abs(one_N).max(),
        other_N / np.abs(other_N).max(),
    )  # squares of extreme scores would not be finite
    one_N, other_N = (
        (one_N - one_N.mean()) / one_N.std(),
        (other_N - other_N.mean()) / other_N.std(),
    )
    value = float(np.clip((one_N * other_N).mean(), -1, 1))
    moves_N = one_N * other_N - value * (one_N**2 + other_N**2) / 2
    moves_P = (
        np.bincount(np.nonzero(known_PK)[0], moves_N, minlength=problems) * problems / len(one_N)
    )
    return Ratio(
        value + moves_P,
        np.ones(problems),
        definition,
        bounds=_RANGE,
        problems=int(known_PK.any(axis=1).sum()),
    )


def _pooled_ranks(score_PK: Floats, known_PK: Mask) -> Floats:
    rank_PK = np.full(score_PK.shape, np.nan)
    _, level_N, count_L = np.unique(score_PK[known_PK], return_inverse=True, return_counts=True)
    rank_PK[known_PK] = (count_L.cumsum() - (count_L - 1) / 2)[level_N]
    return rank_PK
