"""SFT-Sharpening (section 4.1) and its adaptive version (Appendix D): maximum likelihood on the best responses."""

from __future__ import annotations

from math import log
from typing import Protocol

from strop.theory.base_models import Floats, Indices
from strop.theory.best_of_n import adaptive_best, best_of_n
from strop.theory.oracle import Oracle


class LikelihoodClass(Protocol):
    """A class that can say which of its members makes responses likeliest."""

    def maximum_likelihood(self, prompt_N: Indices, response_N: Indices) -> Floats: ...


def sft_sharpening(oracle: Oracle, members: LikelihoodClass, prompts: int, samples: int) -> Floats:
    """Draw n prompts, keep the best of N responses to each, and fit: a law (X, Y). Costs n N."""
    prompt_N = oracle.prompts(prompts)
    return members.maximum_likelihood(prompt_N, best_of_n(oracle, prompt_N, samples))


def adaptive_sft_sharpening(
    oracle: Oracle, members: LikelihoodClass, prompts: int, mu: float
) -> Floats:
    """The same with as many responses as each prompt asks for: until k max_j pi(y_j|x) >= mu."""
    prompt_N = oracle.prompts(prompts)
    return members.maximum_likelihood(prompt_N, adaptive_best(oracle, prompt_N, mu)[0])


def mu_for(delta: float) -> float:
    """mu = ln(2 / delta)."""
    return log(2 / delta)
