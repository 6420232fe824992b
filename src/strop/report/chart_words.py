"""A chart in words: the table of its numbers, and the sentence that describes it.

Readers who do not see the chart have both.
"""

from __future__ import annotations

from strop.report.blocks import Cell, WordTable
from strop.report.formatting import DASH, capital, decimal
from strop.report.marks import Axes, Mark, unique

MOST_ROWS_DESCRIBED = 12


def mark_table(title: str, marks: list[Mark], axes: Axes) -> WordTable:
    """Return a row per mark."""
    several = len(unique(marks, "series")) > 1
    header = ["", "Series"] if several else [""]
    header += [capital(axes.value), "Interval"]
    rows = []
    for mark in marks:
        cells = [Cell(mark["series"])] if several else []
        cells += [Cell(axes.text(mark["value"])), Cell(_span(mark, axes) or DASH)]
        rows.append((mark["name"], cells))
    return WordTable(title, "", header, rows)


def series_table(title: str, marks: list[Mark], axes: Axes) -> WordTable:
    """Return a row per x and a column per series."""
    series = unique(marks, "series")
    mark_at = {(mark["x"], mark["series"]): mark for mark in marks}
    header = [capital(axes.over)]
    for name in series:
        # A single unnamed series needs no prefix.
        header.append(f"{name}: {axes.value}" if name else capital(axes.value))
    rows = []
    for x in sorted(unique(marks, "x")):
        cells = [_mark_cell(mark_at.get((x, name)), axes) for name in series]
        rows.append((f"{x:g}", cells))
    return WordTable(title, "", header, rows)


def _mark_cell(mark: Mark | None, axes: Axes) -> Cell:
    if mark is None:
        return Cell(DASH)
    return Cell(axes.text(mark["value"]), _span(mark, axes))


def _span(mark: Mark, axes: Axes) -> str:
    if mark["low"] is None or mark["high"] is None:
        return ""
    return f"[{decimal(mark['low'], axes.digits)}, {decimal(mark['high'], axes.digits)}]"


def describe_rows(marks: list[Mark], axes: Axes) -> str:
    """Describe an interval chart in a sentence, with up to ``MOST_ROWS_DESCRIBED`` rows."""
    rows = []
    for mark in marks[:MOST_ROWS_DESCRIBED]:
        name = f"{mark['name']} {mark['series']}" if mark["series"] else mark["name"]
        rows.append(f"{name} {axes.text(mark['value'])}")
    more = " and more" if len(marks) > MOST_ROWS_DESCRIBED else ""
    return f"{capital(axes.value)}: {', '.join(rows)}{more}."


def describe_lines(marks: list[Mark], axes: Axes) -> str:
    """Describe a line chart: the two ends and the highest point of each series."""
    sentences = []
    for name in unique(marks, "series"):
        line = [mark for mark in marks if mark["series"] == name]
        line.sort(key=lambda mark: float(mark["x"]))
        first, last = _describe_point(line[0], axes), _describe_point(line[-1], axes)
        highest = _describe_point(max(line, key=lambda mark: float(mark["value"])), axes)
        prefix = f"{name}: " if name else ""
        sentences.append(f"{prefix}from {first} to {last}, highest {highest}")
    return f"{capital(axes.value)} over {axes.over}. {'; '.join(sentences)}."


def _describe_point(mark: Mark, axes: Axes) -> str:
    return f"{axes.text(mark['value'])} at {mark['x']:g}"
