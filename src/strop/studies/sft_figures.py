"""Tables and figures of the study ``sft``, and the numbers that they show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from strop.records import Estimate
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.findings import markdown_table
from strop.studies.frame.numbers import estimate_columns, format_estimate, per_cent, points

SHOWN = {
    "train_accuracy": "one sample, training problems, %",
    "accuracy": "one sample, held out, %",
    "greedy": "greedy, held out, %",
    "best_of_k": "best of K, held out, %",
    "coverage": "coverage, held out, %",
    "base_likelihood": "log-likelihood under the base, nats",
}
CHANGES = {
    "train_accuracy": "one sample, training problems",
    "accuracy": "one sample, held out",
    "greedy": "greedy, held out",
    "coverage": "coverage, held out",
    "base_likelihood": "log-likelihood under the base, nats",
}
WHERE = {
    "train_accuracy": "one sample, training",
    "accuracy": "one sample, held out",
    "greedy": "greedy, held out",
    "coverage": "coverage, held out",
}
CURVES = {
    "train_accuracy": ("accuracy", "training problems"),
    "accuracy": ("accuracy", "held-out problems"),
    "train_base_likelihood": ("log-likelihood", "training problems"),
    "base_likelihood": ("log-likelihood", "held-out problems"),
}

Estimates = Mapping[str, Estimate]
"""Numbers of one model, or their changes against the base model, by name."""


def tables(values: Mapping[str, Estimates], changes: Mapping[str, Estimates]) -> str:
    """Return the markdown tables of values and of changes."""
    value_rows = []
    for name, estimates in values.items():
        cells = [_value_cell(estimates[key], key) for key in SHOWN]
        value_rows.append([name, *cells])
    change_rows = []
    for name, estimates in changes.items():
        if name != "base":
            cells = [_change_cell(estimates[key], key) for key in CHANGES]
            change_rows.append([name, *cells])
    blocks = [
        markdown_table(["model", *SHOWN.values()], value_rows),
        "Change against the base model, paired by seed (points; nats):",
        markdown_table(["model", *CHANGES.values()], change_rows),
    ]
    return "\n\n".join(blocks)


def _value_cell(value: Estimate, key: str) -> str:
    return (
        format_estimate(value, 1, ".2f", ".2f") if key.endswith("likelihood") else per_cent(value)
    )


def _change_cell(value: Estimate, key: str) -> str:
    return in_nats(value) if key.endswith("likelihood") else points(value)


def in_nats(change: Estimate) -> str:
    return format_estimate(change, 1, "+.2f", ".2f")


def bars(changes: Mapping[str, Estimates]) -> Any:
    """Draw the changes of all models against the base model, in points."""
    rows = []
    for name, estimates in changes.items():
        if name != "base":
            for key, where in WHERE.items():
                rows.append({"model": name, "where": where} | estimate_columns(estimates[key]))
    data = pl.DataFrame(rows, infer_schema_length=None)
    data = data.with_columns(pl.col("value", "low", "high") * 100)
    base = alt.Chart(data).encode(
        x=alt.X("model:N", sort=None, title=None, axis=alt.Axis(labelAngle=-30)),
        xOffset=alt.XOffset("where:N", sort=None),
        color=alt.Color("where:N", sort=None, title=None, legend=alt.Legend(columns=2)),
    )
    y = alt.Y("low:Q", title="change against the base, points")
    intervals = base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(y=y, y2="high:Q")
    marks = base.mark_point(filled=True, size=26, opacity=1).encode(y="value:Q")
    return alt.layer(level(0), intervals, marks).properties(width=COLUMN, height=190)


def effect_figure(data: pl.DataFrame) -> Any:
    """Draw the changes against the base model by N, in points; None if all are unknown."""
    shown = data.filter(pl.col("value").is_not_null())
    if shown.is_empty():
        return None
    shown = shown.with_columns(pl.col("value", "low", "high") * 100)
    x = alt.X("N:O", title="N of SFT-Sharpening", axis=alt.Axis(labelAngle=0))
    colour = alt.Color("where:N", sort=None, title=None, legend=alt.Legend(columns=2))
    title = "change against the base, points"
    chart = points_with_intervals(shown, x, "value:Q", colour, title=title, apart="where:N")
    return alt.layer(level(0), chart).properties(width=COLUMN, height=150)


def curve_figure(data: pl.DataFrame) -> Any:
    """Draw accuracy above log-likelihood, with one axis of steps below both."""
    panels = []
    for what, title, times, is_last in (
        ("accuracy", "accuracy, points", 100, False),
        ("log-likelihood", "log-likelihood, nats", 1, True),
    ):
        shown = data.filter(pl.col("what") == what, pl.col("value").is_not_null())
        shown = shown.with_columns(pl.col("value", "low", "high") * times)
        x_title = "optimiser step" if is_last else None
        x = alt.X("step:O", title=x_title, axis=alt.Axis(labels=is_last, labelAngle=0))
        colour = alt.Color("problems:N", sort=None, title=None)
        chart = points_with_intervals(shown, x, "value:Q", colour, title=title, apart="problems:N")
        panels.append(alt.layer(level(0), chart).properties(width=COLUMN, height=110))
    return alt.vconcat(*panels, spacing=6)
