"""The figures of the sharpening study: heatmaps of lifts, curves over N, distribution functions."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from strop.sharpening import SELF_REWARDS
from strop.studies.frame.figures import COLUMN, points_with_intervals
from strop.studies.frame.numbers import short

DISTRIBUTION = {
    "model": pl.String,
    "task": pl.String,
    "kind": pl.String,
    "logprob": pl.Float64,
    "below": pl.Float64,
    "responses": pl.Int64,
}
HALF = (COLUMN - 60) // 2
BESIDE = {
    ("", "coverage"): "coverage, %",
    ("", "greedy"): "greedy accuracy, %",
    ("", "sampling"): "accuracy of one sample, %",
}


def heatmaps(data: pl.DataFrame, samples: int) -> Any:
    """Model by task: the lift by each self-reward, coverage, and the accuracies of greedy decoding and of one sample."""
    panels = {(reward, "lift"): f"lift by {reward}, %" for reward in SELF_REWARDS} | BESIDE
    shown = data.with_columns(
        pl.col("model").map_elements(short, return_dtype=pl.String), pl.col("value") * 100
    )
    told_apart = (
        pl.when((pl.col("low") > 0) | (pl.col("high") < 0)).then(pl.lit("*")).otherwise(pl.lit(""))
    )
    models, tasks = (data[name].unique(maintain_order=True).to_list() for name in ("model", "task"))
    axes = (
        lambda labels: alt.Y(
            "model:N",
            title=None,
            scale=alt.Scale(domain=[*map(short, models)]),
            axis=alt.Axis(labels=labels, ticks=labels),
        ),
        lambda labels: alt.X(
            "task:N",
            title=None,
            scale=alt.Scale(domain=tasks),
            axis=alt.Axis(labelAngle=-40, labels=labels, ticks=labels),
        ),
    )
    charts = []
    for number, ((reward, quantity), title) in enumerate(panels.items()):
        own = shown.filter(
            pl.col("reward") == reward,
            pl.col("quantity") == quantity,
            pl.col("value").is_not_null(),
        )
        form, star = ("{:+.0f}", told_apart) if quantity == "lift" else ("{:.0f}", pl.lit(""))
        own = own.with_columns(
            (pl.col("value").map_elements(form.format, return_dtype=pl.String) + star).alias("text")
        )
        charts.append(
            _heatmap(
                own,
                title,
                quantity == "lift",
                (axes[0](number % 2 == 0), axes[1](number >= len(panels) - 2)),
            )
        )
    rows = [
        alt.hconcat(*charts[place : place + 2], spacing=14, bounds="flush").resolve_scale(
            color="independent"
        )
        for place in range(0, len(charts), 2)
    ]
    head = alt.Title(
        f"N = {samples}; *: the interval excludes zero; blank: greedy is never right", fontSize=10
    )
    return alt.vconcat(*rows, spacing=6, title=head).resolve_scale(color="independent")


def _heatmap(own: pl.DataFrame, title: str, is_lift: bool, axes: tuple[alt.Y, alt.X]) -> Any:
    """One panel; a lift's colour is cut at 50%, its number is not."""
    scale = (
        alt.Scale(scheme="blueorange", domain=[-50, 50], clamp=True)
        if is_lift
        else alt.Scale(scheme="viridis", domain=[0, 100])
    )
    base = alt.Chart(own).encode(y=axes[0], x=axes[1])
    cells = base.mark_rect(stroke="white").encode(
        color=alt.Color("value:Q", scale=scale, legend=None)
    )
    dark = "abs(datum.value) > 38" if is_lift else "datum.value < 55"
    texts = base.mark_text(fontSize=9).encode(
        text="text:N", color=alt.condition(dark, alt.value("white"), alt.value("black"))
    )
    return alt.layer(cells, texts).properties(
        width=HALF, height=alt.Step(24), title=alt.Title(title, fontSize=10)
    )


def curves(data: pl.DataFrame) -> Any:
    """Of one model: task by task, accuracy (with coverage and greedy) and log-likelihood of the chosen response against N."""
    rewards = [*SELF_REWARDS, "coverage"]
    tasks = data["task"].unique(maintain_order=True).to_list()
    rows = []
    for number, task in enumerate(tasks):
        own = data.filter(pl.col("task") == task, pl.col("value").is_not_null())
        row = []
        for quantity, times, title in (
            ("accuracy", 100, "accuracy, %"),
            ("log-likelihood", 1, "log-likelihood, nats"),
        ):
            shown = own.filter(
                pl.col("quantity") == quantity, pl.col("reward") != "greedy"
            ).with_columns(pl.col("value", "low", "high") * times)
            last = number == len(tasks) - 1
            x = alt.X(
                "samples:Q",
                scale=alt.Scale(type="log", base=2, nice=False, padding=8),
                title="N" if last else None,
                axis=alt.Axis(values=[1, 2, 4, 8, 16, 32, 64, 128], labels=last),
            )
            colour = alt.Color(
                "reward:N",
                sort=rewards,
                scale=alt.Scale(domain=rewards),
                title=None,
                legend=alt.Legend(columns=4),
            )
            chart = points_with_intervals(shown, x, "value:Q", colour, title=title)
            greedy = own.filter(pl.col("reward") == "greedy").with_columns(pl.col("value") * 100)
            if quantity == "accuracy":
                chart = alt.layer(
                    alt.Chart(greedy)
                    .mark_rule(strokeDash=[4, 3], color="#333")
                    .encode(y="value:Q"),
                    chart,
                )
            row.append(
                chart.properties(
                    width=HALF, height=85, title=task if quantity == "accuracy" else ""
                )
            )
        rows.append(alt.hconcat(*row, spacing=10))
    return alt.vconcat(
        *rows,
        spacing=6,
        title=alt.Title(
            "dashed: greedy decoding; where curves agree, the last one hides the others",
            fontSize=10,
        ),
    )


def distributions(data: pl.DataFrame) -> Any:
    """Of one model: the distribution functions of right and wrong responses, task by task."""
    tasks = data["task"].unique(maintain_order=True).to_list()
    panels = []
    for number, task in enumerate(tasks):
        own = data.filter(pl.col("task") == task)
        left, bottom = number % 2 == 0, number >= len(tasks) - 2
        x = alt.X("logprob:Q", title="log-probability, nats" if bottom else None)
        y = alt.Y("below:Q", title="share below" if left else None, scale=alt.Scale(domain=[0, 1]))
        colour = alt.Color(
            "kind:N", sort=None, title=None, scale=alt.Scale(domain=["right", "wrong"])
        )
        line = (
            alt.Chart(own)
            .mark_line(interpolate="step-after", strokeWidth=1.5)
            .encode(x=x, y=y, color=colour)
        )
        panels.append(line.properties(width=HALF, height=95, title=task))
    rows = [
        alt.hconcat(*panels[place : place + 2], spacing=12) for place in range(0, len(panels), 2)
    ]
    return alt.vconcat(*rows, spacing=6)
