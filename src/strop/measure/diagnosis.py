"""The three conditions under which a round of self-improvement helps, each as numbers.

"Mind the Gap", section 2.1. Axes: P problems, K responses.
"""

from __future__ import annotations

import numpy as np

from strop.measure.gap import (
    SHARE,
    Mask,
    accuracy_P,
    check_shapes,
    effective_weights_PK,
    mean_over_problems,
)
from strop.measure.intervals import Floats, Ratio, difference

_EPS_UPDATE = "eps_update = J(f[w]) before training minus accuracy after it, on the same problems"


def improvable(utility_PK: Floats, mask_PK: Mask) -> dict[str, Ratio]:
    """Condition 1: responses to one problem differ in utility.

    The variance is unbiased; problems with one response are left out.
    """
    mean_P1 = accuracy_P(utility_PK, mask_PK)[:, None]
    count_P = mask_PK.sum(axis=1)
    several_P = count_P > 1
    deviation_PK = np.where(mask_PK, utility_PK - mean_P1, 0)
    squares_P = (deviation_PK**2).sum(axis=1)
    variance_P = squares_P / np.maximum(count_P - 1, 1)
    # Masked entries take the mean, which lies within the range of the others.
    filled_PK = np.where(mask_PK, utility_PK, mean_P1)
    mixed_P = np.ptp(filled_PK, axis=1) > 1e-12
    return {
        "improvable": mean_over_problems(
            np.where(several_P, mixed_P, np.nan),
            "share of problems whose responses differ in utility, of those with two or more",
            SHARE,
        ),
        "utility_variance": mean_over_problems(
            np.where(several_P, variance_P, np.nan),
            "mean over problems with two or more responses of the unbiased variance of utility "
            "within a problem",
            (0.0, 0.5),
        ),
    }


def informative(utility_PK: Floats, weight_PK: Floats, mask_PK: Mask) -> dict[str, Ratio]:
    """Condition 2: weight and utility vary together within a problem.

    The covariance is the plug-in (divided by K), for which gap = Cov(w, u) / E[w]. A problem
    without a survivor weighs all its responses 1, as the gap does, and so has covariance 0.
    """
    check_shapes(utility_PK, weight_PK, mask_PK)
    effective_PK = effective_weights_PK(weight_PK, mask_PK)
    count_P = mask_PK.sum(axis=1)
    mean_weight_P = effective_PK.sum(axis=1) / count_P
    mean_P1 = accuracy_P(utility_PK, mask_PK)[:, None]
    deviation_PK = np.where(mask_PK, utility_PK - mean_P1, 0.0)
    # Divided by K, not K - 1: only so is the gap exactly Cov(w, u) / E[w].
    covariance_P = (effective_PK * deviation_PK).sum(axis=1) / count_P
    return {
        "covariance": mean_over_problems(
            covariance_P,
            "mean over problems of Cov(w, u) (plug-in: gap of a problem = Cov(w, u) / E[w])",
        ),
        "mean_weight": mean_over_problems(
            mean_weight_P, "mean over problems of the mean weight, E[w]"
        ),
    }


def update_error(kept: Ratio, after: Ratio) -> dict[str, Ratio]:
    """Condition 3, known after training only: eps_update = J(f_t[w]) - J(f_{t+1}), paired."""
    return {"eps_update": difference(kept, after, _EPS_UPDATE)}
