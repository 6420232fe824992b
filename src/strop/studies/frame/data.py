"""The data of findings: rows with an estimate each, and the form in which figures show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from strop.records import Estimate
from strop.studies.frame.numbers import estimate_columns, short_name

INTERVAL = ("value", "low", "high")
"""The columns of an estimate that a figure draws."""


def estimate_row(estimate: Estimate, **labels: Any) -> dict[str, Any]:
    """Return a row of data: the labels that name the estimate, and then its columns."""
    return {**labels, **estimate_columns(estimate)}


def as_frame(rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a data frame."""
    # The types come from all rows: the first hundred, polars' default, may hold only None.
    return pl.DataFrame(list(rows), infer_schema_length=None)


def known_values(data: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose value is defined."""
    return data.filter(pl.col("value").is_not_null())


def scaled(data: pl.DataFrame, times: float) -> pl.DataFrame:
    """Multiply values and intervals by a factor."""
    return data.with_columns(pl.col(*INTERVAL) * times)


def in_per_cent(data: pl.DataFrame) -> pl.DataFrame:
    """Turn values and intervals from shares into per cent, or differences into points."""
    return scaled(data, 100)


def unique_values(data: pl.DataFrame, column: str) -> list[Any]:
    """Return the values of a column, in the order of their first rows."""
    return data[column].unique(maintain_order=True).to_list()


def with_short_names(data: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """Shorten the names of models, which stand in ``columns`` (default: in ``model``)."""
    names = pl.col(*(columns or ("model",)))
    return data.with_columns(names.map_elements(short_name, return_dtype=pl.String))
