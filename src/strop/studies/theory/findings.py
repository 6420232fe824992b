"""Findings on the statements without a fit: Propositions 3.1, C.1, E.1, E.2, base^(1 + 1/beta)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import altair as alt
import polars as pl

from strop.studies.frame.figures import level
from strop.studies.frame.findings import Finding, markdown_table
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

MASSES = (0.05, 0.2, 0.5)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
MARGINS = (0.1, 0.3, 1.0)
RESPONSES = 64
DELTA = 0.1
SYMBOLS = (3, 5, 9)


def first_findings(models: int, trials: int, tell: Callable[[str], None]) -> list[Finding]:
    """Return the findings on Propositions 3.1 and C.1."""
    tell("greedy decoding and best of N")
    return [_greedy(models), _best_of_n(trials)]


def last_findings(bases: int, random_graphs: int, tell: Callable[[str], None]) -> list[Finding]:
    """Return the findings on the closed-form optimum and on Propositions E.1 and E.2."""
    tell("base^(1 + 1/beta), max-cut, and the class that cannot be sharpened")
    return [_tilt(bases), _max_cut(random_graphs), _unsharpenable()]


def _greedy(models: int) -> Finding:
    """Return the finding on Proposition 3.1: greedy decoding's success by the mass of y*."""
    data = greedy_success(models)
    random = data.filter(family="random")
    split = data.filter(family="split")
    above = random.filter(pl.col("mass") > 0.5)
    below = random.filter(pl.col("mass") < 0.5)
    found_above, models_above = _counts(above)
    found_below, models_below = _counts(below)
    per_cent_below = 100 * found_below / max(1, models_below)
    missed = split.filter(found=0)["mass"].to_list()
    hit = split.filter(found=1)["mass"].to_list()
    seen = (
        f"of {models:,} random models of 4 tokens greedy finds y* in {found_above:,} of the"
        f" {models_above:,} with more than half of the mass on it, and in {found_below:,} of the"
        f" other {models_below:,} ({per_cent_below:.0f}%); of the split"
        f" models it misses those with mass {min(missed):.2f} to {max(missed):.2f} and finds y*"
        f" from {min(hit):.2f} on."
    )

    titles = {"random": "random models", "split": "split models: one each"}
    # Each split model is one model, so its share is 0 or 1 and has no interval.
    is_group = pl.col("models") > 1
    rows = data.select(
        pl.col("mass").alias("x"),
        pl.col("share").alias("value"),
        pl.col("family").replace(titles).alias("series"),
        low=pl.when(is_group).then("low").otherwise("share"),
        high=pl.when(is_group).then("high").otherwise("share"),
    )
    figure = curves(rows, ("pi(y*)", LINEAR), ("greedy finds y*", LINEAR))
    # More than half of the mass on y* is enough for greedy decoding (Proposition 3.1).
    half = alt.Chart(alt.Data(values=[{"x": 0.5}])).encode(x="x:Q")
    half = half.mark_rule(strokeDash=[3, 3], strokeWidth=0.8, color="#777")
    return WORDS["greedy"].finding("theory-prop-3-1", seen, data, alt.layer(figure, half))


def _counts(rows: pl.DataFrame) -> tuple[int, int]:
    """Return the models in which greedy decoding finds y*, and all models."""
    return int(rows["found"].sum()), int(rows["models"].sum())


def _best_of_n(trials: int) -> Finding:
    """Return the finding on Proposition C.1: failures of best-of-N by the mass of y* and N."""
    data = best_of_n_failures(MASSES, SIZES, trials)
    inside = data.filter(pl.col("exact").is_between("low", "high")).height
    over_bound = data.filter(pl.col("low") > pl.col("bound")).height
    seen = (
        f"{trials:,} trials a point; {inside} of {data.height} intervals (Wilson's 95%) hold"
        f" (1 - pi(y*))^N, and {over_bound} lie above the bound. Points at 0 failures are left out"
        " of the figure, not of the count."
    )
    # A logarithmic axis has no place for 0.
    rows = data.filter(pl.col("missed") > 0).select(
        pl.col("N").alias("x"),
        pl.col("share").alias("value"),
        "low",
        "high",
        pl.col("bound").alias("formula"),
        pl.format("pi(y*) = {}", pl.col("mass")).alias("series"),
    )
    y_title = "share that misses y*; dashed: the bound"
    figure = curves(rows, ("N", LOG_X), (y_title, LOG), formula=True)
    return WORDS["best-of-n"].finding("theory-prop-c-1", seen, data, figure)


def _tilt(bases: int) -> Finding:
    """Return the finding on base^(1 + 1/beta): its mass on y* against the margin's bound."""
    data = tilts(MARGINS, RESPONSES, DELTA)
    above, short, slack = tilt_violations(bases, DELTA)
    seen = (
        f"of {bases:,} random bases of 16 responses {above} have less on y* than the margin bound"
        f" guarantees, and {short} less than {1 - DELTA:g} at the theorem's beta; the greatest beta"
        f" that is small enough is at least {slack:.1f} times that."
    )
    table = (
        f"Lines: bases of {RESPONSES} responses; crosses: the bound for the worst; vertical: the"
        f" theorem's beta for delta = {DELTA:g}."
    )
    return WORDS["tilt"].finding("theory-tilt", seen, data, _tilt_figure(data), table)


def _tilt_figure(data: pl.DataFrame) -> Any:
    """Return the mass off y* over beta: lines, the bound as crosses, the theorem's beta as rules.

    The two bases of a margin differ in the dash of their lines; the bound is that of the worst one.
    """
    # Smaller masses would only stretch the logarithmic axis.
    is_visible = (pl.col("off") > 1e-6) & (pl.col("bound") > 1e-6)
    shown = data.filter(is_visible)
    shown = shown.with_columns(series=pl.format("gamma_m = {}", pl.col("margin")))
    x = alt.X("beta:Q", scale=LOG_X, title="beta")
    base = alt.Chart(shown).encode(x=x, color=alt.Color("series:N", title=None))
    worst = base.transform_filter("datum.base == 'worst'")
    off = alt.Y("off:Q", scale=LOG, title="mass off y*")
    dash = alt.StrokeDash("base:N", title="base")
    lines = base.mark_line(strokeWidth=1.4).encode(y=off, strokeDash=dash)
    bound = worst.mark_point(size=14, shape="cross").encode(y=alt.Y("bound:Q", scale=LOG))
    marks = worst.mark_rule(strokeDash=[2, 2], strokeWidth=0.8).encode(x="beta for delta:Q")
    return alt.layer(lines, bound, marks)


def _max_cut(random_graphs: int) -> Finding:
    """Return the finding on Proposition E.1: the most likely sequences are maximum cuts."""
    agreement: dict[str, list[bool]] = {}
    for name, weight_VV in graphs(random_graphs):
        agreement.setdefault(name, []).append(max_cut_agrees(weight_VV))
    counts = []
    agreeing = tried = 0
    for name, agree in agreement.items():
        counts.append([name, f"{len(agree):,}", f"{sum(agree):,}"])
        agreeing += sum(agree)
        tried += len(agree)
    seen = (
        f"on {agreeing:,} of {tried:,} graphs the most likely sequences are exactly the maximum"
        " cuts, by looking at every sequence. The figure has one weighted graph of 6 vertices."
    )
    table = markdown_table(("graphs", "tried", "agree"), counts)

    data = cuts_of_one_graph()
    titles = {"logprob": "sequences that end in symbol 1", "other": "in symbol 0"}
    ends = data.unpivot(index="cut", variable_name="end")
    ends = ends.with_columns(pl.col("end").replace(titles))
    points = alt.Chart(ends).mark_point(filled=True, size=24, opacity=1)
    figure = points.encode(
        x=alt.X("cut:Q", title="weight cut"),
        y=alt.Y("value:Q", title="log-probability", scale=LINEAR),
        color=alt.Color("end:N", sort=None, title=None, legend=alt.Legend(columns=2)),
    )
    return WORDS["max-cut"].finding("theory-prop-e-1", seen, data, figure, table)


def _unsharpenable() -> Finding:
    """Return the finding on Proposition E.2: the mass on y* within a class and outside it."""
    data = unsharpenable_masses(SYMBOLS)
    # One row a class: the greatest mass of its members; all else is the same in every row.
    by_class = data.group_by("symbols", maintain_order=True)
    rows = by_class.agg(pl.col("mass").max(), pl.exclude("mass", "theta").first())
    classes = rows.height
    over_bound = rows.filter(pl.col("mass") > pl.col("bound")).height
    found_by_greedy = rows["greedy finds it"].sum()
    seen = (
        f"theta from -6 to 6 in steps of 0.05: {over_bound} of {classes} classes exceed"
        f" 1 / (n - 1) anywhere, and greedy finds y* of {found_by_greedy} of"
        f" {classes} bases."
    )
    shown = data.select(
        pl.col("theta").alias("x"),
        pl.col("mass").alias("value"),
        series=pl.format("n = {}", pl.col("symbols")),
    )
    y_scale = alt.Scale(domain=[0, 0.55])
    lines = alt.Chart(shown).mark_line(strokeWidth=1.4)
    lines = lines.encode(
        x=alt.X("x:Q", title="theta"),
        y=alt.Y("value:Q", title="mass on y*", scale=y_scale),
        color=alt.Color("series:N", title=None),
    )
    figure = alt.layer(lines, level(0.5))
    table = _unsharpenable_table(rows)
    return WORDS["unsharpenable"].finding("theory-prop-e-2", seen, data, figure, table)


def _unsharpenable_table(rows: pl.DataFrame) -> str:
    header = (
        "n",
        "base on y*",
        "y* unique",
        "greedy finds it",
        "most in the class",
        "1 / (n - 1)",
        "base^(1 + 1/0.02)",
    )
    cells = []
    for row in rows.iter_rows(named=True):
        line = [
            str(row["symbols"]),
            f"{row['base']:.3f}",
            "yes" if row["unique"] else "no",
            "yes" if row["greedy finds it"] else "no",
            f"{row['mass']:.3f}",
            f"{row['bound']:.3f}",
            f"{row['tilt']:.3f}",
        ]
        cells.append(line)
    return markdown_table(header, cells)
