"""Measure whether a tournament prefers the response that it is shown first."""

from __future__ import annotations

from typing import Any

from strop.errors import CorruptPartError
from strop.measure import Ratio, estimate_all
from strop.measure.gap import SHARE
from strop.run.arrays import RunArrays
from strop.run.stored import StoredRun
from strop.verify import Tournament, position_bias


def position_biases(stored: StoredRun, arrays: RunArrays) -> dict[str, Any]:
    """Return how often the first response wins and how often the two orders disagree."""
    return {
        name: _position_bias(stored, arrays, name)
        for name, verifier in stored.verifiers.items()
        if verifier["verifier"] == Tournament.name
    }


def _position_bias(stored: StoredRun, arrays: RunArrays, name: str) -> dict[str, Any]:
    texts = dict(stored.scores[name].group_by("problem").agg("text").iter_rows())
    try:
        bias = position_bias(texts[problem] for problem in stored.problems["problem"])
    except ValueError as error:
        raise CorruptPartError(
            f"{stored.path / 'scores' / name}: {error}; "
            "delete that folder and add the verifier again"
        ) from None
    first_won = Ratio(
        bias.first_won_P,
        bias.read_P,
        "share of readable matches won by the response shown first; 0.5 is no bias",
        bounds=SHARE,
    )
    orders_disagree = Ratio(
        bias.disagreed_P,
        bias.twice_P,
        "share of matches played in both orders whose two readings differ",
        "no match was played in both orders",
        SHARE,
    )
    ratios = {"first_won": first_won, "orders_disagree": orders_disagree}
    estimates = estimate_all(ratios, arrays.counts_BP, group_P=arrays.group_P)
    return {quantity: value.as_json() for quantity, value in estimates.items()}
