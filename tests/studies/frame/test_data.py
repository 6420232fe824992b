"""frame/data.py: rows of data, and the form in which figures show them."""

from __future__ import annotations

import polars as pl

from strop.records import Estimate
from strop.studies.frame.data import (
    as_frame,
    estimate_row,
    in_per_cent,
    known_values,
    unique_values,
    with_short_names,
)


def test_a_row_has_its_labels_before_its_estimate() -> None:
    gap = Estimate(0.1, 0.0, 0.2, 0.95, 10, "gap")
    row = estimate_row(gap, model="ladder/25k", task="signs")
    assert list(row) == ["model", "task", "value", "low", "high", "n", "why"]
    assert row["value"] == 0.1 and row["n"] == 10


def test_a_column_that_begins_with_unknown_values_has_the_type_of_the_known_ones() -> None:
    rows = [{"value": None}] * 200 + [{"value": 0.5}]
    data = as_frame(iter(rows))
    assert data.schema == {"value": pl.Float64}
    assert known_values(data)["value"].to_list() == [0.5]


def test_figures_show_per_cent_and_short_names() -> None:
    data = pl.DataFrame(
        {
            "model": ["ladder/40k", "ladder/25k", "ladder/40k"],
            "value": [0.25, None, 0.5],
            "low": [0.0, None, 0.25],
            "high": [0.5, None, 0.75],
        }
    )
    shown = in_per_cent(with_short_names(data))
    assert unique_values(shown, "model") == ["40k", "25k"], "in the order of the rows"
    assert shown.row(0) == ("40k", 25.0, 0.0, 50.0)
    assert shown["value"].to_list() == [25.0, None, 50.0]
