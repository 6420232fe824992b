"""Samples that learners need on the hard instance: Theorems 3.1 and 4.1 (SFT-Sharpening), D.1 (adaptive), 4.2 (reward-based DPO)."""

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
"""A learner is looked at this often while it draws as many prompts as bring each rare one once on average."""
PATIENCE = 400
"""Looks after which a run is given up, and counted."""


@dataclass(frozen=True)
class Cell:
    """One learner on one instance, asked to be (eps, delta)-sharpened; eps is half the mass of the rare prompts."""

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
        return cover * self.instance.log_size / (self.eps**2 * (1 + log(cover / self.eps)))

    @property
    def formula(self) -> float:
        """What the learner should cost: draws until half of the rare prompts have shown their secret, times the cost of a prompt.

        A wrong best of N is rare (at most delta) and left out.
        """
        rare, mass, answers = self.instance.rare, self.instance.delta_mass, self.instance.answers
        shown, cost = 1.0, float(self.instance.samples_for(self.delta))
        if self.learner == ADAPTIVE:
            mu = mu_for(self.delta)
            cost = (1 - mass) * ceil(mu) + mass * adaptive_law(
                raised_YY(answers, 2 / answers)[0], mu
            )[1]
        if self.learner == DPO:
            shown, cost = 1 - (1 - 2 / answers) ** 2, 2.0
        wanted = rare - int(SHARE * rare)
        return cost * sum(rare / (mass * shown * (rare - found)) for found in range(wanted))


def samples_needed(cell: Cell, rng: np.random.Generator) -> float:
    """Responses drawn until the learner, fit to all it has, is (eps, delta)-sharpened for the first time; NaN where it never was."""
    base = cell.instance.base(rng)
    oracle = Oracle(base, rng)
    fit, prompts = _learner(cell, base, oracle)
    for _ in range(PATIENCE):
        if is_sharpened(fit(oracle.prompts(prompts)), base, cell.eps, cell.delta):
            return float(oracle.drawn)
    return float("nan")


def _learner(
    cell: Cell, base: BaseModel, oracle: Oracle
) -> tuple[Callable[[np.ndarray], Floats], int]:
    """What takes more prompts and returns the law fit to all so far; and how many prompts to hand it at a time."""
    instance = cell.instance
    each = instance.rare / instance.delta_mass / LOOKS
    if cell.learner == DPO:
        beta = beta_for(margin(base), instance.answers, cell.delta)
        members, held = instance.tilted_class(beta), list[Pairs]()

        def regress(prompt_N: np.ndarray) -> Floats:
            held[:] = [
                held[0].and_also(base_pairs(oracle, prompt_N))
                if held
                else base_pairs(oracle, prompt_N)
            ]
            return members.regress(held[0], beta)

        return regress, max(1, round(each * instance.answers / 4))
    samples, mu = instance.samples_for(cell.delta), mu_for(cell.delta)
    laws = (
        instance.adaptive_class(mu)
        if cell.learner == ADAPTIVE
        else instance.best_of_n_class(samples)
    )
    seen: list[list[np.ndarray]] = [[], []]

    def imitate(prompt_N: np.ndarray) -> Floats:
        seen[0].append(prompt_N)
        seen[1].append(
            adaptive_best(oracle, prompt_N, mu)[0]
            if cell.learner == ADAPTIVE
            else best_of_n(oracle, prompt_N, samples)
        )
        return laws.maximum_likelihood(np.concatenate(seen[0]), np.concatenate(seen[1]))

    return imitate, max(1, round(each))


def repeated(cells: Sequence[Cell], runs: int, label: str, workers: int = 1) -> Floats:
    """Samples needed, (runs, cells); every run has its own secrets."""
    return np.array(over_runs(partial(_run, cells, label), runs, workers))


def _run(cells: Sequence[Cell], label: str, run: int) -> list[float]:
    return [
        samples_needed(cell, np.random.default_rng(derive("theory", label, run, i)))
        for i, cell in enumerate(cells)
    ]


def over_eps(
    learner: str, grid: Sequence[float], rare: int, cover: float, delta: float
) -> list[Cell]:
    """C_cov stays while eps falls: M of order C / eps."""
    return [Cell(learner, with_coverage(rare, eps / SHARE, cover), delta) for eps in grid]


def over_eps_fixed(
    learner: str, grid: Sequence[float], rare: int, answers: int, delta: float
) -> list[Cell]:
    """M stays, so that C_cov falls to 1 with eps."""
    return [Cell(learner, HardInstance(rare, answers, eps / SHARE), delta) for eps in grid]


def shortfall_needed(world: Shortfall, rng: np.random.Generator) -> float:
    """The same for SFT-Sharpening over a class that also holds laws which fall short of 1 - delta in a few places."""
    oracle, members = Oracle(world.base(), rng), world.members()
    prompts = max(1, round(world.blocks / world.delta_mass / world.delta / 8))
    prompt_N, response_N = np.empty(0, np.int64), np.empty(0, np.int64)
    for _ in range(PATIENCE):
        fresh_N = oracle.prompts(prompts)
        prompt_N = np.concatenate([prompt_N, fresh_N])
        response_N = np.concatenate([response_N, best_of_n(oracle, fresh_N, world.samples)])
        if is_sharpened(
            members.maximum_likelihood(prompt_N, response_N), oracle.model, world.eps, world.delta
        ):
            return float(oracle.drawn)
    return float("nan")


def repeated_shortfall(worlds: Sequence[Shortfall], runs: int, workers: int = 1) -> Floats:
    """Samples needed, (runs, worlds)."""
    return np.array(over_runs(partial(_shortfall_run, worlds), runs, workers))


def _shortfall_run(worlds: Sequence[Shortfall], run: int) -> list[float]:
    return [
        shortfall_needed(world, np.random.default_rng(derive("theory", "shortfall", run, i)))
        for i, world in enumerate(worlds)
    ]


def dpo_masses(
    responses: int, gamma: float, betas: Sequence[float], pairs: int, runs: int
) -> tuple[Floats, Floats]:
    """Mass on y* that reward-based DPO learns from ``pairs`` pairs, (runs, betas), and what pi*_beta has, (betas,).

    One prompt; the base has one response 1 + gamma times as likely as each other, the class pi*_beta for every choice of it.
    """
    raised = raised_YY(responses, (1 + gamma) / (responses + gamma))
    learned_RB, exact_B = np.empty((runs, len(betas))), np.empty(len(betas))
    for i, beta in enumerate(betas):
        members = ProductClass([tilted(tabular(raised), beta)])
        exact_B[i] = members.laws[0][0, 0]
        for run in range(runs):
            rng = np.random.default_rng(derive("theory", "dpo masses", str(gamma), i, run))
            star = int(rng.integers(responses))
            learned_RB[run, i] = reward_dpo(
                Oracle(tabular(raised[star]), rng), members, pairs, beta
            )[0, star]
    return learned_RB, exact_B
