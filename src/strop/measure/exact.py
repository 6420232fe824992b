"""Exact expectations in closed form, where the law of the responses is known (the tabular engine).

Estimators are checked against them. All functions are about one problem; axis Y runs over its
possible responses.
"""

from __future__ import annotations

from math import ceil, lgamma

import numpy as np

from strop.measure.intervals import Floats


def exact_kept_threshold(
    probability_Y: Floats, utility_Y: Floats, score_Y: Floats, threshold: float, samples: int
) -> float:
    """J(x; f[w]) of K responses under ``threshold:t``.

    The kept responses are draws from those that pass. Where none passes, all K failed and all are
    kept. ``probability_Y`` is the law of a response, with its utility and score; ``samples`` is K.
    """
    passes_Y = score_Y >= threshold
    passing_mass = probability_Y[passes_Y].sum()
    none_passes = (1 - passing_mass) ** samples
    of_passing = _mean(probability_Y, utility_Y, passes_Y)
    of_failing = _mean(probability_Y, utility_Y, ~passes_Y)
    return float((1 - none_passes) * of_passing + none_passes * of_failing)


def exact_kept_quantile(
    probability_Y: Floats, utility_Y: Floats, score_Y: Floats, q: float, samples: int
) -> float:
    """J(x; f[w]) of K responses under ``quantile:q``.

    The weight keeps every response that scores at least as high as the m-th best, with
    m = ceil((1 - q) K). The expectation is a sum over the level of the m-th best response, the
    number A of responses above that level and the number B at it.
    """
    # The tolerance keeps a whole number whole that rounding has put a hair above.
    keep = max(1, ceil((1 - q) * samples - 1e-9))
    above_A1 = np.arange(keep)[:, None]
    at_1B = np.arange(1, samples + 1)[None, :]
    below_AB = samples - above_A1 - at_1B
    # The m-th best lies at the level if fewer than m are above and at least m are not below.
    possible_AB = (above_A1 + at_1B >= keep) & (below_AB >= 0)
    below_AB = np.maximum(below_AB, 0)
    # Logarithm of the multinomial coefficient K! / (A! B! rest!).
    log_factorial = np.array([lgamma(n + 1) for n in range(samples + 1)])
    log_ways_AB = (
        log_factorial[samples]
        - log_factorial[above_A1]
        - log_factorial[at_1B]
        - log_factorial[below_AB]
    )
    kept = 0.0
    for level in np.unique(score_Y):
        above_Y = score_Y > level
        at_Y = score_Y == level
        below_Y = score_Y < level
        mass_above = float(probability_Y[above_Y].sum())
        mass_at = float(probability_Y[at_Y].sum())
        mass_below = float(probability_Y[below_Y].sum())
        # The multinomial probability of A responses above, B at and the rest below the level.
        chance_AB = (
            np.exp(log_ways_AB) * mass_above**above_A1 * mass_at**at_1B * mass_below**below_AB
        )
        # Given A and B, all that are kept are independent draws from above and from the level.
        mean_above = _mean(probability_Y, utility_Y, above_Y)
        mean_at = _mean(probability_Y, utility_Y, at_Y)
        right_AB = above_A1 * mean_above + at_1B * mean_at
        kept_AB = chance_AB * right_AB / (above_A1 + at_1B)
        kept += float(kept_AB[possible_AB].sum())
    return kept


def exact_limit_quantile(
    probability_Y: Floats, utility_Y: Floats, score_Y: Floats, q: float
) -> float:
    """J(x; f[w]) under ``quantile:q`` as K grows.

    The highest levels are kept that together hold a share of at least 1 - q.
    """
    for level in np.unique(score_Y)[::-1]:
        kept_Y = score_Y >= level
        if probability_Y[kept_Y].sum() >= 1 - q:
            break
    return _mean(probability_Y, utility_Y, kept_Y)


def exact_best_of(probability_Y: Floats, utility_Y: Floats, score_Y: Floats, n: int) -> float:
    """Expected utility of the best-scored of n responses, ties shared."""
    total = 0.0
    for level in np.unique(score_Y):
        # The best is at this level if all n are at most there, but not all are below it.
        at_most = probability_Y[score_Y <= level].sum()
        below = probability_Y[score_Y < level].sum()
        chance = float(at_most**n - below**n)
        total += chance * _mean(probability_Y, utility_Y, score_Y == level)
    return total


def _mean(probability_Y: Floats, utility_Y: Floats, among_Y: np.ndarray) -> float:
    """Expected utility among some responses; 0 where they never occur, and so count nothing."""
    mass = float(probability_Y[among_Y].sum())
    if not mass:
        return 0.0
    return float(probability_Y[among_Y] @ utility_Y[among_Y]) / mass
