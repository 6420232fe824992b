"""The charts of a run that ``charts`` has no general form for, as Vega-Lite specifications.

Colours are names ("@accent", "@muted", "@zero") that the page replaces by those of its light or
dark palette. Values are per cent or percentage points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from strop.report.charts import ROW_HEIGHT, Specification, layered, zero_line
from strop.report.formatting import EstimateJson, clean, known
from strop.weigh import parse_weight

Rows = Sequence[Mapping[str, Any]]

CURVE_HEIGHT = 180
"""The height in pixels of a chart that stands beside others."""


def accuracy_figure(document: Mapping[str, Any]) -> Specification | None:
    """Return accuracy before and after filtering, with a row for all responses and each verifier.

    The dashed line is the accuracy of all responses. None if no accuracy is known.
    """
    rows = _accuracy_rows(clean(document))
    if not rows:
        return None
    names = [row["name"] for row in rows]
    row_axis = alt.Axis(labelLimit=150, grid=False, domain=False, ticks=False)
    y = alt.Y("name:N", sort=names, title=None, axis=row_axis)
    tooltip = [alt.Tooltip("name:N", title="responses"), *_tooltips("value", "low", "high")]
    base = alt.Chart(alt.Data(values=rows)).encode(y=y, tooltip=tooltip)
    # The layers share their x axis, so both get the same scale.
    scale = alt.Scale(zero=False, nice=True, padding=12)
    low = alt.X("low:Q", scale=scale)
    value = alt.X("value:Q", scale=scale, title="accuracy, %", axis=alt.Axis(tickCount=6))
    colour = alt.condition("datum.after", alt.value("@accent"), alt.value("@muted"))
    spans = base.mark_rule(strokeWidth=2.5).encode(x=low, x2="high:Q", color=colour)
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x=value, color=colour)
    layers = [spans, points]
    # The first row is all responses, unless their accuracy is unknown.
    if not rows[0]["after"]:
        before = alt.Chart(alt.Data(values=rows[:1])).mark_rule(strokeDash=[4, 4], color="@muted")
        layers.insert(0, before.encode(x="value:Q"))
    return layered(layers, ROW_HEIGHT * len(rows))


def _accuracy_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each known accuracy; ``after`` is True for those after filtering."""
    # Triples of name, estimate and ``after``.
    named = [
        ("all responses", document.get("accuracy"), False),
        ("greedy", document.get("greedy"), False),
    ]
    for name, entry in document["verifiers"].items():
        named.append((f"kept by {name}", entry.get("accuracy_kept"), True))
    rows = []
    for name, estimate, after in named:
        if known(estimate, "value") is not None:
            rows.append({"name": name, "after": after, **_in_points(estimate)})
    return rows


def gap_figure(rows: Rows, domain: tuple[float, float]) -> Specification:
    """Return the gap with its interval as a band against the filter's parameter.

    ``domain`` is the range of the y axis in points.
    """
    values = []
    for row in rows:
        value = {
            "threshold": row["threshold"],
            "weigh": clean(row["weigh"]),
            "kept": _points(row.get("kept_share"), "value"),
        }
        values.append(value | _in_points(row["gap"]))
    tooltip = [
        alt.Tooltip("weigh:N", title="weight"),
        *_tooltips("value", "low", "high"),
        alt.Tooltip("kept:Q", format=".1f", title="kept share, %"),
    ]
    base = alt.Chart(alt.Data(values=values)).encode(x=_parameter_axis(rows), tooltip=tooltip)
    scale = alt.Scale(domain=list(domain))
    area = base.mark_area(opacity=0.2, color="@accent")
    band = area.encode(y=_gap_axis("low", scale), y2="high:Q")
    dots = alt.OverlayMarkDef(color="@accent", size=36)
    curve = base.mark_line(color="@accent", strokeWidth=2, point=dots)
    line = curve.encode(y=_gap_axis("value", scale))
    zero = zero_line().encode(y=_gap_axis("zero", scale))
    return layered([zero, band, line], CURVE_HEIGHT)


def _parameter_axis(rows: Rows) -> alt.X:
    """Return the x axis of a sweep: ticks at the values themselves if these are whole numbers."""
    weight = parse_weight(rows[0]["weigh"])
    if weight.whole_axis:
        thresholds = sorted({row["threshold"] for row in rows})
        axis = alt.Axis(values=thresholds, format="d")
    else:
        axis = alt.Axis(tickCount=5)
    scale = alt.Scale(zero=False)
    return alt.X("threshold:Q", title=weight.axis, scale=scale, axis=axis)


def _gap_axis(key: str, scale: alt.Scale) -> alt.Y:
    """Return the y axis of one layer; all layers share title and scale."""
    axis = alt.Axis(tickCount=6)
    return alt.Y(f"{key}:Q", title="gap, points", scale=scale, axis=axis)


def calibration_figure(marks: Rows, probability: bool) -> Specification:
    """Return the share of right responses against the mean score of a bin.

    Where scores are probabilities, a diagonal shows perfect calibration.
    """
    x_scale = alt.Scale(zero=False, padding=10)
    if probability:
        x_scale = alt.Scale(domain=[0, 1])
    x = alt.X("x:Q", title="score", scale=x_scale, axis=alt.Axis(tickCount=5))
    tooltip = [
        alt.Tooltip("x:Q", title="score"),
        *_tooltips("value", "low", "high"),
        alt.Tooltip("responses:Q", format=","),
    ]
    base = alt.Chart(alt.Data(values=list(marks))).encode(x=x, tooltip=tooltip)
    y_scale = alt.Scale(domain=[0, 100])
    y = alt.Y("value:Q", scale=y_scale)
    low = alt.Y("low:Q", title="right, %", scale=y_scale)
    spans = base.mark_rule(color="@accent", strokeWidth=1.5).encode(y=low, y2="high:Q")
    # The area of a dot grows with its number of responses.
    line = base.mark_line(color="@accent", strokeWidth=1, opacity=0.5).encode(y=y)
    size = alt.Size("responses:Q", scale=alt.Scale(range=[30, 220]), legend=None)
    dots = base.mark_point(filled=True, color="@accent", opacity=1).encode(y=y, size=size)
    layers = [spans, line, dots]
    if probability:
        layers.insert(0, _diagonal())
    return layered(layers, CURVE_HEIGHT)


def _diagonal() -> alt.Chart:
    """Return the line of perfect calibration: a score of 1 is right in 100% of the cases."""
    ends = [{"x": 0, "y": 0}, {"x": 1, "y": 100}]
    base = alt.Chart(alt.Data(values=ends))
    line: alt.Chart = base.mark_line(strokeDash=[4, 4], color="@zero", strokeWidth=1)
    return line.encode(x="x:Q", y="y:Q")


def drawable(rows: Rows) -> Rows:
    """Return the rows of a sweep whose gap is defined, or none if they have a single threshold."""
    defined = [row for row in rows if known(row["gap"], "value") is not None]
    thresholds = {row["threshold"] for row in defined}
    if len(thresholds) < 2:
        return []
    return defined


def shared_domain(sweeps: Mapping[str, Rows]) -> tuple[float, float]:
    """Return the range, in points, of all gaps and intervals of one run, zero included.

    The charts of a run's verifiers share it, so that they can be compared.
    """
    values = [0.0]
    for rows in sweeps.values():
        for row in rows:
            for number in _in_points(row["gap"]).values():
                if number is not None:
                    values.append(number)
    lowest = min(values)
    highest = max(values)
    # A chart of zeros alone needs some height too.
    margin = 0.05 * (highest - lowest) or 1.0
    return lowest - margin, highest + margin


def _points(estimate: EstimateJson | None, key: str) -> float | None:
    """Return one field of an estimate in points, or None where it is unknown."""
    value = known(estimate, key)
    if value is None:
        return None
    return round(100 * value, 3)


def _in_points(estimate: EstimateJson | None) -> dict[str, float | None]:
    """Return the value and the ends of the interval in points, under the names of chart fields."""
    return {key: _points(estimate, key) for key in ("value", "low", "high")}


def _tooltips(*keys: str) -> list[alt.Tooltip]:
    return [alt.Tooltip(f"{key}:Q", format=".1f", title=key) for key in keys]
