"""The hard instance of Theorem 3.1: rare prompts, each with a secret answer twice as likely.

x_0 has mass 1 - Delta and one certain answer. Each of x_1..x_d has mass Delta / d and M answers,
all equally likely but one, the secret, which has mass 2 / M. With Delta of order eps, a learner
must find the secrets of a fixed share of the prompts; with M of order C / eps the coverage stays at
C as eps falls: C_cov = 1 - Delta + Delta M / 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

import numpy as np

from strop.theory.base_models import BaseModel, Floats, tabular
from strop.theory.best_of_n import adaptive_law, best_of_n_law
from strop.theory.classes import ProductClass
from strop.theory.tilt import tilted


@dataclass(frozen=True)
class HardInstance:
    """``rare`` prompts of mass ``delta_mass`` together, each with ``answers`` answers.

    The class Pi has one member for each choice of secrets.
    """

    rare: int
    answers: int
    delta_mass: float

    def __post_init__(self) -> None:
        if self.rare < 1 or self.answers < 4 or not 0 < self.delta_mass < 1:
            raise ValueError(
                f"expected at least 1 rare prompt, 4 answers and a mass between 0 and 1; got {self}"
            )

    @property
    def coverage(self) -> float:
        """C_cov."""
        return 1 - self.delta_mass + self.delta_mass * self.answers / 2

    @property
    def log_size(self) -> float:
        """log |Pi| = d log M."""
        return self.rare * log(self.answers)

    @property
    def prompt_X(self) -> Floats:
        """The law of the prompts; x_0 comes first."""
        each_rare = self.delta_mass / self.rare
        return np.append(1 - self.delta_mass, np.full(self.rare, each_rare))

    def base(self, rng: np.random.Generator) -> BaseModel:
        """Return a member with secrets drawn evenly."""
        secret_D = rng.integers(self.answers, size=self.rare)
        # Row s of the table is the law with secret s; the certain prompt comes first.
        rare_DY = self._secret_YY()[secret_D]
        table_XY = np.vstack([self._certain_Y(), rare_DY])
        return tabular(table_XY, self.prompt_X)

    def samples_for(self, delta: float) -> int:
        """Return the least N at which the best-of-N laws have mass 1 - delta on the secrets.

        It is about M log(1/delta) / 2.
        """
        # The secret is missed by all N with probability (1 - 2 / M)^N.
        miss_once = 1 - 2 / self.answers
        return ceil(log(delta) / log(miss_once))

    def best_of_n_class(self, samples: int) -> ProductClass:
        """Return the best-of-N laws of all members (Assumption 4.1)."""
        return self._class(best_of_n_law(self._secret_YY()[0], samples))

    def adaptive_class(self, mu: float) -> ProductClass:
        """Return the laws of the adaptive best (Appendix D) of all members."""
        law_Y, _ = adaptive_law(self._secret_YY()[0], mu)
        return self._class(law_Y)

    def tilted_class(self, beta: float) -> ProductClass:
        """Return pi*_beta, the KL-regularised optimum, of all members."""
        with_secret_0 = tabular(self._secret_YY()[:1])
        law_Y = tilted(with_secret_0, beta)[0]
        return self._class(law_Y)

    def _class(self, law_Y: Floats) -> ProductClass:
        """Return the class whose law at a prompt with secret answer 0 is ``law_Y``.

        The law is the same for all other answers, so two of its numbers give the table of every
        secret, and one table serves all rare prompts.
        """
        law_YY = np.full((self.answers, self.answers), law_Y[1])
        np.fill_diagonal(law_YY, law_Y[0])
        certain_1Y = self._certain_Y()[None, :]
        rare_laws = [law_YY] * self.rare
        return ProductClass((certain_1Y, *rare_laws))

    def _secret_YY(self) -> Floats:
        return raised_YY(self.answers, 2 / self.answers)

    def _certain_Y(self) -> Floats:
        return np.asarray(np.eye(1, self.answers)[0])


def raised_YY(answers: int, mass: float) -> Floats:
    """Return the table whose row s has ``mass`` on answer s, and the rest shared evenly."""
    each_other = (1 - mass) / (answers - 1)
    table_YY = np.full((answers, answers), each_other)
    np.fill_diagonal(table_YY, mass)
    return table_YY


def with_coverage(rare: int, delta_mass: float, coverage: float) -> HardInstance:
    """Return the instance of this coverage: M = 2 (C_cov - 1) / Delta + 2, rounded.

    It is C_cov = 1 - Delta + Delta M / 2, solved for M. Raises ValueError where M is below 4.
    """
    answers = round(2 * (coverage - 1) / delta_mass + 2)
    return HardInstance(rare, answers, delta_mass)
