"""The page's charts as Vega-Lite specifications, built with altair.

Colours are names ("@accent", "@muted", "@zero") that the page replaces by those of its light or dark palette.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from strop.report.formatting import clean, known

Specification = dict[str, Any]


def accuracy_figure(document: Mapping[str, Any]) -> Specification | None:
    """Accuracy before and after filtering, in per cent with intervals: a row for all responses and one for each verifier."""
    rows = _accuracy_rows(clean(document))
    if not rows:
        return None
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y(
            "name:N",
            sort=[row["name"] for row in rows],
            title=None,
            axis=alt.Axis(labelLimit=150, grid=False, domain=False, ticks=False),
        ),
        tooltip=[
            alt.Tooltip("name:N", title="responses"),
            *(_tooltip(key) for key in ("value", "low", "high")),
        ],
    )
    scale = alt.Scale(zero=False, nice=True, padding=12)
    colour = alt.condition("datum.after", alt.value("@accent"), alt.value("@muted"))
    spans = base.mark_rule(strokeWidth=2.5).encode(
        x=alt.X("low:Q", scale=scale), x2="high:Q", color=colour
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("value:Q", scale=scale, title="accuracy, %", axis=alt.Axis(tickCount=6)),
        color=colour,
    )
    before = (
        alt.Chart(alt.Data(values=rows[:1]))
        .mark_rule(strokeDash=[4, 4], color="@muted")
        .encode(x="value:Q")
    )
    layers = [before, spans, points] if not rows[0]["after"] else [spans, points]
    return alt.layer(*layers).properties(width="container", height=30 * len(rows)).to_dict()


def _accuracy_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    named = [
        ("all responses", document.get("accuracy"), False),
        ("greedy", document.get("greedy"), False),
    ]
    named += [
        (f"kept by {name}", entry.get("accuracy_kept"), True)
        for name, entry in document["verifiers"].items()
    ]
    return [
        {"name": name, "after": after, **_in_points(estimate)}
        for name, estimate, after in named
        if known(estimate, "value") is not None
    ]


def gap_figure(rows: Sequence[Mapping[str, Any]], domain: tuple[float, float]) -> Specification:
    """The gap, in points with its interval as a band, against the threshold of the filter. ``domain``: the y axis, in points."""
    quantile, rounds = (
        str(rows[0].get("weigh", "")).startswith(kind) for kind in ("quantile", "survivors")
    )
    values = [
        {
            "threshold": row["threshold"],
            "weigh": clean(row.get("weigh", "")),
            "kept": _points(row.get("kept_share"), "value"),
            **_in_points(row["gap"]),
        }
        for row in rows
    ]
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X(
            "threshold:Q",
            title="quantile filtered out, q"
            if quantile
            else "rounds survived"
            if rounds
            else "threshold on the score",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(values=sorted({row["threshold"] for row in rows}), format="d")
            if rounds
            else alt.Axis(tickCount=5),
        ),
        tooltip=[
            alt.Tooltip("weigh:N", title="weight"),
            *(_tooltip(key) for key in ("value", "low", "high", "kept")),
        ],
    )
    scale = alt.Scale(domain=list(domain))
    band = base.mark_area(opacity=0.2, color="@accent").encode(
        y=_gap_axis("low", scale), y2="high:Q"
    )
    line = base.mark_line(
        color="@accent", strokeWidth=2, point=alt.OverlayMarkDef(color="@accent", size=36)
    ).encode(y=_gap_axis("value", scale))
    zero = (
        alt.Chart(alt.Data(values=[{"zero": 0}]))
        .mark_rule(color="@zero")
        .encode(y=_gap_axis("zero", scale))
    )
    return alt.layer(zero, band, line).properties(width="container", height=180).to_dict()


def _gap_axis(key: str, scale: alt.Scale) -> alt.Y:
    return alt.Y(f"{key}:Q", title="gap, points", scale=scale, axis=alt.Axis(tickCount=6))


def calibration_figure(marks: Sequence[Mapping[str, Any]], probability: bool) -> Specification:
    """Share of right responses, in per cent with its interval, against the mean score of a bin; with the diagonal for probabilities."""
    base = alt.Chart(alt.Data(values=list(marks))).encode(
        x=alt.X(
            "x:Q",
            title="score",
            scale=alt.Scale(domain=[0, 1]) if probability else alt.Scale(zero=False, padding=10),
            axis=alt.Axis(tickCount=5),
        ),
        tooltip=[
            alt.Tooltip("x:Q", title="score"),
            *(_tooltip(key) for key in ("value", "low", "high")),
            alt.Tooltip("responses:Q", format=","),
        ],
    )
    scale = alt.Scale(domain=[0, 100])
    spans = base.mark_rule(color="@accent", strokeWidth=1.5).encode(
        y=alt.Y("low:Q", title="right, %", scale=scale), y2="high:Q"
    )
    line = base.mark_line(color="@accent", strokeWidth=1, opacity=0.5).encode(
        y=alt.Y("value:Q", scale=scale)
    )
    size = alt.Size("responses:Q", scale=alt.Scale(range=[30, 220]), legend=None)
    dots = base.mark_point(filled=True, color="@accent", opacity=1).encode(
        y=alt.Y("value:Q", scale=scale), size=size
    )
    ends = [{"x": 0, "y": 0}, {"x": 1, "y": 100}]
    diagonal = (
        alt.Chart(alt.Data(values=ends))
        .mark_line(strokeDash=[4, 4], color="@zero", strokeWidth=1)
        .encode(x="x:Q", y="y:Q")
    )
    layers = [diagonal, spans, line, dots] if probability else [spans, line, dots]
    return alt.layer(*layers).properties(width="container", height=180).to_dict()


def drawable(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of a sweep whose gap is defined; none where fewer than two thresholds are left, for a point is no curve."""
    defined = [row for row in rows if known(row["gap"], "value") is not None]
    return defined if len({row["threshold"] for row in defined}) > 1 else []


def shared_domain(sweeps: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[float, float]:
    """The span, in points, of every gap and interval of one run, zero included, so that its verifiers' charts compare."""
    marks = [
        _points(row["gap"], key)
        for rows in sweeps.values()
        for row in rows
        for key in ("value", "low", "high")
    ]
    values = [0.0, *(mark for mark in marks if mark is not None)]
    margin = 0.05 * (max(values) - min(values)) or 1.0
    return min(values) - margin, max(values) + margin


def _points(estimate: Mapping[str, Any] | None, key: str) -> float | None:
    value = known(estimate, key)
    return None if value is None else round(100 * value, 3)


def _in_points(estimate: Mapping[str, Any] | None) -> dict[str, float | None]:
    return {key: _points(estimate, key) for key in ("value", "low", "high")}


def _tooltip(key: str) -> alt.Tooltip:
    return alt.Tooltip(f"{key}:Q", format=".1f", title="kept share, %" if key == "kept" else key)
