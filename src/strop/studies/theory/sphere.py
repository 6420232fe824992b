"""Queries that learners need on the sphere as d grows: Example J.1 and Theorem 4.3 (XPO).

Axes: R runs, S dimensions, Y responses, D coordinates, X prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import e, expm1, log
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from strop.measure.intervals import Floats
from strop.seeds import derive
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.theory.figures import LINEAR, LOG, curves, gave_up, growth_rows
from strop.studies.theory.fits import (
    Fitted,
    exponent,
    exponent_of,
    exponential_over_power,
    over_runs,
    slope,
)
from strop.studies.theory.words import WORDS
from strop.theory import BaseModel, Oracle, coverage, is_sharpened
from strop.theory.linear_ball import LinearBall
from strop.theory.regression import Xpo, base_pairs, best
from strop.theory.sphere import MOST_INNER, packing, sphere_model, with_hidden_pole
from strop.theory.tilt import beta_for

SFT, DPO, XPO, NO_BONUS = "SFT-Sharpening", "reward-based DPO", "XPO", "XPO without bonus"
LEARNERS = (SFT, DPO, XPO, NO_BONUS)
PACKINGS = {"random packing": packing, "hidden pole": with_hidden_pole}
MARGIN = expm1(1 - MOST_INNER)
"""The gamma_m of every packing for every d: exp(<y*, y*> - <y, y*>) - 1 for the closest y."""
DELTA = 0.1
QUERIES = (
    "Queries: responses drawn and, for XPO, the extended oracle's evaluations of its own responses"
    " and of 32 validation draws a round, until the learner is (0, delta)-sharpened for the first"
    " time."
)
GROWTH = 1.1
"""Offline learners are checked whenever they have this many times as many pairs."""


def queries_needed(learner: str, point_YD: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Return the queries until the learner is (0, delta)-sharpened for the first time.

    The numbers are the responses drawn, and all queries with the extended oracle's evaluations;
    both are NaN if the learner never was.
    """
    base = sphere_model(point_YD)
    responses = len(point_YD)
    beta = beta_for(MARGIN, responses, DELTA)
    # The base's parameter is a unit vector, and that of its tilt is 1 + 1 / beta times as long: the
    # ball just holds it.
    ball = LinearBall(point_YD, 1 + 1 / beta)
    oracle = Oracle(base, rng)
    if learner == SFT:
        _imitate(ball, base, oracle)
    elif learner == DPO:
        _learn_offline(ball, base, oracle, beta)
    else:
        # The ball takes the limit of a vanishing bonus: any alpha above 0 is the same.
        alpha = float(learner == XPO)
        xpo = Xpo(beta, alpha)
        if not _learn_online(ball, base, oracle, xpo):
            return float("nan"), float("nan")
    all_queries = oracle.drawn + oracle.evaluated
    return float(oracle.drawn), float(all_queries)


def _imitate(ball: LinearBall, base: BaseModel, oracle: Oracle) -> None:
    """Run SFT-Sharpening on one prompt, with one more response at a time.

    These are the fewest responses possible, because n >= 1 and N is the smallest that is enough.
    """
    prompt_1 = oracle.prompts(1)
    likeliest = -np.inf
    while True:
        response_11, logprob_11 = oracle.respond(prompt_1)
        logprob = logprob_11[0, 0]
        # The best of N changes only with a likelier response.
        if logprob > likeliest:
            likeliest = logprob
            law_XY = ball.maximum_likelihood(prompt_1, response_11[0])
            if is_sharpened(law_XY, base, 0, DELTA):
                return


def _learn_offline(ball: LinearBall, base: BaseModel, oracle: Oracle, beta: float) -> None:
    """Run reward-based DPO on growing numbers of pairs of base responses."""
    pairs = base_pairs(oracle, oracle.prompts(1))
    while True:
        law_XY = ball.regress(pairs, beta)
        if is_sharpened(law_XY, base, 0, DELTA):
            return
        more = max(1, int((GROWTH - 1) * len(pairs.prompt_N)))
        new_pairs = base_pairs(oracle, oracle.prompts(more))
        pairs = pairs.and_also(new_pairs)


def _learn_online(ball: LinearBall, base: BaseModel, oracle: Oracle, xpo: Xpo) -> bool:
    """Run XPO, and return whether it became sharpened before it was given up.

    The model is the iterate with the best J_beta on its validation draws.
    """
    iterates = []
    most_rounds = 100 + round(6 * coverage(base))
    for iterate in xpo.rounds(oracle, ball, most_rounds, oracle.rng):
        iterates.append(iterate)
        law_XY = best(iterates).law_XY
        if is_sharpened(law_XY, base, 0, DELTA):
            return True
    return False


def repeated(
    learner: str, packing_name: str, dimensions: Sequence[int], runs: int, workers: int = 1
) -> tuple[Floats, Floats]:
    """Return responses drawn and all queries, (runs, dimensions) each.

    Every run has a packing of its own, which all learners share.
    """
    run_once = partial(_run, learner, packing_name, dimensions)
    needed = np.array(over_runs(run_once, runs, workers))
    return needed[..., 0], needed[..., 1]


def _run(
    learner: str, packing_name: str, dimensions: Sequence[int], run: int
) -> list[tuple[float, float]]:
    needed = []
    for dimension in dimensions:
        # The learner is not in this seed: all learners meet the same packings.
        packing_rng = np.random.default_rng(derive("theory", packing_name, run, dimension))
        point_YD = PACKINGS[packing_name](2**dimension, dimension, packing_rng)
        rng = np.random.default_rng(derive("theory", packing_name, learner, run, dimension))
        needed.append(queries_needed(learner, point_YD, rng))
    return needed


# --- the finding ---


@dataclass(frozen=True)
class _Runs:
    """The runs of one learner on one packing, (runs, dimensions)."""

    packing: str
    learner: str
    drawn_RS: Floats
    queries_RS: Floats

    @property
    def complete_R(self) -> np.ndarray:
        """The runs that never gave up; only these are fit."""
        reached_RS = np.isfinite(self.queries_RS)
        return np.asarray(reached_RS.all(axis=1))

    def rows(self, x_S: Floats) -> list[dict[str, Any]]:
        """Return one row for each dimension, for data and figures."""
        rows = growth_rows(self.learner, x_S.tolist(), self.queries_RS)
        return [row | {"packing": self.packing} for row in rows]

    def table_row(self, x_S: Floats) -> list[str]:
        """Fit both laws of growth, and return the cells of the table."""
        drawn_RS = self.drawn_RS[self.complete_R]
        queries_RS = self.queries_RS[self.complete_R]
        seed = derive("theory", "sphere fits", self.packing, self.learner)
        better = exponential_over_power(x_S, drawn_RS, seed)
        fits = [
            slope(x_S, np.log(drawn_RS)),
            slope(x_S, np.log(queries_RS)),
            exponent(x_S, drawn_RS),
            better,
        ]
        most = f"{drawn_RS[:, -1].max():,.0f}"
        return [self.packing, self.learner, *map(str, fits), _growth(better), most]


def sphere_finding(
    dimensions: Sequence[int], runs: int, workers: int, tell: Callable[[str], None]
) -> Finding:
    """Return the growth of queries with d, of four learners on two packings.

    Each is fit by an exponential and by a power, and the table names the better fit.
    """
    x_S = np.array(dimensions, dtype=float)
    results: list[_Runs] = []
    for packing_name, learner in product(PACKINGS, LEARNERS):
        tell(f"sphere, {packing_name}: {learner}")
        drawn_RS, queries_RS = repeated(learner, packing_name, dimensions, runs, workers)
        results.append(_Runs(packing_name, learner, drawn_RS, queries_RS))
    rows: list[dict[str, Any]] = []
    for result in results:
        rows += result.rows(x_S)
    data = pl.DataFrame(rows)
    panels = []
    for packing_name in PACKINGS:
        of_packing = data.filter(packing=packing_name)
        panel = curves(of_packing, ("d", LINEAR), ("queries", LOG), size=(190, 190))
        panels.append(panel.properties(title=packing_name))
    # log C_cov grows by this much for each dimension. The formula is exact for the hidden pole; the
    # coverage of a random packing is of the same order.
    coverage_S = 1 + (2**x_S - 1) / e
    cover = exponent_of(np.exp(x_S), coverage_S)
    # A run that gave up at any dimension is left out whole, and counts once.
    incomplete = [np.where(result.complete_R, 0.0, np.nan) for result in results]
    seen = (
        f"rates in the table, against log 2 = {log(2):.2f} for a learner that must draw y*, and"
        f" {cover:.2f} for log C_cov of the hidden pole over this range; {runs} runs, each with a"
        f" packing of its own.{gave_up(*incomplete)}"
    )
    header = (
        "packing",
        "learner",
        "rate: log responses a dimension",
        "rate of all queries",
        "power of d",
        "residual, power less exponential",
        "the better fit",
        f"most responses of a run, d = {dimensions[-1]}",
    )
    table = markdown_table(header, [result.table_row(x_S) for result in results])
    held = f"Held fixed: delta = {DELTA:g}, gamma_m at least {MARGIN:.3f}, |Y| = 2^d."
    below = f"{table}\n\n{held} {QUERIES}"
    return WORDS["sphere"].finding("theory-j-1", seen, data, alt.hconcat(*panels), below)


def _growth(better: Fitted) -> str:
    """Name the law of growth that the residuals favour; "either" if they cannot separate them."""
    if better.low > 0:
        return "exponential"
    if better.high < 0:
        return "power"
    return "either"
