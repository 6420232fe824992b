"""How well scores tell right responses from wrong ones: AUROC within problems and pooled, true and false positive rates.

Within-problem AUROC is what a per-problem filter can use. The pooled one also rewards knowing which problems are easy.
"""

from __future__ import annotations

import numpy as np

from strop.measure.gap import Mask, check_shapes
from strop.measure.intervals import BLOCK, Floats, Ratio, from_draws
from strop.records import Estimate

NOT_MIXED = "no problem has both right and wrong responses"


def auroc_within(score_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Mean over problems with both right and wrong responses of P(right scores above wrong) + P(tie) / 2."""
    check_shapes(score_PK, utility_PK, mask_PK)
    auc_P = np.zeros(len(mask_PK))
    mixed_P = np.zeros(len(mask_PK))
    for p in range(len(mask_PK)):
        right = mask_PK[p] & (utility_PK[p] > 0.5)
        wrong = mask_PK[p] & ~right
        if right.any() and wrong.any():
            difference = score_PK[p, right][:, None] - score_PK[p, wrong][None, :]
            auc_P[p] = ((difference > 0) + 0.5 * (difference == 0)).mean()
            mixed_P[p] = 1
    return Ratio(auc_P, mixed_P, "mean over mixed problems of the probability that a right response outscores a wrong one", NOT_MIXED)


def auroc_pooled(score_PK: Floats, utility_PK: Floats, mask_PK: Mask, counts_BP: Floats) -> Estimate:
    """P(a right response of any problem outscores a wrong one of any problem) + P(tie) / 2, problems resampled."""
    check_shapes(score_PK, utility_PK, mask_PK)
    definition = "probability that a right response of any problem outscores a wrong one of any problem"
    problem_of, _ = np.nonzero(mask_PK)
    levels, level_of = np.unique(score_PK[mask_PK], return_inverse=True)
    right = utility_PK[mask_PK] > 0.5
    if right.all() or not right.any():
        return Estimate(None, None, None, 0.95, 0, definition, "all responses are right" if right.all() else "no response is right")
    cells = problem_of * len(levels) + level_of
    shape = (len(mask_PK), len(levels))
    right_PL = np.bincount(cells[right], minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    wrong_PL = np.bincount(cells[~right], minlength=shape[0] * shape[1]).reshape(shape).astype(float)

    def area(counts_BP: Floats) -> Floats:
        right_BL, wrong_BL = counts_BP @ right_PL, counts_BP @ wrong_PL
        below_BL = wrong_BL.cumsum(axis=1) - wrong_BL / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            result: Floats = (right_BL * below_BL).sum(axis=1) / (right_BL.sum(axis=1) * wrong_BL.sum(axis=1))
        return result

    draws_B = np.concatenate([area(counts_BP[start : start + BLOCK]) for start in range(0, len(counts_BP), BLOCK)])
    value = float(area(np.ones((1, len(mask_PK))))[0])
    return from_draws(value, draws_B, len(mask_PK), definition)


def true_positive_rate(weight_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Share of all right responses that are kept (weight above 0)."""
    right_PK = mask_PK & (utility_PK > 0.5)
    return Ratio(
        ((weight_PK > 0) & right_PK).sum(axis=1).astype(float), right_PK.sum(axis=1).astype(float),
        "share of right responses that are kept", "no response is right",
    )  # fmt: skip


def false_positive_rate(weight_PK: Floats, utility_PK: Floats, mask_PK: Mask) -> Ratio:
    """Share of all wrong responses that are kept (weight above 0)."""
    wrong_PK = mask_PK & (utility_PK <= 0.5)
    return Ratio(
        ((weight_PK > 0) & wrong_PK).sum(axis=1).astype(float), wrong_PK.sum(axis=1).astype(float),
        "share of wrong responses that are kept", "no response is wrong",
    )  # fmt: skip
