"""Best of N by the model's log-probability, the adaptive number of samples, and their exact laws.

Proposition C.1 and Appendix D. Axes beside those of the package: L levels, the distinct
probabilities above 0 in falling order; A prompts still being sampled.
"""

from __future__ import annotations

from math import ceil, log

import numpy as np

from strop.theory.base_models import Floats, Indices
from strop.theory.oracle import Oracle
from strop.theory.sharpness import TIE


def best_of_n(oracle: Oracle, prompt_N: Indices, samples: int) -> Indices:
    """Return the likeliest of ``samples`` responses to each prompt; of equals the first drawn."""
    response_NK, logprob_NK = oracle.respond(prompt_N, samples)
    best_N = logprob_NK.argmax(axis=1)
    row_N = np.arange(len(prompt_N))
    return np.asarray(response_NK[row_N, best_N])


def samples_for(mass: float, rho: float) -> int:
    """Return the N of Proposition C.1: N >= log(1/rho) / pi(y*).

    It finds y* with probability at least 1 - rho, since (1 - pi(y*))^N <= exp(-N pi(y*)).
    ``mass`` is pi(y*).
    """
    return ceil(log(1 / rho) / mass)


def adaptive_best(oracle: Oracle, prompt_N: Indices, mu: float) -> tuple[Indices, Indices]:
    """Sample each prompt until k max_j pi(y_j|x) >= mu (Appendix D).

    Returns the likeliest response to each, and the number of responses drawn for it.
    """
    # The best response so far of each prompt, its log-probability, and the draws that it took.
    best_N = np.zeros(len(prompt_N), np.int64)
    logprob_N = np.full(len(prompt_N), -np.inf)
    drawn_N = np.zeros(len(prompt_N), np.int64)
    active_A = np.arange(len(prompt_N))
    k = 0
    while len(active_A):
        k += 1
        response_A1, new_logprob_A1 = oracle.respond(prompt_N[active_A])
        response_A = response_A1[:, 0]
        new_logprob_A = new_logprob_A1[:, 0]
        better_A = new_logprob_A > logprob_N[active_A]
        improved_A = active_A[better_A]
        best_N[improved_A] = response_A[better_A]
        logprob_N[improved_A] = new_logprob_A[better_A]
        drawn_N[active_A] = k
        # A prompt stops as soon as k reaches the number that its best response asks for.
        probability_A = np.exp(logprob_N[active_A])
        goes_on_A = k < stops_at(probability_A, mu)
        active_A = active_A[goes_on_A]
    return best_N, drawn_N


def stops_at(probability: Floats, mu: float) -> Indices:
    """Return the first k with k pi >= mu, where pi is the best probability so far.

    A hair less than mu counts, so that a whole mu / pi is not rounded up to the next number.
    """
    needed = np.ceil(mu / probability * (1 - TIE))
    return np.maximum(1, needed).astype(np.int64)


def best_of_n_law(probability_Y: Floats, samples: int) -> Floats:
    """Return the law (Y,) of the best of N = ``samples`` draws from the law ``probability_Y``.

    The best has a given level of probability with P(y <= level)^N - P(y < level)^N, which is
    shared among its responses as in the base.
    """
    _, level_Y, mass_L = _levels(probability_Y)
    # Levels fall, so the mass below a level is the sum of all later ones.
    at_most_L = np.cumsum(mass_L[::-1])[::-1]
    worse_L = np.append(at_most_L[1:], 0.0)
    all_at_most_L = _power(worse_L + mass_L, samples)
    all_worse_L = _power(worse_L, samples)
    return _shared(probability_Y, all_at_most_L - all_worse_L, level_Y, mass_L)


def adaptive_law(probability_Y: Floats, mu: float) -> tuple[Floats, float]:
    """Return the law (Y,) of the adaptive best, and the expected number of draws.

    Levels of probability in falling order stop at k_1 <= k_2 <= ...; G_l is the mass of the first
    l. After k_l draws the search still runs if none of these l was drawn. Between k_l and k_{l+1}
    the first of them to come ends it; at k_{l+1} level l + 1 ends it, if it was drawn.
    """
    levels, level_Y, mass_L = _levels(probability_Y)
    stop_L = stops_at(levels, mu)
    above_L = np.cumsum(mass_L)
    chance_L = np.zeros(len(levels))
    draws = 0.0
    higher = 0.0  # G_l: the mass of the levels that end the search in this stretch
    stopped = 0  # k_l: the draws before this stretch
    for level in range(len(levels)):
        until = int(stop_L[level])
        running = (1 - higher) ** stopped
        still_running = (1 - higher) ** until
        if higher > 0:
            # Geometric: the search ends between the two at the first draw of a higher level, and
            # each draw that is made ends it with probability G_l.
            ends = running - still_running
            chance_L[:level] += ends * mass_L[:level] / higher
            draws += ends / higher
        else:
            draws += until - stopped
        # At k_{l+1} it ends if level l + 1 was drawn: all but the case that no such level was.
        none_so_far = max(0.0, 1 - above_L[level]) ** until
        chance_L[level] += still_running - none_so_far
        higher = min(1.0, float(above_L[level]))
        stopped = until
    return _shared(probability_Y, chance_L, level_Y, mass_L), draws


def _levels(probability_Y: Floats) -> tuple[Floats, Indices, Floats]:
    """Return the distinct probabilities above 0, the level of each response, and each level's mass.

    Levels fall. A response that never occurs belongs to the last one, and adds no mass to it.
    """
    order_Y = np.argsort(-probability_Y, kind="stable")
    sorted_Y = probability_Y[order_Y]
    # A new level begins where the sorted probability falls by more than rounding.
    is_lower_Y = sorted_Y[1:] < sorted_Y[:-1] * (1 - TIE)
    falls_Y = np.append(False, is_lower_Y)
    steps_Y = falls_Y & (sorted_Y > 0)
    level_Y = np.empty(len(order_Y), np.int64)
    level_Y[order_Y] = np.cumsum(steps_Y)
    mass_L = np.bincount(level_Y, weights=probability_Y)
    starts_Y = np.append(True, steps_Y[1:])
    return sorted_Y[starts_Y], level_Y, np.asarray(mass_L, dtype=float)


def _power(base_L: Floats, exponent: int) -> Floats:
    # A cumulative sum can leave [0, 1] by rounding.
    base_L = np.clip(base_L, 0.0, 1.0)
    return np.asarray(base_L**exponent)


def _shared(probability_Y: Floats, chance_L: Floats, level_Y: Indices, mass_L: Floats) -> Floats:
    """Share the chance of each level among its responses in proportion to the base."""
    factor_L = chance_L / mass_L
    return np.asarray(probability_Y * factor_L[level_Y])
