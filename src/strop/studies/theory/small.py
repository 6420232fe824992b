"""Statements that one figure shows without a learner's class: Propositions 3.1, C.1, E.1, E.2, and base^(1 + 1/beta)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from math import exp

import numpy as np
import polars as pl

from strop.measure.intervals import Floats
from strop.seeds import derive
from strop.studies.theory.fits import wilson
from strop.theory import Oracle, argmax_XY, margin, tabular
from strop.theory.best_of_n import best_of_n
from strop.theory.hard_instance import raised_YY
from strop.theory.limits import cut_weight, max_cut_model, theta_of_base, unsharpenable
from strop.theory.sequences import NextToken, as_base_model
from strop.theory.sharpness import mass_on_argmax_X
from strop.theory.tilt import beta_for, margin_bound, tilted

SYMBOLS, LENGTH = 4, 4
BINS = 20


def random_sequences(rng: np.random.Generator) -> NextToken:
    """4 tokens of 4 symbols; next-token laws from a Dirichlet law whose concentration is itself drawn, so as to reach every mass."""
    concentration = 10 ** rng.uniform(-1.5, 0.5)
    logs = [
        np.log(np.maximum(rng.gamma(concentration, size=(SYMBOLS,) * (h + 1)), 1e-300))
        for h in range(LENGTH)
    ]
    laws = [np.exp(table - table.max(axis=-1, keepdims=True)) for table in logs]
    return NextToken(tuple(law / law.sum(axis=-1, keepdims=True) for law in laws))


def split_sequences(mass: float) -> NextToken:
    """Two tokens: y* = (1, 0) has ``mass``; symbol 0 has the rest, shared evenly by what follows it. Greedy takes 0 for mass <= 1/2."""
    first = np.array([1 - mass, mass, 0.0, 0.0])
    second = np.full((SYMBOLS, SYMBOLS), 1 / SYMBOLS)
    second[1] = np.eye(SYMBOLS)[0]
    return NextToken((first, second))


def greedy_success(models: int) -> pl.DataFrame:
    """Of random models and of the split ones, by the mass of y*: how often greedy decoding finds it."""
    rng = np.random.default_rng(derive("theory", "greedy"))
    rows = []
    for _ in range(models):
        model = random_sequences(rng)
        star = model.most_likely()
        rows.append({"mass": float(model.probability[star]), "found": model.greedy() == star})
    binned = pl.DataFrame(rows).with_columns(
        bin=((pl.col("mass") * BINS).floor().clip(0, BINS - 1) + 0.5) / BINS
    )
    random = binned.group_by("bin").agg(found=pl.col("found").sum(), models=pl.len()).sort("bin")
    parts = [
        {"family": "random", "mass": row["bin"], "found": row["found"], "models": row["models"]}
        for row in random.iter_rows(named=True)
    ]
    for mass in np.arange(0.25, 0.8, 0.05).round(2):
        model = split_sequences(float(mass))
        parts.append(
            {
                "family": "split",
                "mass": float(mass),
                "found": int(model.greedy() == (1, 0)),
                "models": 1,
            }
        )
    return pl.DataFrame([part | _share(part["found"], part["models"]) for part in parts])


def best_of_n_failures(masses: Sequence[float], sizes: Sequence[int], trials: int) -> pl.DataFrame:
    """How often best-of-N misses y*, by the oracle; beside (1 - pi(y*))^N, which it is, and exp(-N pi(y*)), which bounds it."""
    rows = []
    for mass in masses:
        rest_Y = np.full(round(2 / mass) - 1, 1.0)
        base = tabular(np.append(mass, (1 - mass) * rest_Y / rest_Y.sum()))
        for size in sizes:
            oracle = Oracle(
                base, np.random.default_rng(derive("theory", "best-of-n", str(mass), size))
            )
            missed = int((best_of_n(oracle, oracle.prompts(trials), size) != 0).sum())
            exact = {"exact": (1 - mass) ** size, "bound": exp(-size * mass)}
            rows.append(
                {"mass": mass, "N": size, "missed": missed, "trials": trials}
                | _share(missed, trials)
                | exact
            )
    return pl.DataFrame(rows)


def tilts(margins: Sequence[float], responses: int, delta: float) -> pl.DataFrame:
    """Mass off y* under base^(1 + 1/beta): of the worst base of each margin, of random ones of that margin, and the bound."""
    rng = np.random.default_rng(derive("theory", "tilt"))
    rows = []
    for gamma in margins:
        bases = {"worst": one_above(responses, gamma)} | {
            "random": _random_with_margin(responses, gamma, rng)
        }
        for (name, base_Y), step in product(bases.items(), np.linspace(0, 2.7, 28)):
            base, beta = tabular(base_Y), float(gamma / 10**step)
            off = 1 - float(mass_on_argmax_X(tilted(base, beta), base)[0])
            bound = 1 - margin_bound(float(base_Y.max()), margin(base), beta)
            told = {"beta for delta": beta_for(gamma, responses, delta)}
            rows.append(
                {"margin": gamma, "base": name, "beta": beta, "off": off, "bound": bound} | told
            )
    return pl.DataFrame(rows)


def tilt_violations(bases: int, delta: float) -> tuple[int, int, float]:
    """Of random bases and betas: above the margin's bound, and short of 1 - delta at the theorem's beta; and the least ratio by which the
    greatest beta that would do exceeds the theorem's.
    """
    rng = np.random.default_rng(derive("theory", "tilt bound"))
    above, short, slack = 0, 0, np.inf
    for _ in range(bases):
        base = tabular(rng.dirichlet(np.full(16, 10 ** rng.uniform(-1, 1.5))))
        beta = float(10 ** rng.uniform(-3, 1))
        mass = float(base.probability_XY.max())
        above += (
            float(mass_on_argmax_X(tilted(base, beta), base)[0])
            < margin_bound(mass, margin(base), beta) - 1e-9
        )
        theirs = beta_for(margin(base), base.responses, delta)
        short += float(mass_on_argmax_X(tilted(base, theirs), base)[0]) < 1 - delta
        slack = min(slack, greatest_beta(base.probability_XY[0], delta) / theirs)
    return above, short, slack


def greatest_beta(base_Y: Floats, delta: float) -> float:
    """The greatest beta at which pi*_beta has 1 - delta on y*, by bisection; inf where the base itself has."""
    base = tabular(base_Y)
    low, high = 1e-6, 1e6

    def enough(beta: float) -> bool:
        return float(mass_on_argmax_X(tilted(base, beta), base)[0]) >= 1 - delta

    if enough(high):
        return float("inf")
    for _ in range(80):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if enough(middle) else (low, middle)
    return low


def one_above(responses: int, gamma: float) -> Floats:
    """One response 1 + gamma times as likely as each of the others: of all bases of that margin and size the hardest to sharpen."""
    return np.asarray(raised_YY(responses, (1 + gamma) / (responses + gamma))[0])


def graphs(random: int) -> Iterator[tuple[str, Floats]]:
    """All graphs of 4 and of 5 vertices with at least one edge, and random weighted ones of 6 to 8."""
    for vertices in (4, 5):
        pairs = list(combinations(range(vertices), 2))
        for chosen in product((0.0, 1.0), repeat=len(pairs)):
            if any(chosen):
                yield f"all graphs of {vertices} vertices", _symmetric(vertices, pairs, chosen)
    rng = np.random.default_rng(derive("theory", "graphs"))
    for i in range(random):
        vertices = 6 + i % 3
        pairs = list(combinations(range(vertices), 2))
        yield (
            "random weighted graphs of 6 to 8",
            _symmetric(
                vertices, pairs, rng.exponential(size=len(pairs)) * (rng.random(len(pairs)) < 0.7)
            ),
        )


def max_cut_agrees(weight_VV: Floats) -> bool:
    """Are the model's most likely sequences the maximum cuts, each followed by symbol 1, and nothing else?"""
    model, cut = max_cut_model(weight_VV), cut_weight(weight_VV)
    likely = argmax_XY(as_base_model([model]))[0].reshape(model.probability.shape)
    return bool(
        (likely[..., 1] == (cut >= cut.max() * (1 - 1e-12))).all() and not likely[..., 0].any()
    )


def cuts_of_one_graph() -> pl.DataFrame:
    """One random weighted graph of 6 vertices: every division's cut, and the log-probability of its sequence."""
    rng = np.random.default_rng(derive("theory", "one graph"))
    pairs = list(combinations(range(6), 2))
    weight_VV = _symmetric(6, pairs, rng.exponential(0.5, size=len(pairs)))
    logprob = np.log(max_cut_model(weight_VV).probability)
    return pl.DataFrame(
        {
            "cut": cut_weight(weight_VV).ravel(),
            "logprob": logprob[..., 1].ravel(),
            "other": logprob[..., 0].ravel(),
        }
    )


def unsharpenable_masses(symbols: Sequence[int]) -> pl.DataFrame:
    """Mass on y* = (1, 0) of every member of the class, theta from -6 to 6; and of the base's tilt at beta 0.02, which is no member."""
    rows = []
    for n in symbols:
        model = unsharpenable(n, theta_of_base(n))
        base = as_base_model([model])
        tilt = float(mass_on_argmax_X(tilted(base, 0.02), base)[0])
        unique = int(argmax_XY(base).sum()) == 1 and model.most_likely() == (1, 0)
        told = {
            "symbols": n,
            "bound": 1 / (n - 1),
            "base": float(model.probability[1, 0]),
            "tilt": tilt,
            "unique": unique,
        }
        told |= {"greedy finds it": model.greedy() == (1, 0)}
        rows += [
            told
            | {
                "theta": float(theta),
                "mass": float(unsharpenable(n, float(theta)).probability[1, 0]),
            }
            for theta in np.linspace(-6, 6, 241)
        ]
    return pl.DataFrame(rows)


def _random_with_margin(responses: int, gamma: float, rng: np.random.Generator) -> Floats:
    """The second is 1 / (1 + gamma) of the first, the others anything below."""
    odds_Y = np.concatenate([[1 + gamma, 1.0], rng.random(responses - 2)])
    return np.asarray(odds_Y / odds_Y.sum())


def _symmetric(
    vertices: int, pairs: Sequence[tuple[int, int]], weights: Sequence[float] | Floats
) -> Floats:
    weight_VV = np.zeros((vertices, vertices))
    for (first, second), weight in zip(pairs, weights, strict=True):
        weight_VV[first, second] = weight_VV[second, first] = weight
    return weight_VV


def _share(successes: int, trials: int) -> dict[str, float]:
    low, high = wilson(successes, trials)
    return {"share": successes / trials, "low": low, "high": high}
