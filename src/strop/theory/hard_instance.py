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
        return np.append(1 - self.delta_mass, np.full(self.rare, self.delta_mass / self.rare))

    def base(self, rng: np.random.Generator) -> BaseModel:
        """Return a member with secrets drawn evenly."""
        # Row s of the table is the law with secret s; the certain prompt comes first.
        secret_D = rng.integers(self.answers, size=self.rare)
        return tabular(np.vstack([self._certain_Y(), self._secret_YY()[secret_D]]), self.prompt_X)

    def samples_for(self, delta: float) -> int:
        """Return the least N at which the best-of-N laws have mass 1 - delta on the secrets.

        It is about M log(1/delta) / 2.
        """
        return ceil(log(delta) / log(1 - 2 / self.answers))

    def best_of_n_class(self, samples: int) -> ProductClass:
        """Return the best-of-N laws of all members (Assumption 4.1)."""
        return self._class(best_of_n_law(self._secret_YY()[0], samples))

    def adaptive_class(self, mu: float) -> ProductClass:
        """Return the laws of the adaptive best of all members."""
        law_Y, _ = adaptive_law(self._secret_YY()[0], mu)
        return self._class(law_Y)

    def tilted_class(self, beta: float) -> ProductClass:
        """Return pi*_beta of all members."""
        return self._class(tilted(tabular(self._secret_YY()[:1]), beta)[0])

    def _class(self, law_Y: Floats) -> ProductClass:
        """Return the class whose law at a prompt with secret answer 0 is ``law_Y``.

        The law is the same for all other answers, so two of its numbers give the table of every
        secret, and one table serves all rare prompts.
        """
        law_YY = np.full((self.answers, self.answers), law_Y[1])
        np.fill_diagonal(law_YY, law_Y[0])
        return ProductClass((self._certain_Y()[None, :], *[law_YY] * self.rare))

    def _secret_YY(self) -> Floats:
        return raised_YY(self.answers, 2 / self.answers)

    def _certain_Y(self) -> Floats:
        return np.asarray(np.eye(1, self.answers)[0])


def raised_YY(answers: int, mass: float) -> Floats:
    """Return the table whose row s has ``mass`` on answer s, and the rest shared evenly."""
    table_YY = np.full((answers, answers), (1 - mass) / (answers - 1))
    np.fill_diagonal(table_YY, mass)
    return table_YY


def with_coverage(rare: int, delta_mass: float, coverage: float) -> HardInstance:
    """Return the instance of this coverage: M = 2 (C_cov - 1) / Delta + 2, rounded."""
    return HardInstance(rare, round(2 * (coverage - 1) / delta_mass + 2), delta_mass)
