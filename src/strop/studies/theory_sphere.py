"""Queries that learners need on the sphere as d grows: Example J.1, Theorem 4.3 (XPO), and what separates the learners."""

from __future__ import annotations

from collections.abc import Sequence
from math import expm1

import numpy as np

from strop.measure.intervals import Floats
from strop.seeds import derive
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
GROWTH = 1.1
"""Offline learners are looked at whenever they have this many times as many pairs."""


def queries_needed(learner: str, point_YD: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """Responses drawn, and all queries with the extended oracle's, until the learner is (0, delta)-sharpened for the first time; NaN: never."""
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


def repeated(learner: str, kind: str, dimensions: Sequence[int], runs: int) -> tuple[Floats, Floats]:
    """Responses drawn and all queries, (runs, dimensions) each; every run has its own packing, the same for all learners."""
    found = np.empty((2, runs, len(dimensions)))
    for run in range(runs):
        for i, dimension in enumerate(dimensions):
            point_YD = PACKINGS[kind](2**dimension, dimension, np.random.default_rng(derive("theory", kind, run, dimension)))
            found[:, run, i] = queries_needed(learner, point_YD, np.random.default_rng(derive("theory", kind, learner, run, dimension)))
    return found[0], found[1]
