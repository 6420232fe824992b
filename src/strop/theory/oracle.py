"""Sample-and-evaluate access to a base model (Definition 3.2).

Learners see the base through this alone, and every query is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from strop.errors import QueryBudgetError
from strop.theory.base_models import BaseModel, Floats, Indices, draw


@dataclass
class Oracle:
    """Prompts from mu, and responses from pi(.|x) with their log-probabilities.

    The cost m is one for each response. ``evaluate`` returns the log-probability of a response that
    the oracle did not draw: the extended oracle that XPO needs (footnote 7), counted separately in
    ``evaluated``. A query beyond ``budget`` (or ``extended_budget``) is refused before anything is
    drawn.
    """

    model: BaseModel
    rng: np.random.Generator
    budget: float = np.inf
    extended_budget: float = np.inf
    asked_prompts: int = field(default=0, init=False)
    drawn: int = field(default=0, init=False)
    evaluated: int = field(default=0, init=False)

    def prompts(self, count: int) -> Indices:
        """Return ``count`` independent prompts. They cost nothing: m counts responses."""
        self.asked_prompts += count
        return draw(self.model.prompt_X, count, self.rng)

    def respond(self, prompt_N: Indices, times: int = 1) -> tuple[Indices, Floats]:
        """Return ``times`` independent responses to each prompt, and log pi of each: (N, K) twice.

        Raises QueryBudgetError beyond the budget.
        """
        queries = len(prompt_N) * times
        if self.drawn + queries > self.budget:
            raise QueryBudgetError(
                f"got a query of {queries} responses after {self.drawn}: "
                f"the budget is {self.budget:g}; ask for fewer"
            )
        self.drawn += queries
        response_NK = np.empty((len(prompt_N), times), np.int64)
        # All draws of one prompt at once, prompts in rising order: the order fixes the results.
        for x in np.unique(prompt_N):
            here_N = prompt_N == x
            count = int(here_N.sum()) * times
            drawn = draw(self.model.probability_XY[x], count, self.rng)
            response_NK[here_N] = drawn.reshape(-1, times)
        return response_NK, self.model.logprob_XY[prompt_N[:, None], response_NK]

    def evaluate(self, prompt_N: Indices, response_N: Indices) -> Floats:
        """Return log pi(y|x) of responses that the oracle did not draw.

        Raises QueryBudgetError beyond the extended budget.
        """
        if self.evaluated + len(prompt_N) > self.extended_budget:
            raise QueryBudgetError(
                f"got a query of {len(prompt_N)} evaluations after {self.evaluated}: "
                f"the budget is {self.extended_budget:g}; ask for fewer"
            )
        self.evaluated += len(prompt_N)
        return np.asarray(self.model.logprob_XY[prompt_N, response_N])
