"""Expectations by enumeration: every way that K responses of one problem can fall."""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial

import numpy as np

from strop.measure.gap import Weigh, kept_accuracy_P
from strop.measure.intervals import Floats


def exact_accuracy(probability_Y: Floats, utility_Y: Floats) -> float:
    """J(x; f) of one problem whose response y has this probability and utility."""
    return float(probability_Y @ utility_Y)


def exact_gap(
    probability_Y: Floats, utility_Y: Floats, score_Y: Floats, weigh: Weigh, samples: int
) -> float:
    """gap_K of one problem: the expected gap of K independent responses.

    Summed over how often each response can occur. There are C(K + Y - 1, K) such count vectors for
    Y responses: meant for small tables.
    """
    probability_Y = np.asarray(probability_Y)
    counts_CY = np.array(list(_compositions(samples, len(probability_Y))))
    ways_C, indices_CK = [], []
    for counts in counts_CY:
        ways_C.append(factorial(samples) / np.prod([float(factorial(n)) for n in counts]))
        indices_CK.append(np.repeat(np.arange(len(probability_Y)), counts))
    chance_C = np.array(ways_C) * np.prod(probability_Y[None, :] ** counts_CY, axis=1)
    utility_CK = np.asarray(utility_Y, float)[np.array(indices_CK)]
    score_CK = np.asarray(score_Y, float)[np.array(indices_CK)]
    mask_CK = np.ones(score_CK.shape, bool)
    kept_C = kept_accuracy_P(utility_CK, weigh(score_CK, mask_CK), mask_CK)
    return float(chance_C @ (kept_C - utility_CK.mean(axis=1)))


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write ``total`` as an ordered sum of ``parts`` numbers >= 0."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)
