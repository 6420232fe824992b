"""The two general charts of the page: intervals side by side, and lines with bands.

A mark is a mapping with "series", "value", "low", "high", and "name" (of its row) or "x". Colours
are names ("@c1", "@muted") that the page replaces by those of its light or dark palette. Series
differ in the shape of their points too, for readers who do not see the colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import altair as alt

from strop.report.blocks import Cell, Chart, WordTable
from strop.report.formatting import DASH, EstimateJson, capital, decimal, known

Mark = dict[str, Any]
Specification = dict[str, Any]

COLOURS = ("@c1", "@c2", "@c3", "@c4", "@c5", "@c6", "@c7", "@c8")
_TURNED = ("triangle-down", "triangle-right", "triangle-left")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", *_TURNED)
ROW_HEIGHT = 30
SERIES_ROW_HEIGHT = 18
LINE_HEIGHT = 230
MOST_TICKS = 9
MOST_ROWS_DESCRIBED = 12


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of a chart: the measured quantity and, for lines, the quantity that it depends on.

    ``sign`` "+" shows the sign of a rise, ``zero`` draws a line at zero, and ``log`` makes x
    logarithmic (base 2).
    """

    value: str
    over: str = ""
    sign: str = ""
    digits: int = 1
    log: bool = False
    zero: bool = False

    def text(self, value: float) -> str:
        """Return a value of the measured quantity in words."""
        return decimal(value, self.digits, self.sign)


GAP = Axes("gap, points", sign="+", zero=True)


def mark(estimate: EstimateJson | None, scale: float = 100.0, **position: Any) -> Mark:
    """Return an estimate as a mark, in per cent or, at scale 1, as it is.

    ``position`` is the mark's name or x, and its series. An unknown number is None.
    """
    made = dict(position)
    for key in ("value", "low", "high"):
        number = known(estimate, key)
        made[key] = None if number is None else round(scale * number, 4)
    return made


def drawn(marks: Iterable[Mark]) -> list[Mark]:
    """Return the marks whose value is known."""
    return [mark for mark in marks if mark["value"] is not None]


def doublings(curve: Mapping[str, Any]) -> list[str]:
    """Return the sizes 1, 2, 4, ... of a curve over sizes, and its last."""
    last = max(map(int, curve), default=0)
    return [size for size in curve if _is_power_of_two(int(size)) or int(size) == last]


def _is_power_of_two(count: int) -> bool:
    # A power of two has a single bit, and one less has all the bits below it.
    return count & (count - 1) == 0


def zero_line() -> alt.Chart:
    """Return a line at zero; its position is the field "zero"."""
    line: alt.Chart = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color="@zero")
    return line


def interval_chart(title: str, note: str, marks: Iterable[Mark], axes: Axes) -> Chart:
    """Return a chart with a row per name, and a point with its interval per mark."""
    shown = [{"series": "", **mark} for mark in drawn(marks)]
    series = _unique(shown, "series")
    table = _mark_table(title, shown, axes)
    description = _describe_rows(shown, axes)
    return Chart(title, note, _interval_figure(shown, series, axes), description, table)


def _interval_figure(marks: list[Mark], series: list[str], axes: Axes) -> Specification:
    several = len(series) > 1
    names = _unique(marks, "name")
    row_axis = alt.Axis(labelLimit=250, grid=False, domain=False, ticks=False)
    base = alt.Chart(alt.Data(values=marks)).encode(
        y=alt.Y("name:N", sort=names, title=None, axis=row_axis),
        tooltip=_tooltips("name", "series") if several else _tooltips("name"),
    )
    if several:
        # The marks of one row stand below each other, by series.
        base = base.encode(yOffset=alt.YOffset("series:N", sort=series), color=_colour(series))
    else:
        base = base.encode(color=alt.value("@c1"))
    scale = alt.Scale(zero=axes.zero, nice=True, padding=12)
    spans = base.mark_rule(strokeWidth=2.5).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("value:Q", title=axes.value, scale=scale, axis=alt.Axis(tickCount=6))
    )
    if several:
        dots = dots.encode(shape=_shape(series))
    layers = [spans, dots]
    if axes.zero:
        # The first layer lies below the others.
        layers.insert(0, zero_line().encode(x="zero:Q"))
    height = ROW_HEIGHT * len(names)
    if several:
        height = max(height, SERIES_ROW_HEIGHT * len(marks))
    return layered(layers, height)


def line_chart(
    title: str, note: str, marks: Iterable[Mark], axes: Axes, level: tuple[str, float] | None = None
) -> Chart:
    """Return a chart with a line and its band per series over x.

    ``level`` is the name and the value of a dashed line across the chart.
    """
    shown = drawn(marks)
    description = _describe_lines(shown, axes)
    if level is not None:
        description += f" Dashed line: {level[0]}, {decimal(level[1], axes.digits)}."
    table = _series_table(title, shown, axes)
    return Chart(title, note, _line_figure(shown, axes, level), description, table)


def _line_figure(marks: list[Mark], axes: Axes, level: tuple[str, float] | None) -> Specification:
    series = _unique(marks, "series")
    base = alt.Chart(alt.Data(values=marks)).encode(
        x=_line_x(marks, axes), tooltip=_tooltips("series", "x")
    )
    y = alt.Y("value:Q", title=axes.value, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))
    y_low = alt.Y("low:Q", title=axes.value)
    band = base.mark_area().encode(y=y_low, y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(y=y)
    dots = base.mark_point(filled=True, size=46).encode(y=y)
    if len(series) > 1:
        # A click on a series in the legend fades the others. The parameter belongs to one layer
        # only; the other layers refer to it by name.
        picked = alt.selection_point(name="picked", fields=["series"], bind="legend")
        colour: Any = _colour(series)
        band_opacity, line_opacity = _faded(picked, 0.14, 0.02), _faded(picked, 1, 0.15)
        dots = dots.encode(shape=_shape(series)).add_params(picked)
    else:
        colour = alt.value("@c1")
        band_opacity, line_opacity = alt.value(0.14), alt.value(1)
    layers = [
        band.encode(color=colour, opacity=band_opacity),
        line.encode(color=colour, opacity=line_opacity),
        dots.encode(color=colour, opacity=line_opacity),
    ]
    if level is not None:
        layers.insert(0, _level_line(*level))
    return layered(layers, LINE_HEIGHT)


def _line_x(marks: list[Mark], axes: Axes) -> alt.X:
    """Return the x axis: a tick at every x if these are few, else at powers of two if ``log``."""
    ticks = sorted(_unique(marks, "x"))
    whole = all(float(x).is_integer() for x in ticks)
    if len(ticks) > MOST_TICKS:
        can_double = axes.log and whole
        ticks = [x for x in ticks if _is_power_of_two(int(x))] if can_double else []
    if ticks:
        axis = alt.Axis(values=ticks, format="d" if whole else ".2~f", grid=False)
    else:
        axis = alt.Axis(tickCount=6, grid=False)
    scale = alt.Scale(type="log", base=2) if axes.log else alt.Scale(zero=False, padding=10)
    return alt.X("x:Q", title=axes.over, scale=scale, axis=axis)


def _level_line(name: str, value: float) -> alt.Chart:
    tooltip = [alt.Tooltip("name:N"), alt.Tooltip("level:Q", format=".1f")]
    data = alt.Data(values=[{"level": value, "name": name}])
    line: alt.Chart = alt.Chart(data).mark_rule(strokeDash=[4, 4], color="@zero")
    return line.encode(y="level:Q", tooltip=tooltip)


# --- a chart's numbers and its description ---


def _mark_table(title: str, marks: list[Mark], axes: Axes) -> WordTable:
    """Return a row per mark."""
    several = len(_unique(marks, "series")) > 1
    header = ["", "Series"] if several else [""]
    header += [capital(axes.value), "Interval"]
    rows = []
    for mark in marks:
        cells = [Cell(mark["series"])] if several else []
        cells += [Cell(axes.text(mark["value"])), Cell(_span(mark, axes) or DASH)]
        rows.append((mark["name"], cells))
    return WordTable(title, "", header, rows)


def _series_table(title: str, marks: list[Mark], axes: Axes) -> WordTable:
    """Return a row per x and a column per series."""
    series = _unique(marks, "series")
    mark_at = {(mark["x"], mark["series"]): mark for mark in marks}
    header = [capital(axes.over)]
    for name in series:
        # A single unnamed series needs no prefix.
        header.append(f"{name}: {axes.value}" if name else capital(axes.value))
    rows = []
    for x in sorted(_unique(marks, "x")):
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


def _describe_rows(marks: list[Mark], axes: Axes) -> str:
    """Describe an interval chart in a sentence, with up to ``MOST_ROWS_DESCRIBED`` rows."""
    rows = []
    for mark in marks[:MOST_ROWS_DESCRIBED]:
        name = f"{mark['name']} {mark['series']}" if mark["series"] else mark["name"]
        rows.append(f"{name} {axes.text(mark['value'])}")
    more = " and more" if len(marks) > MOST_ROWS_DESCRIBED else ""
    return f"{capital(axes.value)}: {', '.join(rows)}{more}."


def _describe_lines(marks: list[Mark], axes: Axes) -> str:
    """Describe a line chart: the two ends and the highest point of each series."""
    sentences = []
    for name in _unique(marks, "series"):
        line = [mark for mark in marks if mark["series"] == name]
        line.sort(key=lambda mark: float(mark["x"]))
        first, last = _describe_point(line[0], axes), _describe_point(line[-1], axes)
        highest = _describe_point(max(line, key=lambda mark: float(mark["value"])), axes)
        prefix = f"{name}: " if name else ""
        sentences.append(f"{prefix}from {first} to {last}, highest {highest}")
    return f"{capital(axes.value)} over {axes.over}. {'; '.join(sentences)}."


def _describe_point(mark: Mark, axes: Axes) -> str:
    return f"{axes.text(mark['value'])} at {mark['x']:g}"


# --- parts of specifications ---


def layered(layers: list[alt.Chart], height: int) -> Specification:
    """Return the layers as one specification as wide as its container."""
    chart = alt.layer(*layers).properties(width="container", height=height)
    specification: Specification = chart.to_dict()
    return specification


def _unique(marks: Sequence[Mark], key: str) -> list[Any]:
    return list(dict.fromkeys(mark[key] for mark in marks))


def _cycled(values: Sequence[str], count: int) -> list[str]:
    """Return ``count`` values, repeated from the start if there are fewer."""
    return list(islice(cycle(values), count))


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="bottom", columns=2, labelLimit=260, symbolOpacity=1)


def _colour(series: Sequence[str]) -> alt.Color:
    scale = alt.Scale(domain=list(series), range=_cycled(COLOURS, len(series)))
    return alt.Color("series:N", scale=scale, legend=_legend())


def _shape(series: Sequence[str]) -> alt.Shape:
    scale = alt.Scale(domain=list(series), range=_cycled(SHAPES, len(series)))
    return alt.Shape("series:N", scale=scale, legend=_legend())


def _faded(picked: alt.Parameter, shown: float, hidden: float) -> Any:
    return alt.condition(picked, alt.value(shown), alt.value(hidden))


def _tooltips(*names: str) -> list[alt.Tooltip]:
    tooltips = []
    for name in names:
        # Of these fields only x is a number (Q, quantitative); names and series are nominal (N).
        tooltips.append(alt.Tooltip(f"{name}:Q" if name == "x" else f"{name}:N"))
    for key in ("value", "low", "high"):
        tooltips.append(alt.Tooltip(f"{key}:Q", format=".2~f"))
    return tooltips
