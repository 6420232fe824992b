"""The truth that estimators must meet: exact expectations where the law of the responses is known (the tabular engine)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import factorial

import numpy as np

from strop.measure.gap import kept_accuracy_P
from strop.measure.intervals import Floats

Weigh = Callable[[Floats, np.ndarray], Floats]


def exact_accuracy(probability_Y: Floats, utility_Y: Floats) -> float:
    """J(x; f) of one problem whose response y has this probability and utility."""
    return float(probability_Y @ utility_Y)


def exact_gap(probability_Y: Floats, utility_Y: Floats, score_Y: Floats, weigh: Weigh, samples: int) -> float:
    """gap_K of one problem: the expected gap of K independent responses, summed over how often each response can occur.

    There are C(K + Y - 1, K) such count vectors for Y responses: meant for small tables.
    """
    counts_CY = np.array(list(_compositions(samples, len(probability_Y))))
    ways_C = np.array([factorial(samples) / np.prod([float(factorial(n)) for n in counts]) for counts in counts_CY])
    chance_C = ways_C * np.prod(np.asarray(probability_Y)[None, :] ** counts_CY, axis=1)
    indices_CK = np.array([np.repeat(np.arange(len(probability_Y)), counts) for counts in counts_CY])
    mask_CK = np.ones(indices_CK.shape, bool)
    utility_CK = np.asarray(utility_Y, float)[indices_CK]
    weight_CK = weigh(np.asarray(score_Y, float)[indices_CK], mask_CK)
    return float(chance_C @ (kept_accuracy_P(utility_CK, weight_CK, mask_CK) - utility_CK.mean(axis=1)))


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write ``total`` as an ordered sum of ``parts`` numbers >= 0."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)
