"""Findings on the samples needed on the hard instance: Theorems 3.1, 4.1, D.1 and 4.2.

Axes: R runs, S points of a grid, B betas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from strop.measure.intervals import Floats
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.theory.figures import (
    FITTED_HEADER,
    LINEAR,
    LOG,
    LOG_X,
    Fit,
    curves,
    fitted_rows,
    gave_up,
    growth_rows,
)
from strop.studies.theory.fits import exponent, exponent_of, geometric_mean, mean_over_runs
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
from strop.theory.hard_instance import HardInstance, with_coverage
from strop.theory.shortfall import Shortfall
from strop.theory.tilt import beta_for

RARE, COVER, DELTA, EPS = 16, 5.0, 0.1, 0.05
FIXED_ANSWERS = 82
MASS_PAIRS, MASS_RESPONSES = 100, 32
"""Pairs and responses behind the mass on y* that reward-based DPO learns."""
FIXED = (
    f"d = {RARE}, C_cov = {COVER:g}, delta = {DELTA:g}, eps = {EPS:g} unless varied; Delta = 2 eps"
)
SAMPLES_AXIS = ("samples needed m", LOG)


@dataclass(frozen=True)
class Grids:
    """The values of each varied quantity; one quantity is varied at a time.

    ``short_samples`` are the N of the class with short laws: delta = 2 / 3^N.
    """

    eps: tuple[float, ...] = (0.2, 0.1, 0.05, 0.025, 0.0125)
    cover: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0, 32.0)
    rare: tuple[int, ...] = (4, 8, 16, 32, 64)
    delta: tuple[float, ...] = (0.1, 0.03, 0.01, 0.003, 0.001)
    short_samples: tuple[int, ...] = (3, 4, 5, 6, 7)

    def first(self, points: int) -> Grids:
        """Return the first ``points`` values of each, which are the cheapest."""
        return Grids(
            self.eps[:points],
            self.cover[:points],
            self.rare[:points],
            self.delta[:points],
            self.short_samples[:points],
        )


@dataclass(frozen=True)
class Curve:
    """Samples needed over a grid: the runs, and the cost formula."""

    name: str
    x_S: Sequence[float]
    needed_RS: Floats
    formula_S: Sequence[float]

    def fit(self, learner: str, against: str, theory: float) -> Fit:
        """Fit the exponents of the runs and of the formula."""
        grid_S = np.array(self.x_S)
        # A run that gave up anywhere has no slope.
        complete_R = np.isfinite(self.needed_RS).all(axis=1)
        measured = exponent(grid_S, self.needed_RS[complete_R])
        formula = exponent_of(grid_S, np.array(self.formula_S))
        return Fit(learner, against, measured, theory, formula)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each point, for data and figures."""
        return growth_rows(self.name, self.x_S, self.needed_RS, self.formula_S)


def _curve(name: str, x_S: Sequence[float], needed_RS: Floats, cells: Sequence[Cell]) -> Curve:
    """Return the curve of these runs beside the cost formula of their cells."""
    formula_S = [cell.formula for cell in cells]
    return Curve(name, x_S, needed_RS, formula_S)


def growth_findings(
    runs: int, grids: Grids, workers: int, tell: Callable[[str], None]
) -> list[Finding]:
    """Return four findings. The runs over eps are drawn once for three of them."""
    eps_runs = {}
    for learner in (SFT, ADAPTIVE, DPO):
        tell(f"hard instance over eps: {learner}")
        cells = over_eps(learner, grids.eps, RARE, COVER, DELTA)
        eps_runs[learner] = repeated(cells, runs, f"eps {learner}", workers)
    tell("hard instance over C_cov, d and delta")
    return [
        _over_eps(eps_runs[SFT], grids, workers),
        _over_the_rest(runs, grids, workers),
        _adaptive(eps_runs, grids),
        _dpo(eps_runs, grids, workers),
    ]


# --- Theorem 3.1 ---


def _over_eps(grown_RS: Floats, grids: Grids, workers: int) -> Finding:
    """Compare the exponents in eps with coverage held fixed, and with M held fixed."""
    runs = len(grown_RS)
    grown_cells = over_eps(SFT, grids.eps, RARE, COVER, DELTA)
    fixed_cells = over_eps_fixed(SFT, grids.eps, RARE, FIXED_ANSWERS, DELTA)
    fixed_RS = repeated(fixed_cells, runs, "eps fixed", workers)
    grown = _curve("M of order C / eps: C_cov stays 5", grids.eps, grown_RS, grown_cells)
    fixed_name = f"M = {FIXED_ANSWERS}: C_cov falls to 1"
    fixed = _curve(fixed_name, grids.eps, fixed_RS, fixed_cells)
    grown_fit = grown.fit(SFT, "eps, M of order C/eps", -2)
    fixed_fit = fixed.fit(SFT, "eps, M fixed", -1)
    # The geometric mean, as in the figure.
    log_mean_S = np.log(grown_RS).mean(axis=0)
    mean_S = np.exp(log_mean_S)
    ratio_S = mean_S / [cell.lower_bound for cell in grown_cells]
    least = f"{ratio_S.min():.2f}"
    greatest = f"{ratio_S.max():.2f}"
    seen = (
        f"{grown_fit.exponent} with C_cov held, {fixed_fit.exponent} with M held, {runs} runs a"
        f" point; m is {least} to {greatest} times"
        f" C log |Pi| / (eps^2 (1 + log(C / eps))).{gave_up(grown_RS, fixed_RS)}"
    )
    data = pl.DataFrame(grown.rows() + fixed.rows())
    figure = curves(data, ("eps", LOG_X), SAMPLES_AXIS, formula=True)
    table = _table([grown_fit, fixed_fit])
    return WORDS["eps"].finding("theory-3-1-eps", seen, data, figure, table)


# --- Theorem 4.1 ---


def _over_the_rest(runs: int, grids: Grids, workers: int) -> Finding:
    """Vary coverage, the size of the class and delta."""
    sides = _hard_instance_curves(runs, grids, workers)
    sides["1/delta"] = _short_laws_curve(runs, grids, workers)
    fits: list[Fit] = []
    panels: list[Any] = []
    rows: list[dict[str, Any]] = []
    for name, curve in sides.items():
        against = x_title = name
        if name == "1/delta":
            against = "1/delta, short laws in the class"
            x_title = "1 / delta"
        fits.append(curve.fit(SFT, against, 1))
        frame = pl.DataFrame(curve.rows())
        panel = curves(frame, (x_title, LOG_X), SAMPLES_AXIS, formula=True, size=(150, 150))
        panels.append(panel)
        rows += _with_panel(curve.rows(), name)
    exponents = "; ".join(f"against {fit.against} {fit.exponent}" for fit in fits)
    all_needed = [curve.needed_RS for curve in sides.values()]
    seen = f"{exponents}, {runs} runs a point.{gave_up(*all_needed)}"
    # In altair | puts charts side by side, and & one below the other.
    figure = (panels[0] | panels[1]) & (panels[2] | panels[3])
    return WORDS["rest"].finding("theory-4-1", seen, pl.DataFrame(rows), figure, _table(fits))


def _with_panel(rows: list[dict[str, Any]], panel: str) -> list[dict[str, Any]]:
    """Return the rows with the name of the panel that shows them."""
    return [row | {"panel": panel} for row in rows]


def _instance(rare: int = RARE, cover: float = COVER) -> HardInstance:
    """Return the hard instance whose rare prompts have a mass Delta of 2 eps."""
    return with_coverage(rare, 2 * EPS, cover)


def _hard_instance_curves(runs: int, grids: Grids, workers: int) -> dict[str, Curve]:
    """Return SFT-Sharpening's curves on the hard instance, by the varied quantity."""
    cells = {
        "C_cov": [Cell(SFT, _instance(cover=cover), DELTA) for cover in grids.cover],
        "log-size of the class": [Cell(SFT, _instance(rare), DELTA) for rare in grids.rare],
        "log(1/delta)": [Cell(SFT, _instance(), delta) for delta in grids.delta],
    }
    log_sizes = [_instance(rare).log_size for rare in grids.rare]
    log_inverse_deltas = [-float(np.log(delta)) for delta in grids.delta]
    grid_of: dict[str, list[float]] = {
        "C_cov": list(grids.cover),
        "log-size of the class": log_sizes,
        "log(1/delta)": log_inverse_deltas,
    }
    hard_curves = {}
    for name, cells_S in cells.items():
        needed_RS = repeated(cells_S, runs, name, workers)
        hard_curves[name] = _curve("hard instance", grid_of[name], needed_RS, cells_S)
    return hard_curves


def _short_laws_curve(runs: int, grids: Grids, workers: int) -> Curve:
    """Return SFT-Sharpening's curve over 1/delta for a class with short laws."""
    worlds = [Shortfall(8, 0.5, 2 / 3**size) for size in grids.short_samples]
    needed_RS = repeated_shortfall(worlds, runs, workers)
    x_S = [1 / world.delta for world in worlds]
    formula_S = [world.formula for world in worlds]
    return Curve("class with short laws", x_S, needed_RS, formula_S)


# --- Theorem D.1 ---


def _over_eps_curve(learner: str, needed_RS: Floats, grids: Grids) -> Curve:
    """Return a learner's curve over eps on the hard instance, with C_cov held fixed."""
    cells = over_eps(learner, grids.eps, RARE, COVER, DELTA)
    return _curve(learner, grids.eps, needed_RS, cells)


def _adaptive(eps_runs: dict[str, Floats], grids: Grids) -> Finding:
    """Compare the adaptive learner with a fixed N."""
    fixed_curve = _over_eps_curve(SFT, eps_runs[SFT], grids)
    adaptive_curve = _over_eps_curve(ADAPTIVE, eps_runs[ADAPTIVE], grids)
    fixed = fixed_curve.fit(SFT, "eps", -2)
    adaptive = adaptive_curve.fit(ADAPTIVE, "eps", -1)
    saving_RS = eps_runs[SFT] / eps_runs[ADAPTIVE]
    savings = []
    # At the largest and at the smallest eps.
    for point in (0, len(grids.eps) - 1):
        # Savings are ratios, so their mean is taken in logarithms.
        saving = geometric_mean(saving_RS[:, point])
        interval = f"[{saving.low:.1f}, {saving.high:.1f}]"
        eps = grids.eps[point]
        savings.append(f"{saving.value:.1f} {interval} times at eps = {eps:g}")
    all_savings = " and ".join(savings)
    seen = (
        f"exponent {adaptive.exponent} against {fixed.exponent} with N fixed; it saves"
        f" {all_savings}.{gave_up(*eps_runs.values())}"
    )
    data = pl.DataFrame(fixed_curve.rows() + adaptive_curve.rows())
    figure = curves(data, ("eps", LOG_X), SAMPLES_AXIS, formula=True)
    return WORDS["adaptive"].finding("theory-d-1", seen, data, figure, _table([fixed, adaptive]))


# --- Theorem 4.2 ---


def _dpo(eps_runs: dict[str, Floats], grids: Grids, workers: int) -> Finding:
    """Vary eps and delta, and show the mass on y* over beta."""
    runs = len(eps_runs[DPO])
    over_eps_grid = _over_eps_curve(DPO, eps_runs[DPO], grids)
    delta_cells = [Cell(DPO, _instance(), delta) for delta in grids.delta]
    delta_RS = repeated(delta_cells, runs, "dpo delta", workers)
    over_delta = _curve(DPO, grids.delta, delta_RS, delta_cells)
    eps_fit = over_eps_grid.fit(DPO, "eps", -2)
    delta_fit = over_delta.fit(DPO, "delta", -2)
    masses, ticks = _masses_over_beta(runs)
    seen = (
        f"exponent in eps {eps_fit.exponent}, in delta {delta_fit.exponent} (beta = gamma_m / (2"
        f" log(2|Y|/delta)) each time). Right: mass on y* learned from {MASS_PAIRS} pairs of"
        f" {MASS_RESPONSES} answers, dots over {runs} runs; dashed: base^(1 + 1/beta); vertical:"
        f" that beta for delta = {DELTA:g}.{gave_up(delta_RS)}"
    )
    eps_frame = pl.DataFrame(over_eps_grid.rows())
    left = curves(eps_frame, ("eps", LOG_X), SAMPLES_AXIS, formula=True, size=(190, 170))
    right = curves(masses, ("beta", LOG_X), ("mass on y*", LINEAR), formula=True, size=(230, 170))
    marks = alt.Chart(ticks).mark_rule(strokeDash=[2, 2]).encode(x="x:Q", color="series:N")
    # The two panels show different series, so each has its own colours.
    figure = alt.hconcat(left, alt.layer(right, marks)).resolve_scale(color="independent")
    rows = _with_panel(over_eps_grid.rows(), "eps")
    for row in masses.iter_rows(named=True):
        rows.append(row | {"panel": "beta", "gave up": 0})
    table = _table([eps_fit, delta_fit])
    return WORDS["dpo"].finding("theory-4-2", seen, pl.DataFrame(rows), figure, table)


def _masses_over_beta(runs: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the mass on y* that DPO learns over beta, and the theorem's beta of each margin."""
    masses, ticks = [], []
    for gamma in (0.1, 0.3, 1.0):
        series = f"gamma_m = {gamma:g}"
        # From twice the margin down to a fortieth of it.
        steps = np.linspace(-0.3, 1.6, 12)
        betas = [float(gamma / 10**step) for step in steps]
        learned_RB, exact_B = dpo_masses(MASS_RESPONSES, gamma, betas, MASS_PAIRS, runs)
        for i, beta in enumerate(betas):
            mean = mean_over_runs(learned_RB[:, i])
            row = {
                "series": series,
                "x": beta,
                "value": mean.value,
                "low": mean.low,
                "high": mean.high,
                "formula": float(exact_B[i]),
                "runs": mean.runs,
            }
            masses.append(row)
        ticks.append({"series": series, "x": beta_for(gamma, MASS_RESPONSES, DELTA)})
    return pl.DataFrame(masses), pl.DataFrame(ticks)


def _table(fits: Sequence[Fit]) -> str:
    rows = markdown_table(FITTED_HEADER, fitted_rows(fits))
    return f"{rows}\n\nHeld fixed: {FIXED}. {HELD}"
