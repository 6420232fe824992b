"""SFT-Sharpening (section 4.1) and its adaptive version (Appendix D).

Both fit the best responses by maximum likelihood.
"""

from __future__ import annotations

from math import log
from typing import Protocol

from strop.theory.base_models import Floats, Indices
from strop.theory.best_of_n import adaptive_best, best_of_n
from strop.theory.oracle import Oracle


class LikelihoodClass(Protocol):
    """A class that can find the member under which responses are likeliest."""

    def maximum_likelihood(self, prompt_N: Indices, response_N: Indices) -> Floats: ...


def sft_sharpening(oracle: Oracle, members: LikelihoodClass, prompts: int, samples: int) -> Floats:
    """Draw n prompts, keep the best of N responses to each, and fit.

    Returns a law (X, Y). Costs n N.
    """
    prompt_N = oracle.prompts(prompts)
    best_N = best_of_n(oracle, prompt_N, samples)
    return members.maximum_likelihood(prompt_N, best_N)


def adaptive_sft_sharpening(
    oracle: Oracle, members: LikelihoodClass, prompts: int, mu: float
) -> Floats:
    """Draw n prompts, keep the adaptive best response to each, and fit.

    Each prompt is sampled until k max_j pi(y_j|x) >= mu. Returns a law (X, Y).
    """
    prompt_N = oracle.prompts(prompts)
    best_N, _ = adaptive_best(oracle, prompt_N, mu)
    return members.maximum_likelihood(prompt_N, best_N)


def mu_for(delta: float) -> float:
    """mu = ln(2 / delta), with which the adaptive best misses y* with probability delta at most."""
    return log(2 / delta)
