"""Which responses of the whole run each of the reader's filters is about, counted before any problem is chosen to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars

Places = NDArray[np.int64]
Marks = NDArray[np.bool_]

FILTERS = ("quantile", "threshold", "survivors")
"""Weights that keep a response or reject it; of others the page does not say."""


@dataclass(frozen=True)
class Flag:
    """Responses of one kind: how many by any verifier, how many by each, and the places of the problems that have one."""

    responses: int
    by_verifier: list[int]
    problems: list[int]

    def missed(self, shown: list[int], limit: int) -> list[int]:
        """Evenly spaced problems of this kind, at most ``limit``; none where ``shown`` has as many."""
        count = 0 if len({*shown} & {*self.problems}) >= limit else min(limit, len(self.problems))
        return [self.problems[place * len(self.problems) // count] for place in range(count)]

    @property
    def told(self) -> dict[str, Any]:
        """For the page."""
        return {"any": self.responses, "by": self.by_verifier}


def flags(
    problems: polars.DataFrame,
    responses: polars.DataFrame,
    scores: Mapping[str, polars.DataFrame],
    weighs: Mapping[str, str],
) -> dict[str, Flag]:
    """The reader's filters by name; ``weighs`` tells each verifier's weight."""
    numbers = {problem: number for number, problem in enumerate(problems["problem"])}
    samples = 1 + max(
        int(frame["sample"].to_numpy().max(initial=0)) for frame in (responses, *scores.values())
    )

    def cells(frame: polars.DataFrame) -> Places:
        """Each row's place in a grid of problems by samples: numbers, for joining pairs of texts fills the memory of a large run."""
        import polars as pl

        place = (
            frame["problem"].replace_strict(numbers, return_dtype=pl.Int64) * samples
            + frame["sample"]
        )
        return place.to_numpy()

    own, utility = cells(responses), responses["utility_strict"].to_numpy()
    whole = np.zeros(len(numbers) * samples, dtype=bool)
    drawn, truncated, right, wrong = (whole.copy() for _ in range(4))
    for marks, values in (
        (drawn, True),
        (truncated, responses["finish"].to_numpy() == "length"),
        (right, utility == 1),
        (wrong, utility == 0),
    ):
        marks[own] = values
    judged = {
        name: _judged(frame, cells(frame), whole.reshape(-1, samples), weighs[name])
        for name, frame in scores.items()
    }
    marked = {
        "right-rejected": [right & one["rejected"] for one in judged.values()],
        "wrong-kept": [wrong & one["kept"] for one in judged.values()],
        "unparsed": [one["unparsed"] for one in judged.values()],
    }
    found = {
        name: _flag(np.logical_or.reduce([whole, *each]), each, samples)
        for name, each in marked.items()
    }
    return {
        "all": _flag(drawn, [drawn] * len(judged), samples),
        "truncated": _flag(truncated, [truncated] * len(judged), samples),
    } | found


def _flag(any_of: Marks, each: list[Marks], samples: int) -> Flag:
    problems = np.flatnonzero(any_of.reshape(-1, samples).any(axis=1))
    return Flag(int(any_of.sum()), [int(marks.sum()) for marks in each], problems.tolist())


def _judged(frame: polars.DataFrame, cell: Places, grid: Marks, weigh: str) -> dict[str, Marks]:
    """Of each cell: is its response kept, is it rejected, is a verification of it unread?"""
    import polars as pl

    rows = pl.DataFrame(
        {"cell": cell, "score": frame["score"].fill_nan(None), "unparsed": ~frame["parsed"]}
    )
    if frame["draw"].n_unique() > 1:
        rows = rows.group_by("cell").agg(pl.col("score").mean(), pl.col("unparsed").any())
    rows = rows.with_columns(place=pl.col("cell") // grid.shape[1])
    kept = rows.select(_kept(weigh)).to_series()
    found = {}
    for name, values in (("kept", kept), ("rejected", ~kept), ("unparsed", rows["unparsed"])):
        found[name] = np.zeros(grid.size, dtype=bool)
        found[name][rows["cell"].to_numpy()] = values.fill_null(False).to_numpy()
    return found


def _kept(weigh: str) -> polars.Expr:
    """As ``strop.report.reader.kept``: at least the threshold, or among the top 1 - q of the problem's scores, ties included."""
    import polars as pl

    kind, _, parameter = weigh.partition(":")
    if kind not in FILTERS:
        return pl.lit(None, pl.Boolean)
    if kind != "quantile":
        return pl.col("score") >= float(parameter)
    most = (
        ((1 - float(parameter)) * pl.col("score").count().over("place") - 1e-9)
        .ceil()
        .clip(lower_bound=1)
    )
    return pl.col("score").rank("min", descending=True).over("place") <= most
