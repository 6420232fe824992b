"""What the theory study's figures and tables share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import polars as pl

from strop.measure.intervals import Floats
from strop.studies.frame.figures import COLOURS
from strop.studies.theory.fits import Fitted, geometric_mean

LINEAR, LOG, LOG_X = (
    alt.Scale(zero=False),
    alt.Scale(type="log"),
    alt.Scale(type="log", nice=False, padding=10),
)


def growth_rows(
    series: str, x_S: Sequence[float], needed_RS: Floats, formula_S: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """One row a point: geometric mean over runs with its interval, runs that never got there, and what a formula says."""
    rows = []
    for i, x in enumerate(x_S):
        mean = geometric_mean(needed_RS[:, i])
        told = {
            "series": series,
            "x": float(x),
            "value": mean.value,
            "low": mean.low,
            "high": mean.high,
            "runs": mean.runs,
        }
        rows.append(
            told
            | {
                "gave up": len(needed_RS) - mean.runs,
                "formula": None if formula_S is None else float(formula_S[i]),
            }
        )
    return rows


def curves(
    rows: pl.DataFrame,
    x: tuple[str, alt.Scale],
    y: tuple[str, alt.Scale],
    *,
    formula: bool = False,
    size: tuple[int, int] = (300, 190),
) -> Any:
    """Columns x, value, low, high, one colour a series; ``formula`` as a thin dashed line."""
    names: list[str] = rows["series"].unique(maintain_order=True).to_list()
    colour = alt.Color(
        "series:N",
        title=None,
        scale=alt.Scale(domain=names, range=list(COLOURS[: len(names)])),
        legend=alt.Legend(columns=2) if len(names) > 1 else None,
    )
    base = alt.Chart(rows).encode(x=alt.X("x:Q", title=x[0], scale=x[1]), color=colour)
    layers = [
        base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(
            y=alt.Y("low:Q", title=y[0], scale=y[1]), y2="high:Q"
        ),
        base.mark_line(strokeWidth=1.4).encode(y=alt.Y("value:Q", scale=y[1])),
        base.mark_point(filled=True, size=34, opacity=1).encode(y=alt.Y("value:Q", scale=y[1])),
    ]
    if formula:
        layers.append(
            base.mark_line(strokeDash=[3, 3], strokeWidth=0.9).encode(
                y=alt.Y("formula:Q", scale=y[1])
            )
        )
    return alt.layer(*layers).properties(width=size[0], height=size[1])


def verdict(found: Fitted, theory: float, formula: float | None = None) -> str:
    """Does the interval hold the theory's number; if not, does it hold what the learner's own cost formula has over this range?"""
    if found.holds(theory):
        return f"holds {theory:g}"
    if formula is not None and found.holds(formula):
        return f"not {theory:g}; the cost formula's {formula:.2f}"
    return f"not {theory:g}" + (
        "" if formula is None else f", nor the cost formula's {formula:.2f}"
    )


def gave_up(*needed: Floats) -> str:
    """How many runs never got there, said only if any."""
    count = sum(int((needed_RS != needed_RS).sum()) for needed_RS in needed)
    return f" {count} runs gave up and are left out." if count else ""


def fitted_rows(
    fits: Sequence[tuple[str, str, Fitted, float, float | None]],
) -> Iterator[list[str]]:
    """Rows of (learner, against, exponent, theory, formula)."""
    for learner, against, found, theory, formula in fits:
        yield [
            learner,
            against,
            str(found),
            f"{theory:g}",
            "–" if formula is None else f"{formula:.2f}",
            verdict(found, theory, formula),
        ]


FITTED_HEADER = (
    "learner",
    "against",
    "exponent, 95% interval over runs",
    "theory",
    "cost formula, same range",
    "interval",
)
