"""The weights that report knows by name: which of them are filters, and what their parameter means.

Everything in this folder that depends on the name of a weight stands here. What is kept is
computed by the weight itself (``strop.weigh``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strop.weigh import parse_weight

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

_PARAMETERS = {
    "quantile": "quantile filtered out, q",
    "threshold": "threshold on the score",
    "survivors": "rounds survived",
}
"""Weights that keep or reject each response, and the title of their parameter's axis.

Other weights (best-of, tilt) give every response a share, so that "kept" has no meaning.
"""

WEIGHT_NOTES = {
    "threshold:t": "keeps scores of at least t",
    "quantile:q": "keeps the top 1 − q of each problem’s scores, ties included",
    "best-of:n": "weighs a response by its probability to be the best of n",
    "survivors:r": "keeps what is left after r rounds of a tournament",
    "tilt:β": "weighs by exp(score / β)",
}
"""The meaning of each weight, for readers of the page."""


def is_filter(weigh: str) -> bool:
    """Return whether the weight keeps or rejects each response."""
    return _name(weigh) in _PARAMETERS


def parameter_title(weigh: str) -> str:
    """Return the axis title for a filter's parameter."""
    return _PARAMETERS.get(_name(weigh), _PARAMETERS["threshold"])


def has_whole_parameter(weigh: str) -> bool:
    """Return whether the parameter is a count, so that its axis shows whole numbers only."""
    return _name(weigh) == "survivors"


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
