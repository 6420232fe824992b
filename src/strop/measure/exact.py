"""The truth that estimators must meet: exact expectations where the law of the responses is known (the tabular engine)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, factorial, lgamma

import numpy as np

from strop.measure.gap import kept_accuracy_P
from strop.measure.intervals import Floats

Weigh = Callable[[Floats, np.ndarray], Floats]


def exact_accuracy(probability_Y: Floats, utility_Y: Floats) -> float:
    """J(x; f) of one problem whose response y has this probability and utility."""
    return float(probability_Y @ utility_Y)


def exact_gap(
    probability_Y: Floats, utility_Y: Floats, score_Y: Floats, weigh: Weigh, samples: int
) -> float:
    """gap_K of one problem: the expected gap of K independent responses, summed over how often each response can occur.

    There are C(K + Y - 1, K) such count vectors for Y responses: meant for small tables.
    """
    counts_CY = np.array(list(_compositions(samples, len(probability_Y))))
    ways_C = np.array(
        [
            factorial(samples) / np.prod([float(factorial(n)) for n in counts])
            for counts in counts_CY
        ]
    )
    chance_C = ways_C * np.prod(np.asarray(probability_Y)[None, :] ** counts_CY, axis=1)
    indices_CK = np.array(
        [np.repeat(np.arange(len(probability_Y)), counts) for counts in counts_CY]
    )
    mask_CK = np.ones(indices_CK.shape, bool)
    utility_CK = np.asarray(utility_Y, float)[indices_CK]
    weight_CK = weigh(np.asarray(score_Y, float)[indices_CK], mask_CK)
    return float(
        chance_C @ (kept_accuracy_P(utility_CK, weight_CK, mask_CK) - utility_CK.mean(axis=1))
    )


def exact_kept_threshold(
    probability_Y: Floats, utility_Y: Floats, score_Y: Floats, threshold: float, samples: int
) -> float:
    """J(x; f[w]) of K responses under ``threshold:t``: kept ones are draws of what passes; where none passes, all K failed and are kept."""
    passes_Y = score_Y >= threshold
    nobody = (1 - probability_Y[passes_Y].sum()) ** samples
    return float(
        (1 - nobody) * _mean(probability_Y, utility_Y, passes_Y)
        + nobody * _mean(probability_Y, utility_Y, ~passes_Y)
    )


def exact_kept_quantile(
    probability_Y: Floats, utility_Y: Floats, score_Y: Floats, q: float, samples: int
) -> float:
    """J(x; f[w]) of K responses under ``quantile:q``, summed over how many score above the level of the m-th best, and how many at it."""
    keep = max(1, ceil((1 - q) * samples - 1e-9))
    log_factorial = np.array([lgamma(n + 1) for n in range(samples + 1)])
    above_A1, at_1B = np.arange(keep)[:, None], np.arange(1, samples + 1)[None, :]
    rest_AB = samples - above_A1 - at_1B
    possible_AB = (above_A1 + at_1B >= keep) & (rest_AB >= 0)
    ways_AB = (
        log_factorial[samples]
        - log_factorial[above_A1]
        - log_factorial[at_1B]
        - log_factorial[np.maximum(rest_AB, 0)]
    )
    kept = 0.0
    for level in np.unique(score_Y):
        above_Y, at_Y, below_Y = score_Y > level, score_Y == level, score_Y < level
        mass = [float(probability_Y[these_Y].sum()) for these_Y in (above_Y, at_Y, below_Y)]
        chance_AB = (
            np.exp(ways_AB)
            * mass[0] ** above_A1
            * mass[1] ** at_1B
            * mass[2] ** np.maximum(rest_AB, 0)
        )
        right_AB = above_A1 * _mean(probability_Y, utility_Y, above_Y) + at_1B * _mean(
            probability_Y, utility_Y, at_Y
        )
        kept += float((chance_AB * right_AB / (above_A1 + at_1B))[possible_AB].sum())
    return kept


def exact_limit_quantile(
    probability_Y: Floats, utility_Y: Floats, score_Y: Floats, q: float
) -> float:
    """J(x; f[w]) under ``quantile:q`` as K grows: the highest levels that together hold a share of 1 - q are kept."""
    for level in np.unique(score_Y)[::-1]:
        kept_Y = score_Y >= level
        if probability_Y[kept_Y].sum() >= 1 - q:
            break
    return _mean(probability_Y, utility_Y, kept_Y)


def exact_best_of(probability_Y: Floats, utility_Y: Floats, score_Y: Floats, n: int) -> float:
    """Expected utility of the best-scored of n responses, ties shared."""
    total = 0.0
    for level in np.unique(score_Y):
        chance = (
            probability_Y[score_Y <= level].sum() ** n - probability_Y[score_Y < level].sum() ** n
        )
        total += float(chance) * _mean(probability_Y, utility_Y, score_Y == level)
    return total


def _mean(probability_Y: Floats, utility_Y: Floats, these_Y: np.ndarray) -> float:
    """Expected utility among these responses; 0 where they never occur, and so weigh nothing."""
    mass = float(probability_Y[these_Y].sum())
    return float(probability_Y[these_Y] @ utility_Y[these_Y]) / mass if mass else 0.0


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write ``total`` as an ordered sum of ``parts`` numbers >= 0."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)
