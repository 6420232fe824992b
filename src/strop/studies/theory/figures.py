"""Figures and tables that several findings of the theory study share.

Axes: R runs, S points of a curve.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import polars as pl

from strop.measure.intervals import Floats
from strop.studies.frame.figures import COLOURS
from strop.studies.theory.fits import Fitted, geometric_mean

LINEAR = alt.Scale(zero=False)
LOG = alt.Scale(type="log")
LOG_X = alt.Scale(type="log", nice=False, padding=10)
FITTED_HEADER = (
    "learner",
    "against",
    "exponent, 95% interval over runs",
    "theory",
    "cost formula, same range",
    "interval",
)


class Fit(NamedTuple):
    """The measured exponent of a learner's cost, beside those of the theory and the formula."""

    learner: str
    against: str
    exponent: Fitted
    theory: float
    formula: float | None


def growth_rows(
    series: str, x_S: Sequence[float], needed_RS: Floats, formula_S: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """Return one row for each point of a curve.

    A row holds the geometric mean over runs with its interval, the number of runs that gave up, and
    the value of the cost formula.
    """
    rows = []
    for point, x in enumerate(x_S):
        mean = geometric_mean(needed_RS[:, point])
        formula = None
        if formula_S is not None:
            formula = float(formula_S[point])
        row = {
            "series": series,
            "x": float(x),
            "value": mean.value,
            "low": mean.low,
            "high": mean.high,
            "runs": mean.runs,
            "gave up": len(needed_RS) - mean.runs,
            "formula": formula,
        }
        rows.append(row)
    return rows


def curves(
    rows: pl.DataFrame,
    x: tuple[str, alt.Scale],
    y: tuple[str, alt.Scale],
    *,
    formula: bool = False,
    size: tuple[int, int] = (300, 190),
) -> Any:
    """Draw one curve of ``value`` over ``x`` for each series, with its intervals.

    ``x`` and ``y`` are the title and the scale of an axis. ``formula`` adds that column as a thin
    dashed line.
    """
    x_title, x_scale = x
    y_title, y_scale = y
    names: list[str] = rows["series"].unique(maintain_order=True).to_list()
    # A single series needs no legend.
    legend = None
    if len(names) > 1:
        legend = alt.Legend(columns=2)
    colour_scale = alt.Scale(domain=names, range=list(COLOURS[: len(names)]))
    colour = alt.Color("series:N", title=None, scale=colour_scale, legend=legend)
    over_x = alt.X("x:Q", title=x_title, scale=x_scale)
    base = alt.Chart(rows).encode(x=over_x, color=colour)
    # Explicit in one layer, the title takes the place of the other layers' field names.
    low = alt.Y("low:Q", title=y_title, scale=y_scale)
    value = alt.Y("value:Q", scale=y_scale)
    layers = [
        base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(y=low, y2="high:Q"),
        base.mark_line(strokeWidth=1.4).encode(y=value),
        base.mark_point(filled=True, size=34, opacity=1).encode(y=value),
    ]
    if formula:
        dashed = base.mark_line(strokeDash=[3, 3], strokeWidth=0.9)
        layers.append(dashed.encode(y=alt.Y("formula:Q", scale=y_scale)))
    width, height = size
    return alt.layer(*layers).properties(width=width, height=height)


def verdict(fitted: Fitted, theory: float, formula: float | None = None) -> str:
    """Compare an interval with the theory's exponent.

    If the interval does not hold it, compare the exponent of the learner's cost formula over the
    range of the runs.
    """
    if fitted.holds(theory):
        return f"holds {theory:g}"
    if formula is None:
        return f"not {theory:g}"
    if fitted.holds(formula):
        return f"not {theory:g}; the cost formula's {formula:.2f}"
    return f"not {theory:g}, nor the cost formula's {formula:.2f}"


def gave_up(*needed: Floats) -> str:
    """Return a sentence about the runs that never got there; empty if there are none."""
    count = 0
    for needed_RS in needed:
        count += int(np.isnan(needed_RS).sum())
    if not count:
        return ""
    return f" {count} runs gave up and are left out."


def fitted_rows(fits: Sequence[Fit]) -> Iterator[list[str]]:
    """Yield the rows of a table under FITTED_HEADER."""
    for fit in fits:
        formula = "–"
        if fit.formula is not None:
            formula = f"{fit.formula:.2f}"
        yield [
            fit.learner,
            fit.against,
            str(fit.exponent),
            f"{fit.theory:g}",
            formula,
            verdict(fit.exponent, fit.theory, fit.formula),
        ]
