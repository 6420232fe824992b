"""Rounds after the first: what they gain, how the gap shrinks, and what happens to pass@K.

A later round is forecast from the rounds of the same course that are over and from first rounds of
other courses, as ``strop improve`` does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from strop.improvement.course import Course
from strop.improvement.forecasts import forecast_of
from strop.run.updates import Update, first_round
from strop.studies.forecast_cells import METHOD_VERIFIER, ForecastCell
from strop.studies.frame.courses import (
    Courses,
    Document,
    largest_k,
    mean_over_seeds,
    round_value,
)
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import points

ROUNDS = 4
LONG_CELLS = tuple(
    ForecastCell(model, task, METHOD_VERIFIER, fits=False)
    for model, task in (
        ("ladder/125k", "arithmetic"),
        ("ladder/125k", "sudoku4"),
        ("ladder/250k", "arithmetic"),
        ("ladder/250k", "sudoku4"),
        ("ladder/70k", "arithmetic"),
        ("ladder/70k", "sudoku4"),
        ("ladder/400k", "arithmetic"),
        ("ladder/400k", "sudoku4"),
        ("ladder/125k", "signs"),
        ("ladder/125k", "arithmetic:hard"),
        ("ladder/250k", "sudoku4:hard"),
        ("ladder/lean-125k", "sudoku4"),
        ("ladder/lean-250k", "arithmetic"),
    )
)
PAPER = (
    "the gap falls to about zero in two or three rounds, and pass@k falls for large k (section 5)."
)


def later_finding(
    cells: Sequence[ForecastCell],
    sizes: dict[str, Any],
    seed: int,
    courses: Courses,
    past: Sequence[Update],
) -> Finding:
    """Compare forecasts of later rounds with what came."""
    rows: list[dict[str, Any]] = []
    for cell in cells:
        course = cell.course(sizes, seed, ROUNDS)
        document = courses.document(course)
        rows += _rows(cell, course, document, past)
    data = pl.DataFrame(rows, infer_schema_length=None)
    known = data.drop_nulls("predicted") if rows else data
    if not rows or known.height == 0:
        seen = "no course came to a second round."
        return Finding("later_rounds", "Later rounds", PAPER, seen, "Not testable here.", data)
    error = mean_over_seeds((known["predicted"] - known["gain"]).abs() / 100, "forecast")
    nothing = mean_over_seeds(known["gain"].abs() / 100, "no change")
    whole = mean_over_seeds((known["gap"] - known["gain"]).abs() / 100, "whole gap")
    is_held = (known["low"] <= known["gain"]) & (known["gain"] <= known["high"])
    held = is_held.sum() / known.height
    falling = (data["pass_at_k_change"] < 0).sum() / data.height
    seen = (
        f"over {known.height} later rounds, mean absolute error of the gain in points: forecast "
        f"{points(error)}, no change {points(nothing)}, whole gap {points(whole)}; "
        f"{held:.0%} of 95% intervals held. The gap was multiplied by "
        f"{_median(data['shrinks']):.2f} a round (median); pass@K fell in {falling:.0%} of rounds."
    )
    better = (error.value or 0) < (nothing.value or 0)
    holds = "The forecast errs less than no change." if better else "No change errs no more."
    return Finding(
        "later_rounds",
        "Rounds after the first",
        PAPER,
        seen,
        holds,
        data,
        None,
        _table(rows),
    )


def _rows(
    cell: ForecastCell, course: Course, document: Document, past: Sequence[Update]
) -> Iterator[dict[str, Any]]:
    """Yield one row for every later round that was trained."""
    own: list[Update] = []
    k = largest_k([document])
    asked = {"trainer": course.trainer.settings()}
    for index in range(1, len(document["rounds"]) - 1):
        before, current, after = document["rounds"][index - 1 : index + 2]
        gain = round_value(document, index + 1, "gain")
        if np.isnan(gain):
            return
        own.append(first_round({**document, "asked": asked, "rounds": [before, current]}))
        sourced = forecast_of(course, current, past, own)
        row: dict[str, Any] = {"model": cell.model, "task": cell.task, "round": index + 1}
        row |= {"predicted": None, "low": None, "high": None, "gain": 100 * gain}
        if sourced.forecast is not None:
            gain_forecast = sourced.forecast.gain
            row["predicted"] = 100 * (gain_forecast.value or 0.0)
            row["low"] = 100 * (gain_forecast.low or 0.0)
            row["high"] = 100 * (gain_forecast.high or 0.0)
        gap = round_value(document, index, "gap_filter")
        row["gap"] = 100 * gap
        gap_after = round_value(document, index + 1, "gap_filter")
        # A ratio of gaps near zero says nothing.
        row["shrinks"] = gap_after / gap if gap > 0.01 else None
        change = after["pass_at_k"][k]["value"] - current["pass_at_k"][k]["value"]
        row["pass_at_k_change"] = 100 * change
        yield row


def _median(values: pl.Series) -> float:
    known = values.drop_nulls()
    return float(np.median(known.to_numpy())) if known.len() else float("nan")


def _table(rows: Sequence[dict[str, Any]]) -> str:
    header = ("Model", "Task", "Round", "Gap before", "Forecast [95%]", "Gain", "pass@K")
    cells = []
    for row in rows:
        forecast = "–"
        if row["predicted"] is not None:
            forecast = f"{row['predicted']:.1f} [{row['low']:.1f}, {row['high']:.1f}]"
        cells.append(
            (
                row["model"],
                row["task"],
                str(row["round"]),
                f"{row['gap']:.1f}",
                forecast,
                f"{row['gain']:.1f}",
                f"{row['pass_at_k_change']:+.1f}",
            )
        )
    return markdown_table(header, cells)
