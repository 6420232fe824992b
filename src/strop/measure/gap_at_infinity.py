"""gap_inf: what the gap would be with ever more samples of each problem.

A quantile over K samples is not the quantile of the distribution: keeping the top 30% of 8 gains less than keeping the top 30% of 128. The
self-normalised mean is biased by about a / K, so two sizes give the limit: gap_inf = 2 gap_K - gap_{K/2}, with gap_{K/2} the mean over both
halves of a problem's samples (Richardson's extrapolation). What remains is of order 1 / K^2 where scores are continuous; where they have
few levels, or hardly a response passes, it is more, and the intervals of many problems miss: docs/statistics.md says where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from strop.measure.gap import Mask, accuracy_P, kept_accuracy_P, mean_over_problems
from strop.measure.intervals import Floats, Ratio, undefined

CAUTION = "an extrapolation: its interval leaves out what so few samples of a problem cannot tell"
Weigh = Callable[[Floats, Mask], Floats]
Mixture = Sequence[tuple[float, Weigh]]
"""Shares and weights: how a rule that keeps whole responses keeps a share of 9.6 responses: 0.4 of keeping 9, 0.6 of keeping 10."""


def limit_gap(
    score_PK: Floats, utility_PK: Floats, mask_PK: Mask, mixture_of: Callable[[int], Mixture]
) -> Ratio:
    """gap_inf by extrapolation. Of ragged problems the first responses are used, an even number of them, the same of each.

    ``mixture_of(size)`` gives the weight at a number of responses; an empty one means that the weight has no meaning there.
    """
    size = int(mask_PK.sum(axis=1).min()) // 2 * 2 if len(mask_PK) else 0
    definition = f"gap with ever more samples: 2 gap_{size} - gap_{size // 2}, mean over problems"
    if not size or not (mixture_of(size) and mixture_of(size // 2)):
        return undefined(
            len(mask_PK),
            definition,
            "not known from so few samples, or not defined for this weight",
        )
    score_PK, utility_PK = (_first(array_PK, mask_PK, size) for array_PK in (score_PK, utility_PK))
    halves = [slice(0, size // 2), slice(size // 2, size)]
    half_P = (
        sum(
            _gap_P(score_PK[:, half], utility_PK[:, half], mixture_of(size // 2)) for half in halves
        )
        / 2
    )
    limit_P = 2 * _gap_P(score_PK, utility_PK, mixture_of(size)) - half_P
    return replace(mean_over_problems(limit_P, definition, (-1.0, 1.0)), caution=CAUTION)


def _gap_P(score_PK: Floats, utility_PK: Floats, mixture: Mixture) -> Floats:
    mask_PK = np.ones(score_PK.shape, bool)
    kept_P = sum(
        share * kept_accuracy_P(utility_PK, weigh(score_PK, mask_PK), mask_PK)
        for share, weigh in mixture
    )
    return np.asarray(kept_P - accuracy_P(utility_PK, mask_PK))


def _first(array_PK: Floats, mask_PK: Mask, size: int) -> Floats:
    """The first ``size`` existing entries of each row."""
    order_PK = np.argsort(~mask_PK, axis=1, kind="stable")[:, :size]
    return np.take_along_axis(array_PK, order_PK, axis=1)
