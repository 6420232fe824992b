"""Queries that learners need on the sphere as d grows: Example J.1, Theorem 4.3 (XPO), and what separates the learners."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import e, expm1, log
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from strop.measure.intervals import Floats
from strop.seeds import derive
from strop.studies.frame.base import Finding, markdown_table
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
"""gamma_m that every packing grants, whatever d: exp(<y*, y*> - <y, y*>) - 1 at the closest allowed."""
DELTA = 0.1
QUERIES = (
    "Queries: responses drawn and, for XPO, the extended oracle's evaluations of its own responses and of 32 validation draws a round,"
    " until the learner is (0, delta)-sharpened for the first time."
)
GROWTH = 1.1
"""Offline learners are looked at whenever they have this many times as many pairs."""


def queries_needed(learner: str, point_YD: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Responses drawn, and all queries with the extended oracle's, until the learner is (0, delta)-sharpened for the first time.

    NaN where it never was.
    """
    base = sphere_model(point_YD)
    beta = beta_for(MARGIN, len(point_YD), DELTA)
    ball, oracle = LinearBall(point_YD, 1 + 1 / beta), Oracle(base, rng)
    if learner == SFT:
        _imitate(ball, base, oracle)
    elif learner == DPO:
        _offline(ball, base, oracle, beta)
    else:
        if not _online(ball, base, oracle, Xpo(beta, alpha=float(learner == XPO))):
            return float("nan"), float("nan")
    return float(oracle.drawn), float(oracle.drawn + oracle.evaluated)


def _imitate(ball: LinearBall, base: BaseModel, oracle: Oracle) -> None:
    """SFT-Sharpening from one prompt and one more response at a time: as few as can be, since n >= 1 and N is the least that serves."""
    prompt_1, top = oracle.prompts(1), -np.inf
    while True:
        response_11, logprob_11 = oracle.respond(prompt_1)
        if logprob_11[0, 0] > top:
            top = logprob_11[0, 0]
            if is_sharpened(ball.maximum_likelihood(prompt_1, response_11[0]), base, 0, DELTA):
                return


def _offline(ball: LinearBall, base: BaseModel, oracle: Oracle, beta: float) -> None:
    pairs = base_pairs(oracle, oracle.prompts(1))
    while not is_sharpened(ball.regress(pairs, beta), base, 0, DELTA):
        more = max(1, int((GROWTH - 1) * len(pairs.prompt_N)))
        pairs = pairs.and_also(base_pairs(oracle, oracle.prompts(more)))


def _online(ball: LinearBall, base: BaseModel, oracle: Oracle, xpo: Xpo) -> bool:
    """Until the iterate with the best J_beta on its validation draws is sharpened; given up after 6 C_cov rounds and 100."""
    iterates = []
    most = 100 + round(6 * coverage(base))
    for iterate in xpo.rounds(oracle, ball, most, oracle.rng):
        iterates.append(iterate)
        if is_sharpened(best(iterates).law_XY, base, 0, DELTA):
            return True
    return False


def repeated(
    learner: str, kind: str, dimensions: Sequence[int], runs: int, workers: int = 1
) -> tuple[Floats, Floats]:
    """Responses drawn and all queries, (runs, dimensions) each; every run has its own packing, the same for all learners."""
    found = np.array(over_runs(partial(_run, learner, kind, dimensions), runs, workers))
    return found[..., 0], found[..., 1]


def _run(learner: str, kind: str, dimensions: Sequence[int], run: int) -> list[tuple[float, float]]:
    found = []
    for dimension in dimensions:
        point_YD = PACKINGS[kind](
            2**dimension, dimension, np.random.default_rng(derive("theory", kind, run, dimension))
        )
        found.append(
            queries_needed(
                learner,
                point_YD,
                np.random.default_rng(derive("theory", kind, learner, run, dimension)),
            )
        )
    return found


def sphere_finding(
    dimensions: Sequence[int], runs: int, workers: int, tell: Callable[[str], None]
) -> Finding:
    """Both packings, four learners; two fits of each, and which is the better."""
    x_S = np.array(dimensions, dtype=float)
    rows: list[dict[str, Any]] = []
    cells: list[list[str]] = []
    lost: list[Floats] = []
    for kind in PACKINGS:
        for learner in LEARNERS:
            tell(f"sphere, {kind}: {learner}")
            drawn_RS, asked_RS = repeated(learner, kind, dimensions, runs, workers)
            rows += [
                row | {"packing": kind} for row in growth_rows(learner, x_S.tolist(), asked_RS)
            ]
            whole_R = np.isfinite(asked_RS).all(axis=1)
            drawn_RS, asked_RS = drawn_RS[whole_R], asked_RS[whole_R]
            better = exponential_over_power(
                x_S, drawn_RS, derive("theory", "sphere fits", kind, learner)
            )
            fits = [
                slope(x_S, np.log(drawn_RS)),
                slope(x_S, np.log(asked_RS)),
                exponent(x_S, drawn_RS),
                better,
            ]
            cells.append(
                [kind, learner, *map(str, fits), _grows(better), f"{drawn_RS[:, -1].max():,.0f}"]
            )
            lost.append(
                drawn_RS[:0] if whole_R.all() else np.full((int((~whole_R).sum()), 1), np.nan)
            )
    data, words = pl.DataFrame(rows), WORDS["sphere"]
    panels = [
        curves(
            data.filter(pl.col("packing") == kind), ("d", LINEAR), ("queries", LOG), size=(190, 190)
        ).properties(title=kind)
        for kind in PACKINGS
    ]
    cover = exponent_of(
        np.exp(x_S), 1 + (2**x_S - 1) / e
    )  # of the hidden pole, exactly; a random packing's is of the same order
    seen = (
        f"rates in the table, against log 2 = {log(2):.2f} for a learner that must draw y*, and {cover:.2f} for log C_cov of the hidden"
        f" pole over this range; {runs} runs, each with a packing of its own."
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
    table = (
        markdown_table(header, cells)
        + f"\n\nHeld fixed: delta = {DELTA:g}, gamma_m at least {MARGIN:.3f}, |Y| = 2^d. {QUERIES}"
    )
    return Finding(
        "theory-j-1",
        words.title,
        words.paper,
        seen + gave_up(*lost),
        words.holds,
        data,
        alt.hconcat(*panels),
        table,
    )


def _grows(better: Fitted) -> str:
    """What the residuals can tell apart."""
    if better.low > 0:
        return "exponential"
    return "power" if better.high < 0 else "either"
