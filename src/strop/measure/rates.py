"""The separation of right from wrong responses by scores and weights.

AUROC within problems is what a per-problem filter can use; the pooled one also rewards knowing
which problems are easy. True and false positive rates are those of a weight.

Axes: P problems, K responses, N scored responses of all problems, L levels of score.
"""

from __future__ import annotations

import numpy as np

from strop.measure.gap import SHARE, Mask, check_shapes
from strop.measure.intervals import Floats, Ratio, undefined
from strop.measure.ranks import midranks_PK

NOT_MIXED = "no problem has both right and wrong responses"


def auroc_within(score_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Mean over mixed problems of P(a right response scores above a wrong one) + P(tie) / 2.

    A mixed problem has right and wrong responses. Those without a score (NaN) are left out.
    Raises ValueError for different shapes.
    """
    check_shapes(score_PK, utility_PK, mask_PK)
    scored_PK = mask_PK & ~np.isnan(score_PK)
    right_PK = scored_PK & (utility_PK > 0.5)
    wrong_PK = scored_PK & ~right_PK
    right_P = right_PK.sum(axis=1)
    wrong_P = wrong_PK.sum(axis=1)
    pairs_P = right_P * wrong_P
    mixed_P = pairs_P > 0
    # Mann and Whitney: the rank sum of the right responses, less what they have among themselves,
    # r (r + 1) / 2, is the number of pairs that they win; a tie counts half.
    rank_PK = midranks_PK(score_PK, scored_PK)
    rank_sum_P = np.where(right_PK, rank_PK, 0).sum(axis=1)
    wins_P = rank_sum_P - right_P * (right_P + 1) / 2
    # Problems that are not mixed get 0 above and 0 below: they are left out.
    area_P = wins_P / np.maximum(pairs_P, 1) * mixed_P
    return Ratio(
        area_P,
        mixed_P.astype(float),
        definition="mean over mixed problems of the probability that a right response outscores "
        "a wrong one",
        why=NOT_MIXED,
        bounds=SHARE,
    )


def auroc_pooled(score_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """P(a right response of any problem outscores a wrong one of any problem) + P(tie) / 2.

    Given by its influence (Obuchowski, 1997): a problem moves it by the ranks of its right
    responses among all wrong ones, and by the ranks of its wrong responses among all right ones.
    Responses without a score (NaN) are left out. Undefined, with the reason, where all responses
    are right or none is.
    """
    check_shapes(score_PK, utility_PK, mask_PK)
    problems = len(mask_PK)
    definition = (
        "probability that a right response of any problem outscores a wrong one of any problem"
    )
    scored_PK = mask_PK & ~np.isnan(score_PK)
    problem_N, _ = np.nonzero(scored_PK)
    right_N = utility_PK[scored_PK] > 0.5
    why = _not_both(right_N)
    if why:
        return undefined(problems, definition, why)
    # Responses are counted by level of score: sorting once replaces comparing all pairs.
    _, level_N = np.unique(score_PK[scored_PK], return_inverse=True)
    right_L = np.bincount(level_N, right_N)
    wrong_L = np.bincount(level_N, ~right_N)
    right = right_L.sum()
    wrong = wrong_L.sum()
    # The share of the other kind that a response is on the right side of; ties count half.
    below_L = (wrong_L.cumsum() - wrong_L / 2) / wrong
    above_L = (right - right_L.cumsum() + right_L / 2) / right
    won_N = np.where(right_N, below_L[level_N], above_L[level_N])
    # The mean over right responses and that over wrong ones are both the area.
    area = float(won_N[right_N].mean())
    of_its_kind_N = np.where(right_N, right, wrong)
    moves_N = (won_N - area) / of_its_kind_N
    moves_P = np.bincount(problem_N, moves_N, minlength=problems).astype(float)
    with_right = len(np.unique(problem_N[right_N]))
    with_wrong = len(np.unique(problem_N[~right_N]))
    return Ratio(
        area + moves_P * problems,
        np.ones(problems),
        definition,
        bounds=SHARE,
        problems=min(with_right, with_wrong),
    )


def true_positive_rate(weight_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Share of all right responses that are kept (weight above 0)."""
    right_PK = mask_PK & (utility_PK > 0.5)
    definition = "share of right responses that are kept"
    return _kept_of(right_PK, weight_PK, definition, "no response is right")


def false_positive_rate(weight_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Share of all wrong responses that are kept (weight above 0)."""
    wrong_PK = mask_PK & (utility_PK <= 0.5)
    definition = "share of wrong responses that are kept"
    return _kept_of(wrong_PK, weight_PK, definition, "no response is wrong")


def _kept_of(counted_PK: Mask, weight_PK: Floats, definition: str, why: str) -> Ratio:
    """Share of the counted responses that have a weight above 0."""
    kept_PK = (weight_PK > 0) & counted_PK
    kept_P = kept_PK.sum(axis=1).astype(float)
    counted_P = counted_PK.sum(axis=1).astype(float)
    return Ratio(kept_P, counted_P, definition, why, SHARE)


def _not_both(right_N: Mask) -> str | None:
    """Return why there are not both right and wrong responses, or None if there are."""
    if not len(right_N):
        return "no response has a score"
    if right_N.all():
        return "all responses are right"
    if not right_N.any():
        return "no response is right"
    return None
