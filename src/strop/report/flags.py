"""Which responses of the whole run each of the reader's filters is about, counted before any problem is chosen to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

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
    problems: polars.DataFrame, responses: polars.DataFrame, scores: Mapping[str, polars.DataFrame], weighs: Mapping[str, str]
) -> dict[str, Flag]:
    """The reader's filters by name; ``weighs`` tells each verifier's weight."""
    import polars as pl

    place = {problem: number for number, problem in enumerate(problems["problem"])}
    marked = responses.select(
        pl.col("problem").replace_strict(place, return_dtype=pl.Int64).alias("place"),
        pl.col("sample"),
        (pl.col("utility_strict") == 1).alias("right"),
        (pl.col("utility_strict") == 0).alias("wrong"),
        (pl.col("finish") == "length").alias("truncated"),
    )
    for number, (name, frame) in enumerate(scores.items()):
        judged = _judged(frame, place, weighs[name]).rename({key: f"{key} {number}" for key in ("kept", "rejected", "unparsed")})
        marked = marked.join(judged, on=["place", "sample"], how="left")
    every = range(len(scores))
    kinds = {
        "all": [],
        "right-rejected": [pl.col("right") & pl.col(f"rejected {number}") for number in every],
        "wrong-kept": [pl.col("wrong") & pl.col(f"kept {number}") for number in every],
        "unparsed": [pl.col(f"unparsed {number}") for number in every],
        "truncated": [pl.col("truncated") for _ in every],
    }
    found = {name: _flag(marked, [test.fill_null(False) for test in tests]) for name, tests in kinds.items()}
    alone = {"all": pl.lit(True), "truncated": pl.col("truncated")}
    return found | {
        name: Flag(_flag(marked, [test]).responses, found[name].by_verifier, _flag(marked, [test]).problems) for name, test in alone.items()
    }


def _flag(marked: polars.DataFrame, tests: list[polars.Expr]) -> Flag:
    import polars as pl

    if not tests:
        return Flag(0, [], [])
    columns = marked.select(pl.col("place"), pl.any_horizontal(tests).alias("any"), *(test.alias(str(n)) for n, test in enumerate(tests)))
    by_verifier = [int(columns[str(number)].sum()) for number in range(len(tests))]
    return Flag(int(columns["any"].sum()), by_verifier, columns.filter("any")["place"].unique().sort().to_list())


def _judged(frame: polars.DataFrame, place: Mapping[str, int], weigh: str) -> polars.DataFrame:
    """Of each response, by place and sample: is it kept, is it rejected, is a verification of it unread?"""
    import polars as pl

    rows = frame.select(
        pl.col("problem").replace_strict(place, return_dtype=pl.Int64).alias("place"),
        "sample",
        pl.col("score").fill_nan(None),
        (~pl.col("parsed")).alias("unparsed"),
    )
    if frame["draw"].n_unique() > 1:
        rows = rows.group_by("place", "sample").agg(pl.col("score").mean(), pl.col("unparsed").any())
    kept = _kept(weigh)
    return rows.with_columns(kept.alias("kept"), (~kept).alias("rejected")).drop("score")


def _kept(weigh: str) -> polars.Expr:
    """As ``strop.report.reader.kept``: at least the threshold, or among the top 1 - q of the problem's scores, ties included."""
    import polars as pl

    kind, _, parameter = weigh.partition(":")
    if kind not in FILTERS:
        return pl.lit(None, pl.Boolean)
    if kind != "quantile":
        return pl.col("score") >= float(parameter)
    most = ((1 - float(parameter)) * pl.col("score").count().over("place") - 1e-9).ceil().clip(lower_bound=1)
    return pl.col("score").rank("min", descending=True).over("place") <= most
