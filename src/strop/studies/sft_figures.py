"""Tables and figures of the study ``sft``, and the numbers that they show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from strop.records import Estimate
from strop.studies.frame.data import as_frame, estimate_row, in_per_cent, known_values
from strop.studies.frame.figures import (
    COLUMN,
    Panel,
    forest,
    level,
    points_with_intervals,
    stacked_panels,
)
from strop.studies.frame.findings import markdown_table
from strop.studies.frame.numbers import format_estimate, per_cent, points

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
    if is_likelihood(key):
        return format_estimate(value, 1, ".2f", ".2f")
    return per_cent(value)


def _change_cell(value: Estimate, key: str) -> str:
    if is_likelihood(key):
        return in_nats(value)
    return points(value)


def is_likelihood(key: str) -> bool:
    """Return whether a quantity is a log-likelihood in nats; all others are shares."""
    return key.endswith("likelihood")


def in_nats(change: Estimate) -> str:
    return format_estimate(change, 1, "+.2f", ".2f")


def bars(changes: Mapping[str, Estimates]) -> Any:
    """Draw the changes of all models against the base model, in points."""
    rows = []
    for name, estimates in changes.items():
        if name == "base":
            continue
        for key, where in WHERE.items():
            rows.append(estimate_row(estimates[key], model=name, where=where))
    base = alt.Chart(in_per_cent(as_frame(rows))).encode(
        x=alt.X("model:N", sort=None, title=None, axis=alt.Axis(labelAngle=-30)),
        xOffset=alt.XOffset("where:N", sort=None),
        color=alt.Color("where:N", sort=None, title=None, legend=alt.Legend(columns=2)),
    )
    chart = forest(base, "y", "change against the base, points", size=26)
    return chart.properties(width=COLUMN, height=190)


def effect_figure(data: pl.DataFrame) -> Any:
    """Draw the changes against the base model by N, in points; None if all are unknown."""
    shown = in_per_cent(known_values(data))
    if shown.is_empty():
        return None
    x = alt.X("N:O", title="N of SFT-Sharpening", axis=alt.Axis(labelAngle=0))
    colour = alt.Color("where:N", sort=None, title=None, legend=alt.Legend(columns=2))
    title = "change against the base, points"
    chart = points_with_intervals(shown, x, "value:Q", colour, title=title, apart="where:N")
    return alt.layer(level(0), chart).properties(width=COLUMN, height=150)


def curve_figure(data: pl.DataFrame) -> Any:
    """Draw accuracy above log-likelihood, with one axis of steps below both."""
    known = known_values(data)
    # Accuracies are shares; log-likelihoods are in nats already.
    accuracy = in_per_cent(known.filter(what="accuracy"))
    log_likelihood = known.filter(what="log-likelihood")
    panels = [
        Panel(accuracy, "accuracy, points"),
        Panel(log_likelihood, "log-likelihood, nats"),
    ]
    x = alt.X("step:O", title="optimiser step", axis=alt.Axis(labelAngle=0))
    colour = alt.Color("problems:N", sort=None, title=None)
    return stacked_panels(panels, x, colour, height=110, apart="problems:N")
