"""Finite model classes Pi, over which likelihood and squared error are optimised exactly: by looking at every member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from strop.theory.base_models import Floats, Indices

LEAST = 1e-300
TIE = 1e-9
"""Objectives this close are equal, and the first member wins: rounding must not choose a model."""


@dataclass(frozen=True)
class Pairs:
    """Two responses to each prompt, and the log-probability of each under the base: what reward-DPO and XPO learn from."""

    prompt_N: Indices
    response_N2: Indices
    logprob_N2: Floats

    def and_also(self, other: Pairs) -> Pairs:
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
        return log(len(self.law_FXY))

    def maximum_likelihood(self, prompt_N: Indices, response_N: Indices) -> Floats:
        """The law (X, Y) of the member under which these responses are likeliest."""
        _, prompts, responses = self.law_FXY.shape
        counts_XY = np.bincount(
            prompt_N * responses + response_N, minlength=prompts * responses
        ).reshape(prompts, responses)
        logprob_F = np.einsum("fxy,xy->f", np.log(np.maximum(self.law_FXY, LEAST)), counts_XY)
        return np.asarray(self.law_FXY[first_least(-logprob_F)])

    def regress(self, pairs: Pairs, beta: float, alpha: float = 0.0) -> Floats:
        """The member with the least alpha sum log pi(y'|x) + sum (squared error of Eq. 4 / 8); y' is the second of each pair."""
        law_FN2 = self.law_FXY[:, pairs.prompt_N[:, None], pairs.response_N2]
        return np.asarray(
            self.law_FXY[first_least(xpo_objective_F(law_FN2, pairs.logprob_N2, beta, alpha))]
        )


@dataclass(frozen=True)
class ProductClass:
    """Every prompt has F candidate laws, ``laws[x]`` (F, Y), and takes any of them whatever the others take: F^X members.

    Likelihood and squared error are sums over prompts, so the best member is found prompt by prompt. ``log_size`` leaves out prompts whose
    candidates are all the same.
    """

    laws: Sequence[Floats]

    @property
    def log_size(self) -> float:
        return sum(log(len(law_FY)) for law_FY in self.laws if (law_FY != law_FY[0]).any())

    def maximum_likelihood(self, prompt_N: Indices, response_N: Indices) -> Floats:
        """The law (X, Y) of the member under which these responses are likeliest."""
        chosen_X = np.zeros(len(self.laws), np.int64)
        for x in np.unique(prompt_N):
            seen_S, count_S = np.unique(response_N[prompt_N == x], return_counts=True)
            chosen_X[x] = first_least(-np.log(np.maximum(self.laws[x][:, seen_S], LEAST)) @ count_S)
        return self._member(chosen_X)

    def regress(self, pairs: Pairs, beta: float, alpha: float = 0.0) -> Floats:
        """As of a finite class."""
        chosen_X = np.zeros(len(self.laws), np.int64)
        for x in np.unique(pairs.prompt_N):
            here_N = pairs.prompt_N == x
            law_FN2 = self.laws[x][:, pairs.response_N2[here_N]]
            chosen_X[x] = first_least(
                xpo_objective_F(law_FN2, pairs.logprob_N2[here_N], beta, alpha)
            )
        return self._member(chosen_X)

    def _member(self, chosen_X: Indices) -> Floats:
        return np.stack(
            [law_FY[chosen] for law_FY, chosen in zip(self.laws, chosen_X, strict=True)]
        )


def xpo_objective_F(law_FN2: Floats, logprob_N2: Floats, beta: float, alpha: float) -> Floats:
    """alpha sum log pi(y'|x) + sum (beta log[pi(y)/base(y)] - beta log[pi(y')/base(y')] - (r(y) - r(y')))^2, r = log base."""
    logprob_FN2 = np.log(np.maximum(law_FN2, LEAST))
    gained_FN2 = beta * (logprob_FN2 - logprob_N2) - logprob_N2
    error_FN = gained_FN2[..., 0] - gained_FN2[..., 1]
    return np.asarray(alpha * logprob_FN2[..., 1].sum(axis=1) + (error_FN**2).sum(axis=1))


def first_least(value_F: Floats) -> int:
    """The first of those that are least but for rounding."""
    least = float(value_F.min())
    return int(np.argmax(value_F <= least + TIE * max(1.0, abs(least))))
