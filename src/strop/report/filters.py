"""Filters for the page: which responses a weight keeps, and the label of its parameter.

The weight itself answers both (``strop.weigh``). Only WEIGHT_NOTES lists weights by name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strop.weigh import WEIGHTS, Threshold, parse_weight

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

WEIGHT_NOTES = {
    "threshold:t": "keeps scores of at least t",
    "quantile:q": "keeps the top 1 − q of each problem’s scores, ties included",
    "best-of:n": "weighs a response by its probability to be the best of n",
    "survivors:r": "keeps what is left after r rounds of a tournament",
    "tilt:β": "weighs by exp(score / β)",
}
"""The meaning of each weight, for readers of the page. A weight without a note is left out."""


def is_filter(weigh: str) -> bool:
    """Return whether the weight keeps or rejects each response.

    Other weights (best-of, tilt, an ensemble) give every response a share.
    """
    name = _name(weigh)
    return name in WEIGHTS and WEIGHTS[name].is_filter


def parameter_title(weigh: str) -> str:
    """Return the axis title for the parameter of a weight."""
    weight = WEIGHTS.get(_name(weigh), Threshold)
    return str(weight.axis or Threshold.axis)


def has_whole_parameter(weigh: str) -> bool:
    """Return whether the parameter is a count, so that its axis shows whole numbers only."""
    name = _name(weigh)
    return name in WEIGHTS and WEIGHTS[name].whole_axis


def kept_grid(score_PK: Floats, weigh: str) -> Marks | None:
    """Return which responses the filter keeps, (P, K), or None if the weight is no filter.

    A NaN score is a response without a score: it is not kept and does not count.
    """
    if not is_filter(weigh):
        return None
    # The weight's own code decides, so that the page and the numbers cannot disagree.
    weight_PK = parse_weight(weigh)(score_PK, ~np.isnan(score_PK))
    kept_PK: Marks = weight_PK > 0
    return kept_PK


def kept(scores: Sequence[float | None], weigh: str) -> list[bool | None]:
    """Return which of one problem's responses the weight keeps.

    An entry is None where the response has no score, and everywhere if the weight is no filter.
    """
    score_1K = np.array([[np.nan if score is None else score for score in scores]], dtype=float)
    kept_1K = kept_grid(score_1K, weigh)
    if kept_1K is None:
        return [None] * len(scores)
    return [
        None if score is None else bool(keep)
        for score, keep in zip(scores, kept_1K[0], strict=True)
    ]


def _name(weigh: str) -> str:
    return weigh.partition(":")[0]
