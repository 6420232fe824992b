"""Counts of the reader's filters ("right but rejected", ...) over the whole run.

They are counted over all responses, before a sample of problems is chosen for the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strop.weigh import stored_weight

if TYPE_CHECKING:
    import polars

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]


def evenly_spaced(total: int, limit: int) -> list[int]:
    """Return at most ``limit`` evenly spaced indices below ``total``; the first is 0."""
    count = min(limit, total)
    return [index * total // count for index in range(count)]


@dataclass(frozen=True)
class Flag:
    """The responses that one of the reader's filters shows, such as "wrong but kept".

    ``responses`` counts the responses that match for at least one verifier, ``by_verifier`` those
    that match for each verifier. ``problems`` are the indices of problems with a matching response.
    """

    responses: int
    by_verifier: list[int]
    problems: list[int]

    def missing(self, shown: Sequence[int], limit: int) -> list[int]:
        """Return up to ``limit`` evenly spaced problems, or none if ``shown`` has ``limit``."""
        if len({*shown} & {*self.problems}) >= limit:
            return []
        return [self.problems[index] for index in evenly_spaced(len(self.problems), limit)]

    def as_json(self) -> dict[str, Any]:
        """Return the counts for the page's script."""
        return {"any": self.responses, "by": self.by_verifier}


class _Grid:
    """Rows of a run's tables as arrays (problems, samples).

    Rows are placed by numbers: a join on pairs of texts fills the memory of a large run.
    """

    def __init__(self, problems: polars.DataFrame, tables: Sequence[polars.DataFrame]) -> None:
        self._index_of = {problem: index for index, problem in enumerate(problems["problem"])}
        largest = max(int(table["sample"].to_numpy().max(initial=0)) for table in tables)
        self.shape = (len(self._index_of), 1 + largest)

    def cells(self, table: polars.DataFrame) -> tuple[Indices, Indices]:
        """Return each row's problem index and sample index."""
        import polars as pl

        problem = table["problem"].replace_strict(self._index_of, return_dtype=pl.Int64)
        return problem.to_numpy(), table["sample"].cast(pl.Int64).to_numpy()

    def marks(self, cells: tuple[Indices, Indices], values: Any = True) -> Marks:
        """Return a grid that holds ``values`` in the cells and False elsewhere."""
        marks_PK = np.zeros(self.shape, dtype=bool)
        marks_PK[cells] = values
        return marks_PK


@dataclass(frozen=True)
class _Judgement:
    """One verifier's marks, each (P, K)."""

    kept: Marks
    rejected: Marks
    unparsed: Marks


def flags(
    problems: polars.DataFrame,
    responses: polars.DataFrame,
    scores: Mapping[str, polars.DataFrame],
    weighs: Mapping[str, str],
) -> dict[str, Flag]:
    """Return the reader's filters by name. ``weighs`` gives each verifier's weight."""
    grid = _Grid(problems, [responses, *scores.values()])
    cells = grid.cells(responses)
    # Right is 1 and wrong is 0; a fractional or missing utility is neither.
    utility = responses["utility_strict"].to_numpy()
    drawn = grid.marks(cells)
    truncated = grid.marks(cells, responses["finish"].to_numpy() == "length")
    right = grid.marks(cells, utility == 1)
    wrong = grid.marks(cells, utility == 0)
    right_rejected, wrong_kept, unparsed = [], [], []
    for name, table in scores.items():
        judged = _judge(grid, table, weighs[name], drawn)
        right_rejected.append(right & judged.rejected)
        wrong_kept.append(wrong & judged.kept)
        unparsed.append(judged.unparsed)
    # The first two do not depend on a verifier: each verifier has the same count.
    return {
        "all": _flag(drawn, [drawn] * len(scores)),
        "truncated": _flag(truncated, [truncated] * len(scores)),
        "right-rejected": _flag_of_any(grid, right_rejected),
        "wrong-kept": _flag_of_any(grid, wrong_kept),
        "unparsed": _flag_of_any(grid, unparsed),
    }


def _flag(marks_PK: Marks, by_verifier: list[Marks]) -> Flag:
    counts = [int(marks.sum()) for marks in by_verifier]
    return Flag(int(marks_PK.sum()), counts, np.flatnonzero(marks_PK.any(axis=1)).tolist())


def _flag_of_any(grid: _Grid, by_verifier: list[Marks]) -> Flag:
    any_PK = np.zeros(grid.shape, dtype=bool)
    for marks in by_verifier:
        any_PK |= marks
    return _flag(any_PK, by_verifier)


def _judge(grid: _Grid, table: polars.DataFrame, weigh: str, drawn_PK: Marks) -> _Judgement:
    cells = grid.cells(table)
    unparsed_PK = np.zeros(grid.shape, dtype=bool)
    # logical_or.at, because a response has one row per draw: one unread draw is enough.
    np.logical_or.at(unparsed_PK, cells, ~table["parsed"].fill_null(True).to_numpy())
    score_PK = _mean_scores(grid, cells, table["score"].to_numpy())
    weight = stored_weight(weigh)
    if weight is None or not weight.is_filter:
        # A weight that is no filter neither keeps nor rejects.
        nothing = np.zeros(grid.shape, dtype=bool)
        return _Judgement(nothing, nothing, unparsed_PK)
    # The weight's own code decides, on the responses that the numbers are about.
    kept_PK = weight.keeps(score_PK, drawn_PK)
    return _Judgement(kept_PK, ~kept_PK & ~np.isnan(score_PK), unparsed_PK)


def _mean_scores(grid: _Grid, cells: tuple[Indices, Indices], scores: Floats) -> Floats:
    """Return each response's mean score over its draws, NaN where it has none."""
    is_scored = ~np.isnan(scores)
    scored = (cells[0][is_scored], cells[1][is_scored])
    total_PK = np.zeros(grid.shape)
    count_PK = np.zeros(grid.shape)
    np.add.at(total_PK, scored, scores[is_scored])
    np.add.at(count_PK, scored, 1)
    mean_PK = np.full(grid.shape, np.nan)
    np.divide(total_PK, count_PK, out=mean_PK, where=count_PK > 0)
    return mean_PK
