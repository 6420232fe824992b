"""A chart in words: the table of its numbers, and the sentence that describes it.

Readers who do not see the chart have both.
"""

from __future__ import annotations

from strop.report.blocks import Cell, WordTable
from strop.report.formatting import DASH, capital, decimal
from strop.report.marks import Axes, Mark, unique

MOST_ROWS_DESCRIBED = 12
"""A longer sentence is of no use to a listener; the table has all rows."""


def mark_table(title: str, marks: list[Mark], axes: Axes) -> WordTable:
    """Return a row per mark: its name, its series if there are several, value and interval."""
    several = len(unique(marks, "series")) > 1
    # The first column is the name of the row.
    header = [""]
    if several:
        header.append("Series")
    header += [capital(axes.value), "Interval"]
    rows = []
    for mark in marks:
        cells = []
        if several:
            cells.append(Cell(mark["series"]))
        cells.append(Cell(axes.text(mark["value"])))
        cells.append(Cell(_span(mark, axes) or DASH))
        rows.append((mark["name"], cells))
    return WordTable(title, "", header, rows)


def series_table(title: str, marks: list[Mark], axes: Axes) -> WordTable:
    """Return a row per x and a column per series; a dash where a series has no value at an x."""
    series = unique(marks, "series")
    mark_at = {(mark["x"], mark["series"]): mark for mark in marks}
    header = [capital(axes.over)]
    for name in series:
        if name:
            header.append(f"{name}: {axes.value}")
        else:
            # A single unnamed series needs no prefix.
            header.append(capital(axes.value))
    rows = []
    for x in sorted(unique(marks, "x")):
        cells = []
        for name in series:
            mark = mark_at.get((x, name))
            cells.append(_mark_cell(mark, axes))
        rows.append((f"{x:g}", cells))
    return WordTable(title, "", header, rows)


def _mark_cell(mark: Mark | None, axes: Axes) -> Cell:
    if mark is None:
        return Cell(DASH)
    return Cell(axes.text(mark["value"]), _span(mark, axes))


def _span(mark: Mark, axes: Axes) -> str:
    """Return the interval of a mark in brackets, or "" where it has none."""
    if mark["low"] is None or mark["high"] is None:
        return ""
    low = decimal(mark["low"], axes.digits)
    high = decimal(mark["high"], axes.digits)
    return f"[{low}, {high}]"


def describe_rows(marks: list[Mark], axes: Axes) -> str:
    """Describe an interval chart in a sentence, with up to ``MOST_ROWS_DESCRIBED`` rows."""
    described = []
    for mark in marks[:MOST_ROWS_DESCRIBED]:
        name = mark["name"]
        if mark["series"]:
            name = f"{name} {mark['series']}"
        described.append(f"{name} {axes.text(mark['value'])}")
    quantity = capital(axes.value)
    rows = ", ".join(described)
    if len(marks) > MOST_ROWS_DESCRIBED:
        rows += " and more"
    return f"{quantity}: {rows}."


def describe_lines(marks: list[Mark], axes: Axes) -> str:
    """Describe a line chart: the two ends and the highest point of each series."""
    described = []
    for name in unique(marks, "series"):
        line = [mark for mark in marks if mark["series"] == name]
        line.sort(key=lambda mark: float(mark["x"]))
        top = max(line, key=lambda mark: float(mark["value"]))
        first = _describe_point(line[0], axes)
        last = _describe_point(line[-1], axes)
        highest = _describe_point(top, axes)
        text = f"from {first} to {last}, highest {highest}"
        if name:
            text = f"{name}: {text}"
        described.append(text)
    quantity = capital(axes.value)
    lines = "; ".join(described)
    return f"{quantity} over {axes.over}. {lines}."


def _describe_point(mark: Mark, axes: Axes) -> str:
    value = axes.text(mark["value"])
    return f"{value} at {mark['x']:g}"
