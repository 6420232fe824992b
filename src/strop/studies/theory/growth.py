"""Findings on how many samples learners need on the hard instance: Theorems 3.1, 4.1, D.1 and 4.2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from strop.measure.intervals import Floats
from strop.studies.frame.base import Finding, markdown_table
from strop.studies.theory.figures import (
    FITTED_HEADER,
    LINEAR,
    LOG,
    LOG_X,
    curves,
    fitted_rows,
    gave_up,
    growth_rows,
)
from strop.studies.theory.fits import Fitted, exponent, exponent_of, mean_over_runs
from strop.studies.theory.samples import (
    ADAPTIVE,
    DPO,
    SFT,
    Cell,
    dpo_masses,
    over_eps,
    over_eps_fixed,
    repeated,
    repeated_shortfall,
)
from strop.studies.theory.words import HELD, WORDS
from strop.theory.hard_instance import with_coverage
from strop.theory.shortfall import Shortfall
from strop.theory.tilt import beta_for

RARE, COVER, DELTA, EPS = 16, 5.0, 0.1, 0.05
FIXED_ANSWERS = 82
FIXED = (
    f"d = {RARE}, C_cov = {COVER:g}, delta = {DELTA:g}, eps = {EPS:g} unless varied; Delta = 2 eps"
)
Fit = tuple[str, str, Fitted, float, float | None]


@dataclass(frozen=True)
class Grids:
    """What is varied, one at a time. ``short_samples`` are the N of the class with short laws: delta = 2 / 3^N."""

    eps: tuple[float, ...] = (0.2, 0.1, 0.05, 0.025, 0.0125)
    cover: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0, 32.0)
    rare: tuple[int, ...] = (4, 8, 16, 32, 64)
    delta: tuple[float, ...] = (0.1, 0.03, 0.01, 0.003, 0.001)
    short_samples: tuple[int, ...] = (3, 4, 5, 6, 7)

    def first(self, points: int) -> Grids:
        """The cheapest few of each."""
        return Grids(
            self.eps[:points],
            self.cover[:points],
            self.rare[:points],
            self.delta[:points],
            self.short_samples[:points],
        )


def growth_findings(
    runs: int, grids: Grids, workers: int, tell: Callable[[str], None]
) -> list[Finding]:
    """Four findings; the runs over eps are drawn once and serve them all."""
    eps_runs = {}
    for learner in (SFT, ADAPTIVE, DPO):
        tell(f"hard instance over eps: {learner}")
        eps_runs[learner] = repeated(
            over_eps(learner, grids.eps, RARE, COVER, DELTA), runs, f"eps {learner}", workers
        )
    tell("hard instance over C_cov, d and delta")
    return [
        _over_eps(eps_runs[SFT], grids, workers),
        _over_the_rest(runs, grids, workers),
        _adaptive(eps_runs, grids),
        _dpo(eps_runs, grids, workers),
    ]


def _fit(
    learner: str,
    against: str,
    x_S: Sequence[float],
    needed: tuple[Floats, Sequence[Cell]],
    theory: float,
) -> Fit:
    needed_RS, cells = needed
    formula = exponent_of(np.array(x_S), np.array([cell.formula for cell in cells]))
    return (
        learner,
        against,
        exponent(np.array(x_S), needed_RS[np.isfinite(needed_RS).all(axis=1)]),
        theory,
        formula,
    )


def _over_eps(grown_RS: Floats, grids: Grids, workers: int) -> Finding:
    runs = len(grown_RS)
    grown, fixed = (
        over_eps(SFT, grids.eps, RARE, COVER, DELTA),
        over_eps_fixed(SFT, grids.eps, RARE, FIXED_ANSWERS, DELTA),
    )
    fixed_RS = repeated(fixed, runs, "eps fixed", workers)
    fits = [
        _fit(SFT, "eps, M of order C/eps", grids.eps, (grown_RS, grown), -2),
        _fit(SFT, "eps, M fixed", grids.eps, (fixed_RS, fixed), -1),
    ]
    names = ("M of order C / eps: C_cov stays 5", f"M = {FIXED_ANSWERS}: C_cov falls to 1")
    rows = growth_rows(names[0], grids.eps, grown_RS, [cell.formula for cell in grown])
    rows += growth_rows(names[1], grids.eps, fixed_RS, [cell.formula for cell in fixed])
    ratio_S = np.exp(np.log(grown_RS).mean(axis=0)) / [cell.lower_bound for cell in grown]
    data = pl.DataFrame(rows)
    words = WORDS["eps"]
    return Finding(
        "theory-3-1-eps",
        words.title,
        words.paper,
        f"{fits[0][2]} with C_cov held, {fits[1][2]} with M held, {runs} runs a point; m is {ratio_S.min():.2f} to {ratio_S.max():.2f}"
        f" times C log |Pi| / (eps^2 (1 + log(C / eps))).{gave_up(grown_RS, fixed_RS)}",
        words.holds,
        data,
        curves(data, ("eps", LOG_X), ("samples needed m", LOG), formula=True),
        _table(fits),
    )


def _over_the_rest(runs: int, grids: Grids, workers: int) -> Finding:
    panels: list[Any] = []
    fits: list[Fit] = []
    rows: list[dict[str, Any]] = []
    lost: list[Floats] = []
    sides: list[tuple[str, Sequence[float], Callable[[Any], Cell], Callable[[float], float]]] = [
        (
            "C_cov",
            grids.cover,
            lambda cover: Cell(SFT, with_coverage(RARE, 2 * EPS, cover), DELTA),
            float,
        ),
        (
            "log-size of the class",
            grids.rare,
            lambda rare: Cell(SFT, with_coverage(rare, 2 * EPS, COVER), DELTA),
            lambda rare: with_coverage(int(rare), 2 * EPS, COVER).log_size,
        ),
        (
            "log(1/delta)",
            grids.delta,
            lambda delta: Cell(SFT, with_coverage(RARE, 2 * EPS, COVER), delta),
            lambda delta: -float(np.log(delta)),
        ),
    ]
    for name, grid, make, coordinate in sides:
        cells, x_S = [make(value) for value in grid], [coordinate(value) for value in grid]
        needed_RS = repeated(cells, runs, name, workers)
        fits.append(_fit(SFT, name, x_S, (needed_RS, cells), 1))
        panel = growth_rows("hard instance", x_S, needed_RS, [cell.formula for cell in cells])
        panels.append(
            curves(
                pl.DataFrame(panel),
                (name, LOG_X),
                ("samples needed m", LOG),
                formula=True,
                size=(150, 150),
            )
        )
        rows += [row | {"panel": name} for row in panel]
        lost.append(needed_RS)
    worlds = [Shortfall(8, 0.5, 2 / 3**size) for size in grids.short_samples]
    deltas, needed_RS = (
        [1 / world.delta for world in worlds],
        repeated_shortfall(worlds, runs, workers),
    )
    whole_RS = needed_RS[np.isfinite(needed_RS).all(axis=1)]
    formula_S = [world.formula for world in worlds]
    fits.append(
        (
            SFT,
            "1/delta, short laws in the class",
            exponent(np.array(deltas), whole_RS),
            1,
            exponent_of(np.array(deltas), np.array(formula_S)),
        )
    )
    panel = growth_rows("class with short laws", deltas, needed_RS, formula_S)
    panels.append(
        curves(
            pl.DataFrame(panel),
            ("1 / delta", LOG_X),
            ("samples needed m", LOG),
            formula=True,
            size=(150, 150),
        )
    )
    rows += [row | {"panel": "1/delta"} for row in panel]
    words = WORDS["rest"]
    return Finding(
        "theory-4-1",
        words.title,
        words.paper,
        "; ".join(f"against {fit[1]} {fit[2]}" for fit in fits)
        + f", {runs} runs a point.{gave_up(*lost, needed_RS)}",
        words.holds,
        pl.DataFrame(rows),
        (panels[0] | panels[1]) & (panels[2] | panels[3]),
        _table(fits),
    )


def _adaptive(eps_runs: dict[str, Floats], grids: Grids) -> Finding:
    cells = {
        learner: over_eps(learner, grids.eps, RARE, COVER, DELTA) for learner in (SFT, ADAPTIVE)
    }
    fits = [
        _fit(learner, "eps", grids.eps, (eps_runs[learner], cells[learner]), theory)
        for learner, theory in ((SFT, -2), (ADAPTIVE, -1))
    ]
    rows = [
        row
        for learner in cells
        for row in growth_rows(
            learner, grids.eps, eps_runs[learner], [cell.formula for cell in cells[learner]]
        )
    ]
    saved_RS = np.log(eps_runs[SFT] / eps_runs[ADAPTIVE])
    saved = [mean_over_runs(saved_RS[:, i]) for i in (0, len(grids.eps) - 1)]
    told = [
        f"{np.exp(one.value):.1f} [{np.exp(one.low):.1f}, {np.exp(one.high):.1f}] times at eps = {eps:g}"
        for one, eps in zip(saved, (grids.eps[0], grids.eps[-1]), strict=True)
    ]
    data = pl.DataFrame(rows)
    words = WORDS["adaptive"]
    return Finding(
        "theory-d-1",
        words.title,
        words.paper,
        f"exponent {fits[1][2]} against {fits[0][2]} with N fixed; it saves {' and '.join(told)}.{gave_up(*eps_runs.values())}",
        words.holds,
        data,
        curves(data, ("eps", LOG_X), ("samples needed m", LOG), formula=True),
        _table(fits),
    )


def _dpo(eps_runs: dict[str, Floats], grids: Grids, workers: int) -> Finding:
    runs = len(eps_runs[DPO])
    cells = over_eps(DPO, grids.eps, RARE, COVER, DELTA)
    by_delta = [Cell(DPO, with_coverage(RARE, 2 * EPS, COVER), delta) for delta in grids.delta]
    delta_RS = repeated(by_delta, runs, "dpo delta", workers)
    fits = [
        _fit(DPO, "eps", grids.eps, (eps_runs[DPO], cells), -2),
        _fit(DPO, "delta", grids.delta, (delta_RS, by_delta), -2),
    ]
    rows = growth_rows(DPO, grids.eps, eps_runs[DPO], [cell.formula for cell in cells])
    masses, ticks, points = [], [], 100
    for gamma in (0.1, 0.3, 1.0):
        betas = [float(gamma / 10**step) for step in np.linspace(-0.3, 1.6, 12)]
        learned_RB, exact_B = dpo_masses(32, gamma, betas, points, runs)
        for i, beta in enumerate(betas):
            mean = mean_over_runs(learned_RB[:, i])
            told = {
                "series": f"gamma_m = {gamma:g}",
                "x": beta,
                "value": mean.value,
                "low": mean.low,
                "high": mean.high,
            }
            masses.append(told | {"formula": float(exact_B[i]), "runs": mean.runs})
        ticks.append({"series": f"gamma_m = {gamma:g}", "x": beta_for(gamma, 32, DELTA)})
    left = curves(
        pl.DataFrame(rows), ("eps", LOG_X), ("samples needed m", LOG), formula=True, size=(190, 170)
    )
    right = curves(
        pl.DataFrame(masses), ("beta", LOG_X), ("mass on y*", LINEAR), formula=True, size=(230, 170)
    )
    marks = (
        alt.Chart(pl.DataFrame(ticks))
        .mark_rule(strokeDash=[2, 2])
        .encode(x="x:Q", color="series:N")
    )
    data = pl.DataFrame(
        [row | {"panel": "eps"} for row in rows]
        + [row | {"panel": "beta", "gave up": 0} for row in masses]
    )
    words = WORDS["dpo"]
    return Finding(
        "theory-4-2",
        words.title,
        words.paper,
        f"exponent in eps {fits[0][2]}, in delta {fits[1][2]} (beta = gamma_m / (2 log(2|Y|/delta)) each time). Right: mass on y*"
        f" learned from {points} pairs of 32 answers, dots over {runs} runs; dashed: base^(1 + 1/beta); vertical: that beta for"
        f" delta = {DELTA:g}."
        f"{gave_up(delta_RS)}",
        words.holds,
        data,
        alt.hconcat(left, alt.layer(right, marks)).resolve_scale(color="independent"),
        _table(fits),
    )


def _table(fits: Sequence[Fit]) -> str:
    return markdown_table(FITTED_HEADER, fitted_rows(fits)) + f"\n\nHeld fixed: {FIXED}. {HELD}"
