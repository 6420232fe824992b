"""Best of N by the model's own log-probability (Proposition C.1), the adaptive number of samples (Appendix D), and their exact laws."""

from __future__ import annotations

from math import ceil, log

import numpy as np

from strop.theory.base_models import Floats, Indices
from strop.theory.oracle import Oracle
from strop.theory.sharpness import TIE


def best_of_n(oracle: Oracle, prompt_N: Indices, samples: int) -> Indices:
    """For each prompt the likeliest of ``samples`` responses; of equals the first drawn."""
    response_NK, logprob_NK = oracle.respond(prompt_N, samples)
    return np.asarray(response_NK[np.arange(len(prompt_N)), logprob_NK.argmax(axis=1)])


def samples_for(mass: float, rho: float) -> int:
    """Proposition C.1: N >= log(1/rho) / pi(y*) finds y* with probability at least 1 - rho."""
    return ceil(log(1 / rho) / mass)


def adaptive_best(oracle: Oracle, prompt_N: Indices, mu: float) -> tuple[Indices, Indices]:
    """Appendix D: sample each prompt until k max_j pi(y_j|x) >= mu; the likeliest response, and how many were drawn for it."""
    best_N, logprob_N = np.zeros(len(prompt_N), np.int64), np.full(len(prompt_N), -np.inf)
    drawn_N = np.zeros(len(prompt_N), np.int64)
    active_A = np.arange(len(prompt_N))
    k = 0
    while len(active_A):
        k += 1
        response_A1, logprob_A1 = oracle.respond(prompt_N[active_A])
        better_A = logprob_A1[:, 0] > logprob_N[active_A]
        best_N[active_A[better_A]] = response_A1[better_A, 0]
        logprob_N[active_A[better_A]] = logprob_A1[better_A, 0]
        drawn_N[active_A] = k
        active_A = active_A[k < stops_at(np.exp(logprob_N[active_A]), mu)]
    return best_N, drawn_N


def stops_at(probability: Floats, mu: float) -> Indices:
    """The first k with k pi >= mu, where pi is the best so far. A hair less than mu counts, so that mu / pi of a whole number stays it."""
    return np.maximum(1, np.ceil(mu / probability * (1 - TIE))).astype(np.int64)


def best_of_n_law(probability_Y: Floats, samples: int) -> Floats:
    """The law of the best of N: a level of probability is reached by P(all <= level)^N - P(all < level)^N, and shared as in the base."""
    _, level_Y, mass_L = _levels(probability_Y)
    worse_L = np.append(np.cumsum(mass_L[::-1])[::-1][1:], 0.0)
    chance_L = _power(worse_L + mass_L, samples) - _power(worse_L, samples)
    return _shared(probability_Y, chance_L, level_Y, mass_L)


def adaptive_law(probability_Y: Floats, mu: float) -> tuple[Floats, float]:
    """The law of the adaptive best, and the expected number of draws.

    Levels of probability in falling order stop at k_1 <= k_2 <= ...; G_l is the mass of the first l. After k_l draws the search still runs
    if none of these l was drawn. Between k_l and k_{l+1} the first of them to come ends it; at k_{l+1} level l + 1, if it was drawn.
    """
    levels, level_Y, mass_L = _levels(probability_Y)
    stop_L = stops_at(levels, mu)
    above_L = np.cumsum(mass_L)
    chance_L, draws = np.zeros(len(levels)), 0.0
    before, stopped = 0.0, 0  # G_l and k_l
    for level in range(len(levels)):
        until = int(stop_L[level])
        if before > 0:
            chance_L[:level] += (
                ((1 - before) ** stopped - (1 - before) ** until) * mass_L[:level] / before
            )
            draws += ((1 - before) ** stopped - (1 - before) ** until) / before
        else:
            draws += until - stopped
        chance_L[level] += (1 - before) ** until - max(0.0, 1 - above_L[level]) ** until
        before, stopped = min(1.0, float(above_L[level])), until
    return _shared(probability_Y, chance_L, level_Y, mass_L), draws


def _levels(probability_Y: Floats) -> tuple[Floats, Indices, Floats]:
    """Distinct probabilities above 0 in falling order, the level of each response (the last for those that never occur), mass a level."""
    order_Y = np.argsort(-probability_Y, kind="stable")
    sorted_Y = probability_Y[order_Y]
    steps_Y = np.append(False, sorted_Y[1:] < sorted_Y[:-1] * (1 - TIE)) & (sorted_Y > 0)
    level_Y = np.empty(len(order_Y), np.int64)
    level_Y[order_Y] = np.cumsum(steps_Y)
    mass_L = np.bincount(level_Y, weights=probability_Y)
    return sorted_Y[np.append(True, steps_Y[1:])], level_Y, np.asarray(mass_L, dtype=float)


def _power(base_L: Floats, exponent: int) -> Floats:
    return np.asarray(np.clip(base_L, 0.0, 1.0) ** exponent)


def _shared(probability_Y: Floats, chance_L: Floats, level_Y: Indices, mass_L: Floats) -> Floats:
    return np.asarray(probability_Y * (chance_L / mass_L)[level_Y])
