"""The three conditions under which a round of self-improvement helps ("Mind the Gap", section 2.1), each as numbers.

Axes: P problems, K responses.
"""

from __future__ import annotations

import numpy as np

from strop.measure.gap import (
    SHARE,
    Mask,
    accuracy_P,
    check_shapes,
    has_survivor_P,
    mean_over_problems,
)
from strop.measure.intervals import Floats, Ratio, difference


def improvable(utility_PK: Floats, mask_PK: Mask) -> dict[str, Ratio]:
    """Condition 1: do responses to one problem differ in utility? The variance is unbiased; problems with K = 1 are left out."""
    mean_P, count_P = accuracy_P(utility_PK, mask_PK), mask_PK.sum(axis=1)
    squares_P = (np.where(mask_PK, utility_PK - mean_P[:, None], 0) ** 2).sum(axis=1)
    variance_P = np.where(count_P > 1, squares_P / np.maximum(count_P - 1, 1), np.nan)
    mixed_P = np.where(
        count_P > 1, np.ptp(np.where(mask_PK, utility_PK, mean_P[:, None]), axis=1) > 1e-12, np.nan
    )
    return {
        "improvable": mean_over_problems(
            mixed_P,
            "share of problems whose responses differ in utility, of those with two or more",
            SHARE,
        ),
        "utility_variance": mean_over_problems(
            variance_P,
            "mean over problems with two or more responses of the unbiased variance of utility within a problem",
            (0.0, 0.5),
        ),
    }


def informative(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> dict[str, Ratio]:
    """Condition 2: covariance of weight and utility within a problem, the plug-in (divided by K) for which gap = Cov(w, u) / E[w].

    A problem without a survivor weighs all its responses 1, as the gap does, and so has covariance 0.
    """
    check_shapes(utility_PK, weight_PK, mask_PK)
    weight_PK = np.where(
        has_survivor_P(weight_PK, mask_PK)[:, None],
        np.where(mask_PK, weight_PK, 0.0),
        mask_PK.astype(float),
    )
    count_P = mask_PK.sum(axis=1)
    mean_weight_P = weight_PK.sum(axis=1) / count_P
    moved_PK = np.where(mask_PK, utility_PK - accuracy_P(utility_PK, mask_PK)[:, None], 0.0)
    covariance_P = (weight_PK * moved_PK).sum(axis=1) / count_P
    return {
        "covariance": mean_over_problems(
            covariance_P,
            "mean over problems of Cov(w, u) (plug-in: gap of a problem = Cov(w, u) / E[w])",
        ),
        "mean_weight": mean_over_problems(
            mean_weight_P, "mean over problems of the mean weight, E[w]"
        ),
    }


def update(kept: Ratio, after: Ratio) -> dict[str, Ratio]:
    """Condition 3, known after training only: eps_update = J(f_t[w]) - J(f_{t+1}), paired on the same problems."""
    return {
        "eps_update": difference(
            kept,
            after,
            "eps_update = J(f[w]) before training minus accuracy after it, on the same problems",
        )
    }
