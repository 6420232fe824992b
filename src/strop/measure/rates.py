"""How well scores tell right responses from wrong ones: AUROC within problems and pooled, true and false positive rates.

Within-problem AUROC is what a per-problem filter can use. The pooled one also rewards knowing which problems are easy.
"""

from __future__ import annotations

import numpy as np

from strop.measure.gap import SHARE, Mask, check_shapes
from strop.measure.intervals import Floats, Ratio, undefined
from strop.measure.ranks import midranks_PK

NOT_MIXED = "no problem has both right and wrong responses"


def auroc_within(score_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Mean over problems with both right and wrong responses of P(right scores above wrong) + P(tie) / 2.

    Responses without a score (NaN) are left out.
    """
    check_shapes(score_PK, utility_PK, mask_PK)
    mask_PK = mask_PK & ~np.isnan(score_PK)
    right_PK = mask_PK & (utility_PK > 0.5)
    right_P, wrong_P = right_PK.sum(axis=1), (mask_PK & ~right_PK).sum(axis=1)
    pairs_P = right_P * wrong_P
    wins_P = (
        np.where(right_PK, midranks_PK(score_PK, mask_PK), 0).sum(axis=1)
        - right_P * (right_P + 1) / 2
    )
    definition = (
        "mean over mixed problems of the probability that a right response outscores a wrong one"
    )
    return Ratio(
        wins_P / np.maximum(pairs_P, 1) * (pairs_P > 0),
        (pairs_P > 0).astype(float),
        definition,
        NOT_MIXED,
        SHARE,
    )


def auroc_pooled(score_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """P(a right response of any problem outscores a wrong one of any problem) + P(tie) / 2, by its influence (Obuchowski, 1997).

    A problem moves it by its right responses' places among all wrong ones, and by its wrong responses' places among all right ones.
    """
    check_shapes(score_PK, utility_PK, mask_PK)
    definition = (
        "probability that a right response of any problem outscores a wrong one of any problem"
    )
    mask_PK = mask_PK & ~np.isnan(score_PK)
    problem_N, _ = np.nonzero(mask_PK)
    right_N = utility_PK[mask_PK] > 0.5
    if right_N.all() or not right_N.any():
        why = (
            "no response has a score"
            if not len(right_N)
            else "all responses are right"
            if right_N.all()
            else "no response is right"
        )
        return undefined(len(mask_PK), definition, why)
    _, level_N = np.unique(score_PK[mask_PK], return_inverse=True)
    right_L, wrong_L = np.bincount(level_N, right_N), np.bincount(level_N, ~right_N)
    right, wrong = right_L.sum(), wrong_L.sum()
    place_N = np.where(
        right_N,
        (wrong_L.cumsum() - wrong_L / 2)[level_N] / wrong,
        (right - right_L.cumsum() + right_L / 2)[level_N] / right,
    )
    area = float(place_N[right_N].mean())
    moves_N = (place_N - area) / np.where(right_N, right, wrong)
    influence_P = np.bincount(problem_N, moves_N, minlength=len(mask_PK)).astype(float) * len(
        mask_PK
    )
    owners = min(len(np.unique(problem_N[right_N])), len(np.unique(problem_N[~right_N])))
    return Ratio(
        area + influence_P, np.ones(len(mask_PK)), definition, bounds=SHARE, problems=owners
    )


def true_positive_rate(weight_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Share of all right responses that are kept (weight above 0)."""
    right_PK = mask_PK & (utility_PK > 0.5)
    return _kept_of(
        right_PK, weight_PK, "share of right responses that are kept", "no response is right"
    )


def false_positive_rate(weight_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Share of all wrong responses that are kept (weight above 0)."""
    wrong_PK = mask_PK & (utility_PK <= 0.5)
    return _kept_of(
        wrong_PK, weight_PK, "share of wrong responses that are kept", "no response is wrong"
    )


def _kept_of(these_PK: Mask, weight_PK: Floats, definition: str, why: str) -> Ratio:
    kept_P = ((weight_PK > 0) & these_PK).sum(axis=1).astype(float)
    return Ratio(kept_P, these_PK.sum(axis=1).astype(float), definition, why, SHARE)
