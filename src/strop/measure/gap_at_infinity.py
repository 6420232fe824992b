"""gap_inf: the gap with ever more samples of each problem, by extrapolation.

A quantile over K samples is not the quantile of the distribution: keeping the top 30% of 8 gains
less than keeping the top 30% of 128. The self-normalised mean is biased by about a / K, so two
sizes give the limit: gap_inf = 2 gap_K - gap_{K/2}, with gap_{K/2} the mean over both halves of a
problem's samples (Richardson's extrapolation). The remaining bias is of order 1 / K^2 where scores
are continuous. It is larger where scores have few levels or hardly a response passes, and then the
intervals of many problems miss: docs/statistics.md says where.

Axes: P problems, K responses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from strop.measure.gap import Mask, Weigh, accuracy_P, kept_accuracy_P, mean_over_problems
from strop.measure.intervals import Floats, Ratio, undefined

CAUTION = (
    "an extrapolation: its interval leaves out the bias that remains at this number of samples"
)
Mixture = Sequence[tuple[float, Weigh]]
"""Pairs of (share, weight). A rule that keeps whole responses keeps 9.6 of them on average as a
mixture: 0.4 of keeping 9 and 0.6 of keeping 10."""


def extrapolated_gap(
    score_PK: Floats, utility_PK: Floats, mask_PK: Mask, mixture_of: Callable[[int], Mixture]
) -> Ratio:
    """Return gap_inf by extrapolation.

    Every problem contributes the same even number of its first responses, the largest that all
    have. ``mixture_of(size)`` gives the weight at a number of responses; an empty mixture means
    that the weight has no meaning there.
    """
    problems = len(mask_PK)
    smallest = 0
    if problems:
        smallest = int(mask_PK.sum(axis=1).min())
    half = smallest // 2
    size = 2 * half
    definition = f"gap with ever more samples: 2 gap_{size} - gap_{half}, mean over problems"
    whole_mixture: Mixture = ()
    half_mixture: Mixture = ()
    if size:
        whole_mixture = mixture_of(size)
        half_mixture = mixture_of(half)
    if not (whole_mixture and half_mixture):
        why = "not known from so few samples, or not defined for this weight"
        return undefined(problems, definition, why)
    score_PK = _first(score_PK, mask_PK, size)
    utility_PK = _first(utility_PK, mask_PK, size)
    first_half_P = _gap_P(score_PK[:, :half], utility_PK[:, :half], half_mixture)
    second_half_P = _gap_P(score_PK[:, half:], utility_PK[:, half:], half_mixture)
    half_P = (first_half_P + second_half_P) / 2
    whole_P = _gap_P(score_PK, utility_PK, whole_mixture)
    # With gap_K = gap_inf + a / K the terms in a cancel: 2 a / K - a / (K / 2) = 0.
    limit_P = 2 * whole_P - half_P
    ratio = mean_over_problems(limit_P, definition, (-1.0, 1.0))
    return replace(ratio, caution=CAUTION)


def _gap_P(score_PK: Floats, utility_PK: Floats, mixture: Mixture) -> Floats:
    """Return the gap of each problem under a mixture of weights; no entry is masked."""
    mask_PK = np.ones(score_PK.shape, bool)
    kept_P = np.zeros(len(score_PK))
    for share, weigh in mixture:
        weight_PK = weigh(score_PK, mask_PK)
        kept_P += share * kept_accuracy_P(utility_PK, weight_PK, mask_PK)
    return np.asarray(kept_P - accuracy_P(utility_PK, mask_PK))


def _first(array_PK: Floats, mask_PK: Mask, size: int) -> Floats:
    """Return the first ``size`` existing entries of each row."""
    # A stable sort by "is masked" moves existing entries to the front and keeps their order.
    order_PK = np.argsort(~mask_PK, axis=1, kind="stable")[:, :size]
    return np.take_along_axis(array_PK, order_PK, axis=1)
