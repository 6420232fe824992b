"""The two general charts of the page: intervals side by side, and lines with bands.

Colours are names ("@c1", "@muted") that the page replaces by those of its light or dark palette.
Series differ in the shape of their points too, for readers who do not see the colours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import cycle, islice
from typing import Any

import altair as alt

from strop.report.blocks import Chart
from strop.report.chart_words import describe_lines, describe_rows, mark_table, series_table
from strop.report.formatting import decimal
from strop.report.marks import Axes, Mark, drawn, is_power_of_two, unique

Specification = dict[str, Any]

COLOURS = ("@c1", "@c2", "@c3", "@c4", "@c5", "@c6", "@c7", "@c8")
_TURNED = ("triangle-down", "triangle-right", "triangle-left")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", *_TURNED)
ROW_HEIGHT = 30
SERIES_ROW_HEIGHT = 18
LINE_HEIGHT = 230
MOST_TICKS = 9
"""More values of x than this do not all get a tick."""


def zero_line() -> alt.Chart:
    """Return a line at zero; its position is the field "zero"."""
    line: alt.Chart = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color="@zero")
    return line


def interval_chart(title: str, note: str, marks: Iterable[Mark], axes: Axes) -> Chart:
    """Return a chart with a row per name, and a point with its interval per mark.

    A mark has a "name", and a "series" where several points share a row. Marks of unknown value are
    left out.
    """
    # A mark without a series belongs to the unnamed one; its own fields win.
    shown = [{"series": "", **mark} for mark in drawn(marks)]
    series = unique(shown, "series")
    figure = _interval_figure(shown, series, axes)
    description = describe_rows(shown, axes)
    table = mark_table(title, shown, axes)
    return Chart(title, note, figure, description, table)


def _interval_figure(marks: list[Mark], series: list[str], axes: Axes) -> Specification:
    """Return a rule from low to high and a dot at the value, for each mark."""
    names = unique(marks, "name")
    row_axis = alt.Axis(labelLimit=250, grid=False, domain=False, ticks=False)
    rows = alt.Y("name:N", sort=names, title=None, axis=row_axis)
    scale = alt.Scale(zero=axes.zero, nice=True, padding=12)
    low = alt.X("low:Q", scale=scale)
    value = alt.X("value:Q", title=axes.value, scale=scale, axis=alt.Axis(tickCount=6))
    base = alt.Chart(alt.Data(values=marks)).encode(y=rows)
    height = ROW_HEIGHT * len(names)
    several = len(series) > 1
    if several:
        # The marks of one row stand below each other, by series.
        offset = alt.YOffset("series:N", sort=series)
        base = base.encode(
            tooltip=_tooltips("name", "series"), yOffset=offset, color=_colour(series)
        )
        height = max(height, SERIES_ROW_HEIGHT * len(marks))
    else:
        base = base.encode(tooltip=_tooltips("name"), color=alt.value("@c1"))
    spans = base.mark_rule(strokeWidth=2.5).encode(x=low, x2="high:Q")
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(x=value)
    if several:
        dots = dots.encode(shape=_shape(series))
    layers = [spans, dots]
    if axes.zero:
        # The first layer lies below the others.
        layers.insert(0, zero_line().encode(x="zero:Q"))
    return layered(layers, height)


def line_chart(
    title: str, note: str, marks: Iterable[Mark], axes: Axes, level: tuple[str, float] | None = None
) -> Chart:
    """Return a chart with a line and its band per series over x.

    A mark has an "x" and a "series"; marks of unknown value are left out. ``level`` is the name and
    the value of a dashed line across the chart.
    """
    shown = drawn(marks)
    description = describe_lines(shown, axes)
    if level is not None:
        name, value = level
        description += f" Dashed line: {name}, {decimal(value, axes.digits)}."
    figure = _line_figure(shown, axes, level)
    table = series_table(title, shown, axes)
    return Chart(title, note, figure, description, table)


def _line_figure(marks: list[Mark], axes: Axes, level: tuple[str, float] | None) -> Specification:
    """Return a band from low to high, a line and dots, for each series."""
    series = unique(marks, "series")
    x = _line_x(marks, axes)
    base = alt.Chart(alt.Data(values=marks)).encode(x=x, tooltip=_tooltips("series", "x"))
    y_scale = alt.Scale(zero=False)
    y = alt.Y("value:Q", title=axes.value, scale=y_scale, axis=alt.Axis(tickCount=6))
    # The same title: Vega-Lite would join different ones.
    y_low = alt.Y("low:Q", title=axes.value)
    band = base.mark_area().encode(y=y_low, y2="high:Q")
    line = base.mark_line(strokeWidth=2).encode(y=y)
    dots = base.mark_point(filled=True, size=46).encode(y=y)
    if len(series) > 1:
        # A click on a series in the legend fades the others. The parameter belongs to one layer
        # only; the other layers refer to it by name.
        picked = alt.selection_point(name="picked", fields=["series"], bind="legend")
        colour: Any = _colour(series)
        band_opacity = _faded(picked, 0.14, 0.02)
        line_opacity = _faded(picked, 1, 0.15)
        dots = dots.encode(shape=_shape(series)).add_params(picked)
    else:
        colour = alt.value("@c1")
        band_opacity = alt.value(0.14)
        line_opacity = alt.value(1)
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
    ticks = sorted(unique(marks, "x"))
    whole = all(float(x).is_integer() for x in ticks)
    label_format = "d" if whole else ".2~f"
    if len(ticks) > MOST_TICKS:
        doubling = []
        if axes.log and whole:
            doubling = [x for x in ticks if is_power_of_two(int(x))]
        ticks = doubling
    if ticks:
        axis = alt.Axis(values=ticks, format=label_format, grid=False)
    else:
        axis = alt.Axis(tickCount=6, grid=False)
    scale = alt.Scale(type="log", base=2) if axes.log else alt.Scale(zero=False, padding=10)
    return alt.X("x:Q", title=axes.over, scale=scale, axis=axis)


def _level_line(name: str, value: float) -> alt.Chart:
    """Return a dashed horizontal line with its name as tooltip."""
    tooltip = [
        alt.Tooltip("name:N"),
        alt.Tooltip("level:Q", format=".1f"),
    ]
    row = {"level": value, "name": name}
    data = alt.Data(values=[row])
    line: alt.Chart = alt.Chart(data).mark_rule(strokeDash=[4, 4], color="@zero")
    return line.encode(y="level:Q", tooltip=tooltip)


def layered(layers: list[alt.Chart], height: int) -> Specification:
    """Return the layers as one specification as wide as its container."""
    chart = alt.layer(*layers).properties(width="container", height=height)
    specification: Specification = chart.to_dict()
    return specification


def _cycled(values: Sequence[str], count: int) -> list[str]:
    """Return ``count`` values, repeated from the start if there are fewer."""
    return list(islice(cycle(values), count))


def _legend() -> alt.Legend:
    return alt.Legend(title=None, orient="bottom", columns=2, labelLimit=260, symbolOpacity=1)


def _colour(series: Sequence[str]) -> alt.Color:
    """Return one colour for each series, in the order of the palette."""
    scale = alt.Scale(domain=list(series), range=_cycled(COLOURS, len(series)))
    return alt.Color("series:N", scale=scale, legend=_legend())


def _shape(series: Sequence[str]) -> alt.Shape:
    scale = alt.Scale(domain=list(series), range=_cycled(SHAPES, len(series)))
    return alt.Shape("series:N", scale=scale, legend=_legend())


def _faded(picked: alt.Parameter, shown: float, hidden: float) -> Any:
    """Return the opacity of the picked series, and of the others."""
    return alt.condition(picked, alt.value(shown), alt.value(hidden))


def _tooltips(*names: str) -> list[alt.Tooltip]:
    tooltips = []
    for name in names:
        # Of these fields only x is a number (Q, quantitative); names and series are nominal (N).
        type_code = "Q" if name == "x" else "N"
        tooltips.append(alt.Tooltip(f"{name}:{type_code}"))
    for key in ("value", "low", "high"):
        tooltips.append(alt.Tooltip(f"{key}:Q", format=".2~f"))
    return tooltips
