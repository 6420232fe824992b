"""RLHF-Sharpening (section 4.2): reward-based DPO offline, XPO online with exploration.

The reward is r_self = log base, free of noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from strop.theory.base_models import Floats, Indices, draw
from strop.theory.classes import LEAST, Pairs
from strop.theory.oracle import Oracle


class RegressionClass(Protocol):
    """A class that can minimise XPO's objective over its members."""

    def regress(self, pairs: Pairs, beta: float, alpha: float = 0.0) -> Floats: ...


@dataclass(frozen=True)
class Iterate:
    """The state of XPO after a round.

    pi_{t+1}, its J_beta on validation draws, and all the pairs so far.
    """

    law_XY: Floats
    value: float
    pairs: Pairs


def reward_dpo(oracle: Oracle, members: RegressionClass, prompts: int, beta: float) -> Floats:
    """Fit two base responses to each of n prompts by least squares over the class (Eq. 4 / 8).

    Returns a law (X, Y). Costs 2 n.
    """
    return members.regress(base_pairs(oracle, oracle.prompts(prompts)), beta)


def base_pairs(oracle: Oracle, prompt_N: Indices) -> Pairs:
    """Draw y, y' ~ base for each prompt, independently. Costs two queries a prompt."""
    response_N2, logprob_N2 = oracle.respond(prompt_N, 2)
    return Pairs(prompt_N, response_N2, logprob_N2)


@dataclass(frozen=True)
class Xpo:
    """Algorithm 1: x ~ mu, y ~ pi_t, y' ~ base, then a regression over all pairs so far.

    pi_{t+1} = argmin alpha sum log pi(y'|x) + sum (squared error). The sign is the one of the
    analysis (Appendix J.2). pi_1 is the base. ``online=False`` draws y from the base too: with
    ``alpha`` 0 that is the offline learner. J_beta of each iterate is estimated from ``validation``
    draws; they cost extended queries, as every y ~ pi_t does.
    """

    beta: float
    alpha: float
    online: bool = True
    validation: int = 32

    def rounds(
        self, oracle: Oracle, members: RegressionClass, rounds: int, rng: np.random.Generator
    ) -> Iterator[Iterate]:
        """Yield one iterate a round; ``best`` chooses the one to return.

        ``rng`` draws y ~ pi_t; prompts and base responses come from the oracle.
        """
        law_XY: Floats | None = None
        pairs: Pairs | None = None
        for _ in range(rounds):
            fresh = self._pair(oracle, law_XY, rng)
            pairs = fresh if pairs is None else pairs.and_also(fresh)
            law_XY = members.regress(pairs, self.beta, self.alpha)
            value = self._value(oracle, law_XY, rng)
            yield Iterate(law_XY, value, pairs)

    def _pair(self, oracle: Oracle, law_XY: Floats | None, rng: np.random.Generator) -> Pairs:
        """Draw the pair of one round."""
        prompt_N = oracle.prompts(1)
        # pi_1 is the base: its draws come from the oracle and need no extended query.
        if law_XY is None or not self.online:
            return base_pairs(oracle, prompt_N)
        # y' is drawn before y, and evaluated by the oracle itself: the order fixes the results.
        second_N1, second_logprob_N1 = oracle.respond(prompt_N)
        first_N = _draw_responses(law_XY, prompt_N, rng)
        first_logprob_N = oracle.evaluate(prompt_N, first_N)
        return Pairs(
            prompt_N,
            np.column_stack([first_N, second_N1[:, 0]]),
            np.column_stack([first_logprob_N, second_logprob_N1[:, 0]]),
        )

    def _value(self, oracle: Oracle, law_XY: Floats, rng: np.random.Generator) -> float:
        """Estimate J_beta = E_pi[log base - beta log(pi / base)]; NaN without validation draws."""
        if not self.validation:
            return float("nan")
        prompt_N = oracle.prompts(self.validation)
        response_N = _draw_responses(law_XY, prompt_N, rng)
        base_N = oracle.evaluate(prompt_N, response_N)
        probability_N = law_XY[prompt_N, response_N]
        law_N = np.log(np.maximum(probability_N, LEAST))
        # log base - beta (log pi - log base), with the two terms in log base put together.
        value_N = (1 + self.beta) * base_N - self.beta * law_N
        return float(value_N.mean())


def _draw_responses(law_XY: Floats, prompt_N: Indices, rng: np.random.Generator) -> Indices:
    """Draw y ~ pi_t for each prompt. The draws cost nothing until they are evaluated."""
    response_N = np.empty(len(prompt_N), np.int64)
    for x in np.unique(prompt_N):
        here_N = prompt_N == x
        response_N[here_N] = draw(law_XY[x], int(here_N.sum()), rng)
    return response_N


def best(iterates: list[Iterate]) -> Iterate:
    """Return the iterate with the best J_beta on its validation draws.

    Of equals it is the last, which has learned from more pairs.
    """
    return max(reversed(iterates), key=lambda iterate: iterate.value)
