"""The figures of the sharpening study: heatmaps of lifts, curves over N, distribution functions."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from strop.records import interval_sign
from strop.sharpening import SELF_REWARDS
from strop.studies.frame.data import known_values, scaled, unique_values, with_short_names
from strop.studies.frame.figures import COLUMN, points_with_intervals, stacked

DISTRIBUTION = {
    "model": pl.String,
    "task": pl.String,
    "kind": pl.String,
    "logprob": pl.Float64,
    "below": pl.Float64,
    "responses": pl.Int64,
}
"""The columns of the data of distribution functions."""
HALF = (COLUMN - 60) // 2
"""The width of one of two panels side by side."""
ACCURACY_PANELS = {
    ("", "coverage"): "coverage, %",
    ("", "greedy"): "greedy accuracy, %",
    ("", "sampling"): "accuracy of one sample, %",
}


def heatmaps(data: pl.DataFrame, samples: int) -> Any:
    """Return heatmaps of model by task: the lift of each self-reward, coverage and accuracies."""
    titles = {(reward, "lift"): f"lift by {reward}, %" for reward in SELF_REWARDS}
    titles |= ACCURACY_PANELS
    shown = with_short_names(data).with_columns(pl.col("value") * 100)
    models = alt.Scale(domain=unique_values(shown, "model"))
    tasks = alt.Scale(domain=unique_values(shown, "task"))
    panels = []
    # Two panels side by side: only the left ones have model names, the bottom ones task names.
    for index, (key, title) in enumerate(titles.items()):
        reward, quantity = key
        is_left = index % 2 == 0
        is_bottom = index >= len(titles) - 2
        y_axis = alt.Axis(labels=is_left, ticks=is_left)
        y = alt.Y("model:N", title=None, scale=models, axis=y_axis)
        x_axis = alt.Axis(labelAngle=-40, labels=is_bottom, ticks=is_bottom)
        x = alt.X("task:N", title=None, scale=tasks, axis=x_axis)
        panel = shown.filter(reward=reward, quantity=quantity)
        is_lift = quantity == "lift"
        with_text = _with_text(known_values(panel), is_lift)
        panels.append(_heatmap(with_text, title, is_lift, x, y))
    rows = []
    for start in range(0, len(panels), 2):
        row = alt.hconcat(*panels[start : start + 2], spacing=14, bounds="flush")
        # Lifts and accuracies have scales of their own.
        rows.append(row.resolve_scale(color="independent"))
    head = alt.Title(
        f"N = {samples}; *: the interval excludes zero; blank: greedy is never right", fontSize=10
    )
    return alt.vconcat(*rows, spacing=6, title=head).resolve_scale(color="independent")


def _with_text(panel: pl.DataFrame, is_lift: bool) -> pl.DataFrame:
    """Add the column ``text``: the value, with a star if a lift's interval excludes zero."""
    texts = []
    for value, low, high in panel.select("value", "low", "high").iter_rows():
        if not is_lift:
            texts.append(f"{value:.0f}")
        elif interval_sign(low, high):
            texts.append(f"{value:+.0f}*")
        else:
            texts.append(f"{value:+.0f}")
    return panel.with_columns(pl.Series("text", texts, dtype=pl.String))


def _heatmap(panel: pl.DataFrame, title: str, is_lift: bool, x: alt.X, y: alt.Y) -> Any:
    """Return one panel; the colour of a lift is cut at 50%, its number is not."""
    if is_lift:
        scale = alt.Scale(scheme="blueorange", domain=[-50, 50], clamp=True)
        is_dark = "abs(datum.value) > 38"
    else:
        scale = alt.Scale(scheme="viridis", domain=[0, 100])
        is_dark = "datum.value < 55"
    base = alt.Chart(panel).encode(y=y, x=x)
    colour = alt.Color("value:Q", scale=scale, legend=None)
    cells = base.mark_rect(stroke="white").encode(color=colour)
    ink = alt.condition(is_dark, alt.value("white"), alt.value("black"))
    texts = base.mark_text(fontSize=9).encode(text="text:N", color=ink)
    return alt.layer(cells, texts).properties(
        width=HALF, height=alt.Step(24), title=alt.Title(title, fontSize=10)
    )


def curves(data: pl.DataFrame) -> Any:
    """Return the curves of one model: accuracy and log-likelihood of the chosen response against N.

    Each row is a task; coverage and greedy decoding stand beside the accuracy.
    """
    tasks = unique_values(data, "task")
    rows = []
    for task in tasks:
        is_last = task == tasks[-1]
        rows_of_task = known_values(data.filter(task=task))
        curves_of_accuracy = _curve(rows_of_task, "accuracy", 100, "accuracy, %", is_last)
        greedy = scaled(rows_of_task.filter(reward="greedy"), 100)
        greedy_line = alt.Chart(greedy).mark_rule(strokeDash=[4, 3], color="#333")
        accuracy = alt.layer(greedy_line.encode(y="value:Q"), curves_of_accuracy)
        nats = _curve(rows_of_task, "log-likelihood", 1, "log-likelihood, nats", is_last)
        left = accuracy.properties(width=HALF, height=85, title=task)
        right = nats.properties(width=HALF, height=85, title="")
        rows.append(alt.hconcat(left, right, spacing=10))
    note = "dashed: greedy decoding; where curves agree, the last one hides the others"
    return stacked(rows).properties(title=alt.Title(note, fontSize=10))


def _curve(data: pl.DataFrame, quantity: str, factor: float, title: str, has_x_axis: bool) -> Any:
    """Return the curves of one quantity over N, one for each self-reward and for coverage."""
    rewards = [*SELF_REWARDS, "coverage"]
    # Greedy decoding has one value, for no N.
    shown = data.filter(pl.col("reward") != "greedy", quantity=quantity)
    shown = scaled(shown, factor)
    x = alt.X(
        "samples:Q",
        scale=alt.Scale(type="log", base=2, nice=False, padding=8),
        title="N" if has_x_axis else None,
        axis=alt.Axis(values=[1, 2, 4, 8, 16, 32, 64, 128], labels=has_x_axis),
    )
    # The fixed domain gives a reward the same colour in every panel.
    colour = alt.Color(
        "reward:N",
        sort=rewards,
        scale=alt.Scale(domain=rewards),
        title=None,
        legend=alt.Legend(columns=4),
    )
    return points_with_intervals(shown, x, "value:Q", colour, title=title)


def distributions(data: pl.DataFrame) -> Any:
    """Return the distribution functions of right and wrong responses of one model, by task."""
    tasks = unique_values(data, "task")
    kinds = alt.Scale(domain=["right", "wrong"])
    colour = alt.Color("kind:N", sort=None, title=None, scale=kinds)
    panels = []
    # The outer panels carry the titles of the axes for all.
    for index, task in enumerate(tasks):
        x_title = "log-probability, nats" if index >= len(tasks) - 2 else None
        y_title = "share below" if index % 2 == 0 else None
        x = alt.X("logprob:Q", title=x_title)
        y = alt.Y("below:Q", title=y_title, scale=alt.Scale(domain=[0, 1]))
        rows = data.filter(task=task)
        line = alt.Chart(rows).mark_line(interpolate="step-after", strokeWidth=1.5)
        line = line.encode(x=x, y=y, color=colour)
        panels.append(line.properties(width=HALF, height=95, title=task))
    pairs = []
    for start in range(0, len(panels), 2):
        pairs.append(alt.hconcat(*panels[start : start + 2], spacing=12))
    return stacked(pairs)
