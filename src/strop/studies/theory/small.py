"""Worlds for the statements without a learner's class.

They are Propositions 3.1, C.1, E.1 and E.2, and the closed-form optimum base^(1 + 1/beta).

Axes: Y responses, V vertices of a graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from math import exp

import numpy as np
import polars as pl

from strop.measure.intervals import Floats
from strop.seeds import derive
from strop.studies.theory.fits import wilson
from strop.theory import BaseModel, Oracle, argmax_XY, margin, tabular
from strop.theory.best_of_n import best_of_n
from strop.theory.hard_instance import raised_YY
from strop.theory.limits import cut_weight, max_cut_model, theta_of_base, unsharpenable
from strop.theory.sequences import NextToken, as_base_model
from strop.theory.sharpness import mass_on_argmax_X
from strop.theory.tilt import beta_for, margin_bound, tilted

SYMBOLS, LENGTH = 4, 4
BINS = 20


# --- Proposition 3.1: greedy decoding ---


def random_sequences(rng: np.random.Generator) -> NextToken:
    """Draw a model of 4 tokens of 4 symbols.

    Next-token laws are Dirichlet. Their concentration is drawn too, so that y* gets every mass.
    """
    concentration = 10 ** rng.uniform(-1.5, 0.5)
    laws = []
    for position in range(LENGTH):
        # Gamma variables divided by their sum are Dirichlet: one law after each prefix.
        gamma = rng.gamma(concentration, size=(SYMBOLS,) * (position + 1))
        # For a small concentration all draws may be 0: the floor and the logarithm keep the
        # normalised law finite.
        log = np.log(np.maximum(gamma, 1e-300))
        largest = log.max(axis=-1, keepdims=True)
        law = np.exp(log - largest)
        total = law.sum(axis=-1, keepdims=True)
        laws.append(law / total)
    return NextToken(tuple(laws))


def split_sequences(mass: float) -> NextToken:
    """Return a model of two tokens in which greedy decoding misses y* for mass <= 1/2.

    y* = (1, 0) has ``mass``. Symbol 0 has the rest, which its four continuations share equally.
    """
    first = np.array([1 - mass, mass, 0.0, 0.0])
    second = np.full((SYMBOLS, SYMBOLS), 1 / SYMBOLS)
    second[1] = np.eye(SYMBOLS)[0]
    return NextToken((first, second))


def greedy_success(models: int) -> pl.DataFrame:
    """Count how often greedy decoding finds y*, by its mass, on random models and on split ones."""
    rng = np.random.default_rng(derive("theory", "greedy"))
    by_model = []
    for _ in range(models):
        model = random_sequences(rng)
        star = model.most_likely()
        mass = float(model.probability[star])
        is_found = model.greedy() == star
        by_model.append({"mass": mass, "found": is_found})
    # Each model goes into one of BINS bins of mass, given by its centre.
    # A mass of exactly 1 belongs to the last bin.
    number = (pl.col("mass") * BINS).floor().clip(0, BINS - 1)
    binned = pl.DataFrame(by_model).with_columns(bin=(number + 0.5) / BINS)
    by_bin = binned.group_by("bin").agg(found=pl.col("found").sum(), models=pl.len())
    random = by_bin.sort("bin")
    rows = []
    for mass, found, count in random.iter_rows():
        rows.append({"family": "random", "mass": mass, "found": found, "models": count})
    split_masses = np.arange(0.25, 0.8, 0.05).round(2)
    for mass in split_masses.tolist():
        found = int(split_sequences(mass).greedy() == (1, 0))
        rows.append({"family": "split", "mass": mass, "found": found, "models": 1})
    for row in rows:
        row.update(_share(row["found"], row["models"]))
    return pl.DataFrame(rows)


# --- Proposition C.1: best of N ---


def best_of_n_failures(masses: Sequence[float], sizes: Sequence[int], trials: int) -> pl.DataFrame:
    """Count how often best-of-N misses y*.

    The columns ``exact`` and ``bound`` hold its probability (1 - pi(y*))^N and exp(-N pi(y*)).
    """
    rows = []
    for mass in masses:
        # About 2 / mass responses, so that each of the others has about half the mass of y*.
        others = round(2 / mass) - 1
        rest_Y = np.full(others, (1 - mass) / others)
        base = tabular(np.append(mass, rest_Y))
        for size in sizes:
            rng = np.random.default_rng(derive("theory", "best-of-n", str(mass), size))
            oracle = Oracle(base, rng)
            # One prompt, asked anew in each trial; its response 0 is y*.
            best_N = best_of_n(oracle, oracle.prompts(trials), size)
            missed = int((best_N != 0).sum())
            row = {"mass": mass, "N": size, "missed": missed, "trials": trials}
            row.update(_share(missed, trials))
            row["exact"] = (1 - mass) ** size
            row["bound"] = exp(-size * mass)
            rows.append(row)
    return pl.DataFrame(rows)


# --- base^(1 + 1/beta) ---


def tilts(margins: Sequence[float], responses: int, delta: float) -> pl.DataFrame:
    """Return the mass off y* under base^(1 + 1/beta), and the margin's bound on it.

    There are two bases of each margin: the worst one, and a random one.
    """
    rng = np.random.default_rng(derive("theory", "tilt"))
    rows = []
    for gamma in margins:
        bases = {
            "worst": one_above(responses, gamma),
            "random": _random_with_margin(responses, gamma, rng),
        }
        # From the margin down to a five-hundredth of it.
        steps = np.linspace(0, 2.7, 28)
        for (name, base_Y), step in product(bases.items(), steps):
            base = tabular(base_Y)
            beta = float(gamma / 10**step)
            mass_of_star = float(base_Y.max())
            bound = margin_bound(mass_of_star, margin(base), beta)
            row = {
                "margin": gamma,
                "base": name,
                "beta": beta,
                "off": 1 - _mass_of_tilt(base, beta),
                "bound": 1 - bound,
                "beta for delta": beta_for(gamma, responses, delta),
            }
            rows.append(row)
    return pl.DataFrame(rows)


def tilt_violations(bases: int, delta: float) -> tuple[int, int, float]:
    """Return how often random bases violate the margin's bound, and the theorem's choice of beta.

    The third number is the smallest ratio of the greatest sufficient beta to the theorem's.
    """
    rng = np.random.default_rng(derive("theory", "tilt bound"))
    below_bound = below_delta = 0
    slack = np.inf
    for _ in range(bases):
        concentration = 10 ** rng.uniform(-1, 1.5)
        base_Y = rng.dirichlet(np.full(16, concentration))
        base = tabular(base_Y)
        beta = float(10 ** rng.uniform(-3, 1))
        mass_of_star = float(base.probability_XY.max())
        bound = margin_bound(mass_of_star, margin(base), beta)
        # The worst base meets the bound exactly, so rounding may put it just below.
        below_bound += _mass_of_tilt(base, beta) < bound - 1e-9
        theorems_beta = beta_for(margin(base), base.responses, delta)
        below_delta += _mass_of_tilt(base, theorems_beta) < 1 - delta
        ratio = greatest_beta(base.probability_XY[0], delta) / theorems_beta
        slack = min(slack, ratio)
    return below_bound, below_delta, slack


def greatest_beta(base_Y: Floats, delta: float) -> float:
    """Return the greatest beta at which pi*_beta has 1 - delta on y*, by bisection.

    It is inf if the base itself has.
    """
    base = tabular(base_Y)
    # The bisection is geometric, because beta spans twelve orders of magnitude.
    low, high = 1e-6, 1e6
    if _mass_of_tilt(base, high) >= 1 - delta:
        return float("inf")
    for _ in range(80):
        middle = (low * high) ** 0.5
        if _mass_of_tilt(base, middle) >= 1 - delta:
            low = middle
        else:
            high = middle
    return low


def one_above(responses: int, gamma: float) -> Floats:
    """Return the base with one response 1 + gamma times as likely as each of the others.

    Of all bases of that margin and size it is the hardest to sharpen.
    """
    # The masses 1 + gamma, 1, ..., 1 sum to responses + gamma.
    mass_of_star = (1 + gamma) / (responses + gamma)
    return np.asarray(raised_YY(responses, mass_of_star)[0])


def _random_with_margin(responses: int, gamma: float, rng: np.random.Generator) -> Floats:
    """Draw a base whose second response is 1 / (1 + gamma) as likely as its first.

    The others are less likely than the second.
    """
    others_Y = rng.random(responses - 2)
    odds_Y = np.concatenate([[1 + gamma, 1.0], others_Y])
    return np.asarray(odds_Y / odds_Y.sum())


def _mass_of_tilt(base: BaseModel, beta: float) -> float:
    """Return the mass of base^(1 + 1/beta) on the base's y*."""
    law_XY = tilted(base, beta)
    return float(mass_on_argmax_X(law_XY, base)[0])


# --- Proposition E.1: max-cut ---


def graphs(random: int) -> Iterator[tuple[str, Floats]]:
    """Yield all graphs of 4 and 5 vertices with an edge, and random weighted ones of 6 to 8."""
    for vertices in (4, 5):
        edges = list(combinations(range(vertices), 2))
        for chosen in product((0.0, 1.0), repeat=len(edges)):
            # Without an edge every division would be a maximum cut.
            if any(chosen):
                yield f"all graphs of {vertices} vertices", _symmetric(vertices, edges, chosen)
    rng = np.random.default_rng(derive("theory", "graphs"))
    for number in range(random):
        vertices = 6 + number % 3
        edges = list(combinations(range(vertices), 2))
        weights = rng.exponential(size=len(edges))
        kept = rng.random(len(edges)) < 0.7
        weight_VV = _symmetric(vertices, edges, weights * kept)
        yield "random weighted graphs of 6 to 8", weight_VV


def max_cut_agrees(weight_VV: Floats) -> bool:
    """Return whether the most likely sequences are exactly the maximum cuts.

    A maximum cut is followed by symbol 1 in its sequence.
    """
    model = max_cut_model(weight_VV)
    cut = cut_weight(weight_VV)
    # Equal cuts may differ by rounding, as their weights are summed.
    is_maximum = cut >= cut.max() * (1 - 1e-12)
    # One axis for each token again; the last one is the token after the sides.
    is_likeliest = argmax_XY(as_base_model([model]))[0]
    is_likeliest = is_likeliest.reshape(model.probability.shape)
    ends_in_0 = is_likeliest[..., 0]
    ends_in_1 = is_likeliest[..., 1]
    return bool((ends_in_1 == is_maximum).all() and not ends_in_0.any())


def cuts_of_one_graph() -> pl.DataFrame:
    """Return every division of one random weighted graph of 6 vertices.

    The columns hold its cut, and the log-probabilities of its sequences that end in 1 and in 0.
    """
    rng = np.random.default_rng(derive("theory", "one graph"))
    edges = list(combinations(range(6), 2))
    weights = rng.exponential(0.5, size=len(edges))
    weight_VV = _symmetric(6, edges, weights)
    logprob = np.log(max_cut_model(weight_VV).probability)
    return pl.DataFrame(
        {
            "cut": cut_weight(weight_VV).ravel(),
            "logprob": logprob[..., 1].ravel(),
            "other": logprob[..., 0].ravel(),
        }
    )


def _symmetric(
    vertices: int, edges: Sequence[tuple[int, int]], weights: Sequence[float] | Floats
) -> Floats:
    """Return the weights of edges as a symmetric matrix."""
    weight_VV = np.zeros((vertices, vertices))
    for (first, second), weight in zip(edges, weights, strict=True):
        weight_VV[first, second] = weight_VV[second, first] = weight
    return weight_VV


# --- Proposition E.2: a class that cannot be sharpened ---


def unsharpenable_masses(symbols: Sequence[int]) -> pl.DataFrame:
    """Return the mass on y* = (1, 0) of the members of each class, theta from -6 to 6.

    The column ``tilt`` holds that of the base's tilt at beta 0.02, which is no member.
    """
    rows = []
    for n in symbols:
        model = unsharpenable(n, theta_of_base(n))
        base = as_base_model([model])
        likeliest = int(argmax_XY(base).sum())
        of_class = {
            "symbols": n,
            "bound": 1 / (n - 1),
            "base": float(model.probability[1, 0]),
            "tilt": _mass_of_tilt(base, 0.02),
            "unique": likeliest == 1 and model.most_likely() == (1, 0),
            "greedy finds it": model.greedy() == (1, 0),
        }
        for theta in np.linspace(-6, 6, 241).tolist():
            member = unsharpenable(n, theta)
            mass = float(member.probability[1, 0])
            rows.append({**of_class, "theta": theta, "mass": mass})
    return pl.DataFrame(rows)


def _share(successes: int, trials: int) -> dict[str, float]:
    """Return the columns of a share with Wilson's interval."""
    low, high = wilson(successes, trials)
    return {"share": successes / trials, "low": low, "high": high}
