"""Finite model classes Pi, over which likelihood and squared error are optimised exactly.

The optimum is found by looking at every member.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from strop.theory.base_models import Floats, Indices

LEAST = 1e-300
"""Stands for probability 0 in a logarithm: it excludes the member without an infinity."""
TIE = 1e-9
"""Objectives this close are equal, and the first member wins: rounding must not choose a model."""


@dataclass(frozen=True)
class Pairs:
    """Two responses to each prompt, and the log-probability of each under the base.

    Reward-DPO and XPO learn from them.
    """

    prompt_N: Indices
    response_N2: Indices
    logprob_N2: Floats

    def and_also(self, other: Pairs) -> Pairs:
        """Return these pairs followed by the others."""
        return Pairs(
            np.concatenate([self.prompt_N, other.prompt_N]),
            np.concatenate([self.response_N2, other.response_N2]),
            np.concatenate([self.logprob_N2, other.logprob_N2]),
        )


@dataclass(frozen=True)
class FiniteClass:
    """Pi = {pi_1, ..., pi_F}, as ``law_FXY``."""

    law_FXY: Floats

    @property
    def log_size(self) -> float:
        """log |Pi|."""
        return log(len(self.law_FXY))

    def maximum_likelihood(self, prompt_N: Indices, response_N: Indices) -> Floats:
        """Return the law (X, Y) of the member under which these responses are likeliest.

        ``response_N[i]`` is a response to ``prompt_N[i]``. Of equal members the first wins.
        """
        _, prompts, responses = self.law_FXY.shape
        # The log-likelihood is sum n(x, y) log pi(y|x), so only the counts of pairs matter.
        cell_N = prompt_N * responses + response_N
        counts = np.bincount(cell_N, minlength=prompts * responses)
        counts_XY = counts.reshape(prompts, responses)
        logprob_FXY = np.log(np.maximum(self.law_FXY, LEAST))
        loglikelihood_F = np.einsum("fxy,xy->f", logprob_FXY, counts_XY)
        best = first_least(-loglikelihood_F)
        return np.asarray(self.law_FXY[best])

    def regress(self, pairs: Pairs, beta: float, alpha: float = 0.0) -> Floats:
        """Return the member with the least alpha sum log pi(y'|x) + sum (error of Eq. 4 / 8)^2.

        y' is the second response of each pair; the law is (X, Y).
        """
        # The probability of both responses of every pair under every member.
        law_FN2 = self.law_FXY[:, pairs.prompt_N[:, None], pairs.response_N2]
        objective_F = xpo_objective_F(law_FN2, pairs.logprob_N2, beta, alpha)
        best = first_least(objective_F)
        return np.asarray(self.law_FXY[best])


@dataclass(frozen=True)
class ProductClass:
    """A class that chooses the law of every prompt independently: F^X members.

    ``laws[x]`` (F, Y) holds the candidates of prompt x. Likelihood and squared error are sums over
    prompts, so the best member is found prompt by prompt. ``log_size`` leaves out prompts whose
    candidates are all the same.
    """

    laws: Sequence[Floats]

    @property
    def log_size(self) -> float:
        """log |Pi|."""
        total: float = 0
        for law_FY in self.laws:
            candidates_differ = (law_FY != law_FY[0]).any()
            if candidates_differ:
                total += log(len(law_FY))
        return total

    def maximum_likelihood(self, prompt_N: Indices, response_N: Indices) -> Floats:
        """Return the law (X, Y) of the member under which these responses are likeliest."""
        chosen_X = np.zeros(len(self.laws), np.int64)
        for x in np.unique(prompt_N):
            # Only responses that were seen contribute to the likelihood.
            here_N = prompt_N == x
            seen_S, count_S = np.unique(response_N[here_N], return_counts=True)
            law_FS = self.laws[x][:, seen_S]
            logprob_FS = np.log(np.maximum(law_FS, LEAST))
            chosen_X[x] = first_least(-logprob_FS @ count_S)
        return self._member(chosen_X)

    def regress(self, pairs: Pairs, beta: float, alpha: float = 0.0) -> Floats:
        """Return the member with the least objective of XPO, as for a finite class."""
        chosen_X = np.zeros(len(self.laws), np.int64)
        for x in np.unique(pairs.prompt_N):
            here_N = pairs.prompt_N == x
            response_N2 = pairs.response_N2[here_N]
            logprob_N2 = pairs.logprob_N2[here_N]
            law_FN2 = self.laws[x][:, response_N2]
            objective_F = xpo_objective_F(law_FN2, logprob_N2, beta, alpha)
            chosen_X[x] = first_least(objective_F)
        return self._member(chosen_X)

    def _member(self, chosen_X: Indices) -> Floats:
        """Return the law (X, Y) of the member with these candidates."""
        chosen_laws = []
        for law_FY, chosen in zip(self.laws, chosen_X, strict=True):
            chosen_laws.append(law_FY[chosen])
        return np.stack(chosen_laws)


def xpo_objective_F(law_FN2: Floats, logprob_N2: Floats, beta: float, alpha: float) -> Floats:
    """Return alpha sum log pi(y'|x) + sum error^2 of each member, with r = log base.

    error = beta log[pi(y)/base(y)] - beta log[pi(y')/base(y')] - (r(y) - r(y')).

    ``law_FN2`` holds the probability of both responses of each pair under every member, and
    ``logprob_N2`` their log-probability under the base.
    """
    logprob_FN2 = np.log(np.maximum(law_FN2, LEAST))
    # beta log[pi / base] - r of each response; a pair's error is the difference of its two.
    gained_FN2 = beta * (logprob_FN2 - logprob_N2) - logprob_N2
    error_FN = gained_FN2[..., 0] - gained_FN2[..., 1]
    square_F = (error_FN**2).sum(axis=1)
    # With alpha > 0 a member is better where y', a base response, is less likely: optimism.
    bonus_F = alpha * logprob_FN2[..., 1].sum(axis=1)
    return np.asarray(bonus_F + square_F)


def first_least(value_F: Floats) -> int:
    """Return the index of the first smallest value; values equal up to rounding count as equal."""
    least = float(value_F.min())
    tolerance = TIE * max(1.0, abs(least))
    # argmax gives the first True.
    return int(np.argmax(value_F <= least + tolerance))
