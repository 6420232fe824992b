"""Findings on the statements that need no fit: Propositions 3.1, C.1, E.1, E.2, and base^(1 + 1/beta)."""

from __future__ import annotations

from collections.abc import Callable

import altair as alt
import polars as pl

from strop.studies.frame.base import Finding, markdown_table
from strop.studies.frame.figures import level
from strop.studies.theory.figures import LINEAR, LOG, LOG_X, curves
from strop.studies.theory.small import (
    best_of_n_failures,
    cuts_of_one_graph,
    graphs,
    greedy_success,
    max_cut_agrees,
    tilt_violations,
    tilts,
    unsharpenable_masses,
)
from strop.studies.theory.words import WORDS

MASSES, SIZES = (0.05, 0.2, 0.5), (1, 2, 4, 8, 16, 32, 64, 128)
MARGINS, RESPONSES, DELTA = (0.1, 0.3, 1.0), 64, 0.1
SYMBOLS = (3, 5, 9)


def first_findings(models: int, trials: int, tell: Callable[[str], None]) -> list[Finding]:
    """Propositions 3.1 and C.1."""
    tell("greedy decoding and best of N")
    return [_greedy(models), _best_of_n(trials)]


def last_findings(bases: int, random_graphs: int, tell: Callable[[str], None]) -> list[Finding]:
    """The closed-form optimum, and Propositions E.1 and E.2."""
    tell("base^(1 + 1/beta), max-cut, and the class that cannot be sharpened")
    return [_tilt(bases), _max_cut(random_graphs), _unsharpenable()]


def _greedy(models: int) -> Finding:
    data, words = greedy_success(models), WORDS["greedy"]
    random = data.filter(pl.col("family") == "random")
    above, below = random.filter(pl.col("mass") > 0.5), random.filter(pl.col("mass") < 0.5)
    split = data.filter(pl.col("family") == "split")
    missed, hit = (split.filter(pl.col("found") == found)["mass"].to_list() for found in (0, 1))
    counts = [int(side[column].sum()) for side in (above, below) for column in ("found", "models")]
    seen = (
        f"of {models:,} random models of 4 tokens greedy finds y* in {counts[0]:,} of the {counts[1]:,} with more than half of the mass on"
        f" it, and in {counts[2]:,} of the other {counts[3]:,} ({100 * counts[2] / max(1, counts[3]):.0f}%); of the split models it misses"
        f" those with mass {min(missed):.2f} to {max(missed):.2f} and finds y* from {min(hit):.2f} on."
    )
    series = (
        pl.col("family")
        .replace({"random": "random models", "split": "split models: one each"})
        .alias("series")
    )
    ends = {
        end: pl.when(pl.col("models") > 1).then(end).otherwise("share") for end in ("low", "high")
    }
    rows = data.select(pl.col("mass").alias("x"), pl.col("share").alias("value"), series, **ends)
    figure = curves(rows, ("pi(y*)", LINEAR), ("greedy finds y*", LINEAR))
    half = (
        alt.Chart(alt.Data(values=[{"x": 0.5}]))
        .mark_rule(strokeDash=[3, 3], strokeWidth=0.8, color="#777")
        .encode(x="x:Q")
    )
    return Finding(
        "theory-prop-3-1",
        words.title,
        words.paper,
        seen,
        words.holds,
        data,
        alt.layer(figure, half),
    )


def _best_of_n(trials: int) -> Finding:
    data, words = best_of_n_failures(MASSES, SIZES, trials), WORDS["best-of-n"]
    inside = data.filter(
        (pl.col("low") <= pl.col("exact")) & (pl.col("exact") <= pl.col("high"))
    ).height
    over = data.filter(pl.col("low") > pl.col("bound")).height
    seen = (
        f"{trials:,} trials a point; {inside} of {data.height} intervals (Wilson's 95%) hold (1 - pi(y*))^N, and {over} lie above the"
        " bound."
        " Points at 0 failures are left out of the figure, not of the count."
    )
    some = data.filter(pl.col("missed") > 0)
    series = pl.format("pi(y*) = {}", pl.col("mass")).alias("series")
    rows = some.select(
        pl.col("N").alias("x"),
        pl.col("share").alias("value"),
        "low",
        "high",
        pl.col("bound").alias("formula"),
        series,
    )
    figure = curves(
        rows, ("N", LOG_X), ("share that misses y*; dashed: the bound", LOG), formula=True
    )
    return Finding("theory-prop-c-1", words.title, words.paper, seen, words.holds, data, figure)


def _tilt(bases: int) -> Finding:
    data, words = tilts(MARGINS, RESPONSES, DELTA), WORDS["tilt"]
    above, short, slack = tilt_violations(bases, DELTA)
    seen = (
        f"of {bases:,} random bases of 16 responses {above} have less on y* than the margin bound grants, and {short} less than"
        f" {1 - DELTA:g} at the theorem's beta; the greatest beta that would do is at least {slack:.1f} times that."
    )
    shown = data.filter((pl.col("off") > 1e-6) & (pl.col("bound") > 1e-6)).with_columns(
        series=pl.format("gamma_m = {}", pl.col("margin"))
    )
    x = alt.X("beta:Q", scale=LOG_X, title="beta")
    base = alt.Chart(shown).encode(x=x, color=alt.Color("series:N", title=None))
    off = alt.Y("off:Q", scale=LOG, title="mass off y*")
    lines = base.mark_line(strokeWidth=1.4).encode(
        y=off, strokeDash=alt.StrokeDash("base:N", title="base")
    )
    bound = (
        base.transform_filter("datum.base == 'worst'")
        .mark_point(size=14, shape="cross")
        .encode(y=alt.Y("bound:Q", scale=LOG))
    )
    marks = (
        base.transform_filter("datum.base == 'worst'")
        .mark_rule(strokeDash=[2, 2], strokeWidth=0.8)
        .encode(x="beta for delta:Q")
    )
    table = f"Lines: bases of {RESPONSES} responses; crosses: the bound for the worst; vertical: the theorem's beta for delta = {DELTA:g}."
    return Finding(
        "theory-tilt",
        words.title,
        words.paper,
        seen,
        words.holds,
        data,
        alt.layer(lines, bound, marks),
        table,
    )


def _max_cut(random_graphs: int) -> Finding:
    counts: dict[str, list[int]] = {}
    for name, weight_VV in graphs(random_graphs):
        counts.setdefault(name, []).append(int(max_cut_agrees(weight_VV)))
    data, words = cuts_of_one_graph(), WORDS["max-cut"]
    seen = (
        f"on {sum(map(sum, counts.values())):,} of {sum(map(len, counts.values())):,} graphs the most likely sequences are exactly the"
        " maximum cuts, by looking at every sequence. The figure has one weighted graph of 6 vertices."
    )
    table = markdown_table(
        ("graphs", "tried", "agree"),
        [[name, f"{len(agree):,}", f"{sum(agree):,}"] for name, agree in counts.items()],
    )
    names = {"logprob": "sequences that end in symbol 1", "other": "in symbol 0"}
    ends = data.unpivot(index="cut", variable_name="end").with_columns(pl.col("end").replace(names))
    figure = (
        alt.Chart(ends)
        .mark_point(filled=True, size=24, opacity=1)
        .encode(
            x=alt.X("cut:Q", title="weight cut"),
            y=alt.Y("value:Q", title="log-probability", scale=LINEAR),
            color=alt.Color("end:N", sort=None, title=None, legend=alt.Legend(columns=2)),
        )
    )
    return Finding(
        "theory-prop-e-1", words.title, words.paper, seen, words.holds, data, figure, table
    )


def _unsharpenable() -> Finding:
    data, words = unsharpenable_masses(SYMBOLS), WORDS["unsharpenable"]
    rows = data.group_by("symbols", maintain_order=True).agg(
        pl.col("mass").max(), pl.exclude("mass", "theta").first()
    )
    cells = [
        [
            str(row["symbols"]),
            f"{row['base']:.3f}",
            "yes" if row["unique"] else "no",
            "yes" if row["greedy finds it"] else "no",
            f"{row['mass']:.3f}",
            f"{row['bound']:.3f}",
            f"{row['tilt']:.3f}",
        ]
        for row in rows.iter_rows(named=True)
    ]
    header = (
        "n",
        "base on y*",
        "y* unique",
        "greedy finds it",
        "most in the class",
        "1 / (n - 1)",
        "base^(1 + 1/0.02)",
    )
    over = rows.filter(pl.col("mass") > pl.col("bound")).height
    seen = f"theta from -6 to 6 in steps of 0.05: {over} of {len(cells)} classes exceed 1 / (n - 1) anywhere, and greedy finds y* of"
    seen += f" {rows['greedy finds it'].sum()} of {len(cells)} bases."
    shown = data.select(
        pl.col("theta").alias("x"),
        pl.col("mass").alias("value"),
        series=pl.format("n = {}", pl.col("symbols")),
    )
    lines = (
        alt.Chart(shown)
        .mark_line(strokeWidth=1.4)
        .encode(
            x=alt.X("x:Q", title="theta"),
            y=alt.Y("value:Q", title="mass on y*", scale=alt.Scale(domain=[0, 0.55])),
            color=alt.Color("series:N", title=None),
        )
    )
    return Finding(
        "theory-prop-e-2",
        words.title,
        words.paper,
        seen,
        words.holds,
        data,
        alt.layer(lines, level(0.5)),
        markdown_table(header, cells),
    )
