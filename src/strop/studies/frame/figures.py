"""Figures as a paper prints them: one column wide, colours that a colour-blind reader can tell apart, intervals on every point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

COLUMN, HEIGHT = 300, 190
"""Width and height of a figure's plot in CSS pixels: with its axes, about the 3.4 inches of a two-column page."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
"""Okabe and Ito's, darkest against white first."""

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
    """Points joined by a line, each with its interval from ``low`` to ``high``: columns of ``rows`` (a Polars frame).

    The axis shows what there is; a layer with ``level(0)`` brings zero in. ``apart``: the column whose values stand beside one another, on
    an x of few places, so that no interval hides another.
    """
    base = (
        alt.Chart(rows).encode(x=x) if colour is None else alt.Chart(rows).encode(x=x, color=colour)
    )
    if apart:
        base = base.encode(
            xOffset=alt.XOffset(apart, sort=None, scale=alt.Scale(type="point", padding=10))
        )
    spans = base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(
        y=alt.Y(low, title=title, scale=alt.Scale(zero=False)), y2=high
    )
    points = base.mark_point(filled=True, size=34, opacity=1).encode(y=y)
    return alt.layer(
        spans, *([base.mark_line(strokeWidth=1.4).encode(y=y)] if line else []), points
    )


def by_family(rows: Any, x: alt.X, colour: alt.Color, *, title: str) -> tuple[list[Any], str]:
    """Layers of points with intervals, family by family, the first one's lines solid and the others' dashed; and a line that says so."""
    families = list(rows["family"].unique(maintain_order=True))
    if not families:
        return [], ""
    first, *others = families
    layers = [
        points_with_intervals(
            rows.filter(pl.col("family") == first), x, "value:Q", colour, title=title
        )
    ]
    for family in others:
        own = rows.filter(pl.col("family") == family)
        dashed = (
            alt.Chart(own)
            .mark_line(strokeDash=[4, 3], strokeWidth=1.2)
            .encode(x=x, y="value:Q", color=colour)
        )
        layers += [
            points_with_intervals(own, x, "value:Q", colour, title=title, line=False),
            dashed,
        ]
    return layers, f"solid: {first}; dashed: {', '.join(others)}" if others else ""


def level(value: float, axis: str = "y") -> Any:
    """A thin dashed line through the figure at a value of the y (or x) axis, for a zero or a bound."""
    rows = alt.Data(values=[{"level": value}])
    line = alt.Chart(rows).mark_rule(strokeDash=[3, 3], strokeWidth=0.8, color="#777")
    return line.encode(y="level:Q") if axis == "y" else line.encode(x="level:Q")


def save(chart: Any, stem: Path) -> None:
    """Write ``stem``.svg and ``stem``.png."""
    import vl_convert

    specification = chart.to_dict() | {"config": _STYLE}
    stem.with_suffix(".svg").write_text(vl_convert.vegalite_to_svg(specification), encoding="utf-8")
    stem.with_suffix(".png").write_bytes(
        vl_convert.vegalite_to_png(specification, scale=PIXELS_PER_CSS_PIXEL)
    )
