"""Figures as a paper prints them.

They are one column wide, every point has its interval, and colour-blind readers can tell the
colours apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from strop.studies.frame.data import unique_values

COLUMN, HEIGHT = 300, 190
"""Width and height of a plot in CSS pixels.

With its axes it takes about 3.4 inches, a column of a page with two.
"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""The colours of Okabe and Ito, those with most contrast to white first."""

PIXELS_PER_CSS_PIXEL = 3.0

_AXIS = {
    "labelFontSize": 10,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
    "grid": False,
    "domainColor": "#333",
    "tickColor": "#333",
    "labelColor": "#222",
    "titleColor": "#222",
    "tickSize": 4,
}
_STYLE = {
    "font": "Arial, Helvetica, sans-serif",
    "background": "white",
    "view": {
        "stroke": None,
        "continuousWidth": COLUMN,
        "continuousHeight": HEIGHT,
        "discreteWidth": COLUMN,
        "discreteHeight": HEIGHT,
    },
    "axis": _AXIS,
    "legend": {
        "labelFontSize": 10,
        "titleFontSize": 10,
        "titleFontWeight": "normal",
        "symbolSize": 50,
        "orient": "bottom",
        "columns": 4,
        "layout": {"bottom": {"anchor": "start", "direction": "vertical", "margin": 4}},
    },
    "header": {"labelFontSize": 11, "titleFontSize": 11, "labelFontWeight": "normal"},
    "title": {"fontSize": 11, "fontWeight": "normal", "anchor": "start"},
    "range": {
        "category": list(COLOURS),
        "heatmap": {"scheme": "viridis"},
        "diverging": {"scheme": "blueorange"},
    },
}


def points_with_intervals(
    rows: Any,
    x: alt.X,
    y: str,
    colour: alt.Color | None = None,
    *,
    title: str,
    low: str = "low",
    high: str = "high",
    line: bool = True,
    apart: str = "",
) -> Any:
    """Draw points joined by a line, each with its interval.

    ``rows`` is a Polars frame, and ``low`` and ``high`` name the columns of the interval's ends.
    The axis covers only the data; add a layer ``level(0)`` to bring zero in. ``apart`` names a
    column whose values are drawn side by side, so that no interval hides another; it needs a
    discrete x.
    """
    base = alt.Chart(rows).encode(x=x)
    if colour is not None:
        base = base.encode(color=colour)
    if apart:
        side_by_side = alt.Scale(type="point", padding=10)
        base = base.encode(xOffset=alt.XOffset(apart, sort=None, scale=side_by_side))
    data_only = alt.Scale(zero=False)
    # The type is given: it cannot be inferred from a column without any known value.
    low_y = alt.Y(f"{low}:Q", title=title, scale=data_only)
    intervals = base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(y=low_y, y2=f"{high}:Q")
    layers = [intervals]
    if line:
        layers.append(base.mark_line(strokeWidth=1.4).encode(y=y))
    # Points last: later layers are drawn over earlier ones.
    layers.append(base.mark_point(filled=True, size=34, opacity=1).encode(y=y))
    return alt.layer(*layers)


def by_family(rows: Any, x: alt.X, colour: alt.Color, *, title: str) -> tuple[list[Any], str]:
    """Draw points with intervals family by family, with solid lines for the first and dashed after.

    Returns the layers, and a line of text that explains the lines.
    """
    families = unique_values(rows, "family")
    layers: list[Any] = []
    for number, family in enumerate(families):
        of_family = rows.filter(family=family)
        solid = number == 0
        layers.append(
            points_with_intervals(of_family, x, "value:Q", colour, title=title, line=solid)
        )
        # points_with_intervals draws solid lines only.
        if not solid:
            dashed = alt.Chart(of_family).mark_line(strokeDash=[4, 3], strokeWidth=1.2)
            layers.append(dashed.encode(x=x, y="value:Q", color=colour))
    if len(families) < 2:
        return layers, ""
    return layers, f"solid: {families[0]}; dashed: {', '.join(families[1:])}"


def forest(base: Any, axis: str, title: Any, *, size: float, stroke: float = 1.2) -> Any:
    """Draw a point with its interval for every category, and a dashed line at zero.

    ``base`` is a chart that encodes the categories, their offsets and their colours. ``axis``, "x"
    or "y", is the axis of the values, with its ``title``. ``size`` is the area of a point and
    ``stroke`` the width of an interval's line.
    """
    if axis == "x":
        interval = {"x": alt.X("low:Q", title=title), "x2": "high:Q"}
    else:
        interval = {"y": alt.Y("low:Q", title=title), "y2": "high:Q"}
    rules = base.mark_rule(strokeWidth=stroke, opacity=0.7).encode(**interval)
    marks = base.mark_point(filled=True, size=size, opacity=1).encode(**{axis: "value:Q"})
    return alt.layer(level(0, axis), rules, marks)


# --- panels above one another ---


@dataclass(frozen=True)
class Panel:
    """One of several panels above one another: its rows, and the title of its y axis.

    ``has_zero``: the panel has a dashed line at zero.
    """

    rows: pl.DataFrame
    y_title: str
    title: str = ""
    has_zero: bool = True


def panels_by(data: pl.DataFrame, column: str, values: Sequence[str], y_title: str) -> list[Panel]:
    """Return a panel for each value of a column, with the value as its title."""
    return [Panel(data.filter(**{column: value}), y_title, value) for value in values]


def stacked_panels(
    panels: Sequence[Panel],
    x: alt.X,
    colour: alt.Color,
    *,
    height: int,
    line: bool = True,
    apart: str = "",
    offset: alt.XOffset | None = None,
    all_labels: bool = False,
) -> Any:
    """Draw panels of points with intervals above one another, over one common x axis.

    ``line`` and ``apart`` are those of ``points_with_intervals``. ``offset`` draws values of a
    column side by side at fixed distances, which are the same in every panel. With ``all_labels``
    every panel has the labels of the x axis, otherwise the last one only.
    """
    axes = [x] * len(panels) if all_labels else shared_x(x, len(panels))
    charts = []
    for panel, panel_x in zip(panels, axes, strict=True):
        chart = points_with_intervals(
            panel.rows, panel_x, "value:Q", colour, title=panel.y_title, line=line, apart=apart
        )
        if offset is not None:
            chart = chart.encode(xOffset=offset)
        if panel.has_zero:
            chart = alt.layer(level(0), chart)
        if panel.title:
            chart = chart.properties(title=panel.title)
        charts.append(chart.properties(width=COLUMN, height=height))
    return stacked(charts, spacing=8 if all_labels else 6)


def shared_x(x: alt.X, panels: int) -> list[alt.X]:
    """Return the x axis of each of several panels above one another: only the last has labels."""
    axis = x["axis"].copy()
    axis["labels"] = False
    without_labels = x.copy()
    without_labels["axis"] = axis
    without_labels["title"] = None
    axes = [without_labels] * panels
    if axes:
        axes[-1] = x
    return axes


def stacked(charts: Sequence[Any], spacing: int = 6) -> Any:
    """Put charts above one another."""
    return alt.vconcat(*charts, spacing=spacing)


# --- parts of figures ---


def flops_axis(title: str) -> alt.X:
    """Return an x axis of FLOPs, in their logarithm."""
    return alt.X(
        "flops:Q",
        scale=alt.Scale(type="log", nice=False, padding=10),
        title=title,
        axis=alt.Axis(format=".0e", tickCount=4),
    )


def level(value: float, axis: str = "y") -> Any:
    """Draw a thin dashed line at a value of the y or x axis, for a zero or a bound."""
    rows = alt.Data(values=[{"level": value}])
    line = alt.Chart(rows).mark_rule(strokeDash=[3, 3], strokeWidth=0.8, color="#777")
    return line.encode(y="level:Q") if axis == "y" else line.encode(x="level:Q")


def save(chart: Any, stem: Path) -> None:
    """Write ``stem``.svg and ``stem``.png."""
    import vl_convert  # slow to import, and only needed here

    specification = chart.to_dict() | {"config": _STYLE}
    svg = vl_convert.vegalite_to_svg(specification)
    stem.with_suffix(".svg").write_text(svg, encoding="utf-8")
    png = vl_convert.vegalite_to_png(specification, scale=PIXELS_PER_CSS_PIXEL)
    stem.with_suffix(".png").write_bytes(png)
