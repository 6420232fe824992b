"""Samples that learners need on the hard instance.

The learners are SFT-Sharpening (Theorems 3.1 and 4.1), the adaptive learner (Theorem D.1) and
reward-based DPO (Theorem 4.2).

Axes: N prompts drawn so far, R runs, B betas, X prompts, Y responses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, log

import numpy as np

from strop.measure.intervals import Floats
from strop.seeds import derive
from strop.studies.theory.fits import over_runs
from strop.theory import Oracle, is_sharpened, margin, tabular
from strop.theory.base_models import BaseModel
from strop.theory.best_of_n import adaptive_best, adaptive_law, best_of_n
from strop.theory.classes import Pairs, ProductClass
from strop.theory.hard_instance import HardInstance, raised_YY, with_coverage
from strop.theory.regression import base_pairs, reward_dpo
from strop.theory.sft import mu_for
from strop.theory.shortfall import Shortfall
from strop.theory.tilt import beta_for, tilted

SFT, ADAPTIVE, DPO = "SFT-Sharpening", "adaptive SFT-Sharpening", "reward-based DPO"
SHARE = 0.5
"""eps / Delta: a learner may miss this share of the rare prompts."""
LOOKS = 32
"""Checks of a learner while it draws as many prompts as show each rare one once on average."""
PATIENCE = 400
"""Checks after which a run is given up."""


@dataclass(frozen=True)
class Cell:
    """One learner on one instance, with (eps, delta)-sharpened as its goal.

    eps is half the mass of the rare prompts.
    """

    learner: str
    instance: HardInstance
    delta: float

    @property
    def eps(self) -> float:
        return SHARE * self.instance.delta_mass

    @property
    def lower_bound(self) -> float:
        """Theorem 3.1 without its constant: C log |Pi| / (eps^2 (1 + log(C / eps)))."""
        cover = self.instance.coverage
        logarithm = 1 + log(cover / self.eps)
        above = cover * self.instance.log_size
        below = self.eps**2 * logarithm
        return above / below

    @property
    def formula(self) -> float:
        """The learner's expected cost.

        It is the number of prompts until half of the rare ones have shown their secret, times the
        cost of a prompt. The error of a best of N is left out: its probability is at most delta.
        """
        rare = self.instance.rare
        chance = self.instance.delta_mass * self._chance_of_secret
        wanted = rare - int(SHARE * rare)
        # Coupon collecting: after `found` secrets, rare - found prompts can show another one.
        prompts = sum(rare / (chance * (rare - found)) for found in range(wanted))
        return self._cost_of_prompt * prompts

    @property
    def _chance_of_secret(self) -> float:
        """The probability that a visit to a rare prompt shows its secret."""
        if self.learner == DPO:
            # Either response of the pair may be the secret.
            miss_once = 1 - 2 / self.instance.answers
            return 1 - miss_once**2
        # A best of N is the secret, but for the error that the formula leaves out.
        return 1.0

    @property
    def _cost_of_prompt(self) -> float:
        """The expected number of responses drawn for a prompt."""
        if self.learner == DPO:
            return 2.0
        if self.learner == ADAPTIVE:
            mass = self.instance.delta_mass
            answers = self.instance.answers
            mu = mu_for(self.delta)
            # The certain prompt has probability 1 on its answer: it stops at the first k >= mu.
            draws_on_certain = ceil(mu)
            rare_law_Y = raised_YY(answers, 2 / answers)[0]
            _, draws_on_rare = adaptive_law(rare_law_Y, mu)
            return (1 - mass) * draws_on_certain + mass * draws_on_rare
        return float(self.instance.samples_for(self.delta))


def samples_needed(cell: Cell, rng: np.random.Generator) -> float:
    """Return the number of responses drawn until the learner reaches its goal for the first time.

    The learner is fit to all its samples at every check. NaN if it never reached its goal.
    """
    base = cell.instance.base(rng)
    oracle = Oracle(base, rng)
    fit, prompts = _learner(cell, base, oracle)
    for _ in range(PATIENCE):
        law_XY = fit(oracle.prompts(prompts))
        if is_sharpened(law_XY, base, cell.eps, cell.delta):
            return float(oracle.drawn)
    return float("nan")


Learner = Callable[[np.ndarray], Floats]
"""Takes new prompts, and returns the law (X, Y) that is fit to all prompts so far."""


def _learner(cell: Cell, base: BaseModel, oracle: Oracle) -> tuple[Learner, int]:
    """Return the learner, and the number of prompts to give it between two checks."""
    # A rare prompt has mass Delta / d, so d / Delta prompts show each of them once on average.
    prompts = cell.instance.rare / cell.instance.delta_mass / LOOKS
    if cell.learner == DPO:
        # A pair shows the secret of a rare prompt with a probability of about 4 / answers, so
        # that many more prompts pass between two checks.
        prompts = prompts * cell.instance.answers / 4
        return _regression(cell, base, oracle), max(1, round(prompts))
    return _imitation(cell, oracle), max(1, round(prompts))


def _regression(cell: Cell, base: BaseModel, oracle: Oracle) -> Learner:
    """Return reward-based DPO on pairs of base responses."""
    beta = beta_for(margin(base), cell.instance.answers, cell.delta)
    members = cell.instance.tilted_class(beta)
    pairs: Pairs | None = None

    def regress(prompt_N: np.ndarray) -> Floats:
        nonlocal pairs
        new_pairs = base_pairs(oracle, prompt_N)
        pairs = new_pairs if pairs is None else pairs.and_also(new_pairs)
        return members.regress(pairs, beta)

    return regress


def _imitation(cell: Cell, oracle: Oracle) -> Learner:
    """Return SFT-Sharpening, with a fixed N or adaptive."""
    instance = cell.instance
    samples = instance.samples_for(cell.delta)
    mu = mu_for(cell.delta)
    is_adaptive = cell.learner == ADAPTIVE
    # The class holds the law of what the learner imitates, for every choice of secrets.
    laws = instance.adaptive_class(mu) if is_adaptive else instance.best_of_n_class(samples)
    prompts: list[np.ndarray] = []
    responses: list[np.ndarray] = []

    def imitate(prompt_N: np.ndarray) -> Floats:
        if is_adaptive:
            best_N = adaptive_best(oracle, prompt_N, mu)[0]
        else:
            best_N = best_of_n(oracle, prompt_N, samples)
        prompts.append(prompt_N)
        responses.append(best_N)
        all_prompts = np.concatenate(prompts)
        all_responses = np.concatenate(responses)
        return laws.maximum_likelihood(all_prompts, all_responses)

    return imitate


def repeated(cells: Sequence[Cell], runs: int, label: str, workers: int = 1) -> Floats:
    """Return the samples needed, (runs, cells). Every run has its own secrets.

    ``label`` is part of the seeds; the result does not depend on the number of ``workers``.
    """
    needed = over_runs(partial(_run, cells, label), runs, workers)
    return np.array(needed)


def _run(cells: Sequence[Cell], label: str, run: int) -> list[float]:
    needed = []
    for number, cell in enumerate(cells):
        rng = np.random.default_rng(derive("theory", label, run, number))
        needed.append(samples_needed(cell, rng))
    return needed


def over_eps(
    learner: str, grid: Sequence[float], rare: int, cover: float, delta: float
) -> list[Cell]:
    """Return cells of falling eps with C_cov held fixed: M is of order C / eps."""
    cells = []
    for eps in grid:
        instance = with_coverage(rare, eps / SHARE, cover)
        cells.append(Cell(learner, instance, delta))
    return cells


def over_eps_fixed(
    learner: str, grid: Sequence[float], rare: int, answers: int, delta: float
) -> list[Cell]:
    """Return cells of falling eps with M held fixed: C_cov falls to 1 with eps."""
    cells = []
    for eps in grid:
        instance = HardInstance(rare, answers, eps / SHARE)
        cells.append(Cell(learner, instance, delta))
    return cells


# --- a class with laws that fall short ---


def shortfall_needed(world: Shortfall, rng: np.random.Generator) -> float:
    """Return the samples that SFT-Sharpening needs over a class with short laws.

    Besides the right law the class holds laws that fall short of 1 - delta in a few places.
    """
    oracle = Oracle(world.base(), rng)
    members = world.members()
    prompts = max(1, round(world.blocks / world.delta_mass / world.delta / 8))
    prompt_N = np.empty(0, np.int64)
    response_N = np.empty(0, np.int64)
    for _ in range(PATIENCE):
        new_prompt_N = oracle.prompts(prompts)
        prompt_N = np.concatenate([prompt_N, new_prompt_N])
        new_response_N = best_of_n(oracle, new_prompt_N, world.samples)
        response_N = np.concatenate([response_N, new_response_N])
        law_XY = members.maximum_likelihood(prompt_N, response_N)
        if is_sharpened(law_XY, oracle.model, world.eps, world.delta):
            return float(oracle.drawn)
    return float("nan")


def repeated_shortfall(worlds: Sequence[Shortfall], runs: int, workers: int = 1) -> Floats:
    """Return the samples that SFT-Sharpening needs, (runs, worlds)."""
    needed = over_runs(partial(_shortfall_run, worlds), runs, workers)
    return np.array(needed)


def _shortfall_run(worlds: Sequence[Shortfall], run: int) -> list[float]:
    needed = []
    for number, world in enumerate(worlds):
        rng = np.random.default_rng(derive("theory", "shortfall", run, number))
        needed.append(shortfall_needed(world, rng))
    return needed


# --- the mass that reward-based DPO learns ---


def dpo_masses(
    responses: int, gamma: float, betas: Sequence[float], pairs: int, runs: int
) -> tuple[Floats, Floats]:
    """Return the mass on y* that reward-based DPO learns, (runs, betas), and pi*_beta's, (betas,).

    There is one prompt, and DPO sees ``pairs`` pairs. The base has one response 1 + gamma times as
    likely as each other; the class holds pi*_beta for every choice of that response.
    """
    # The masses 1 + gamma, 1, ..., 1 sum to responses + gamma. Row s raises response s.
    mass_of_star = (1 + gamma) / (responses + gamma)
    raised = raised_YY(responses, mass_of_star)
    learned_RB = np.empty((runs, len(betas)))
    exact_B = np.empty(len(betas))
    for i, beta in enumerate(betas):
        members = ProductClass([tilted(tabular(raised), beta)])
        exact_B[i] = members.laws[0][0, 0]
        for run in range(runs):
            rng = np.random.default_rng(derive("theory", "dpo masses", str(gamma), i, run))
            star = int(rng.integers(responses))
            oracle = Oracle(tabular(raised[star]), rng)
            law_XY = reward_dpo(oracle, members, pairs, beta)
            learned_RB[run, i] = law_XY[0, star]
    return learned_RB, exact_B
