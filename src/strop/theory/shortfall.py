"""Where SFT-Sharpening does pay 1 / delta (Theorem 4.1): a class that also holds laws which fall short of 1 - delta in a few places.

Assumption 4.1 asks that the class holds the best-of-N laws, and lets it hold anything else. Blocks of two prompts, a rare one and a
frequent one; two answers each, y* with 2/3. Best-of-N laws have 1 - q on y*, q at most delta / 2. The other law of a block has 1 - 2 delta
at its rare prompt, too little, and makes up for it with 1 at its frequent one. As long as no slip was seen there, which takes about 1 / q
visits, it is the likelier of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil, log

import numpy as np

from strop.theory.base_models import BaseModel, Floats, tabular
from strop.theory.classes import FiniteClass

STAR = 2 / 3
RARE = 0.1
"""Share of a block's mass at its rare prompt."""


@dataclass(frozen=True)
class Shortfall:
    """``blocks`` blocks of mass ``delta_mass`` together; the remaining mass is at one prompt with a certain answer."""

    blocks: int
    delta_mass: float
    delta: float

    @property
    def samples(self) -> int:
        """N = log(2 / delta) / log 3, at which best-of-N laws have at most delta / 2 off y*."""
        return ceil(log(2 / self.delta) / -log(1 - STAR) - 1e-9)

    @property
    def slip(self) -> float:
        """q, what a best-of-N law has off y*."""
        return (1 - STAR) ** self.samples

    @property
    def eps(self) -> float:
        """Half the mass of the rare prompts: half of the blocks may be wrong."""
        return 0.5 * RARE * self.delta_mass

    @property
    def formula(self) -> float:
        """Draws until half of the blocks have slipped at their frequent prompt, N responses each."""
        wanted = self.blocks - self.blocks // 2
        each = self.blocks / (self.delta_mass * (1 - RARE) * self.slip)
        return self.samples * each * sum(1 / (self.blocks - found) for found in range(wanted))

    def base(self) -> BaseModel:
        block = np.array([RARE, 1 - RARE]) * self.delta_mass / self.blocks
        prompt_X = np.concatenate([[1 - self.delta_mass], np.tile(block, self.blocks)])
        return tabular(self._table([1.0] + [STAR] * 2 * self.blocks), prompt_X)

    def members(self) -> FiniteClass:
        """Every choice of a law for each block, the short ones first: they win ties."""
        laws = ((1 - 2 * self.delta, 1.0), (1 - self.slip, 1 - self.slip))
        return FiniteClass(
            np.stack(
                [
                    self._table([1.0, *(mass for law in choice for mass in law)])
                    for choice in product(laws, repeat=self.blocks)
                ]
            )
        )

    def _table(self, star_X: list[float]) -> Floats:
        return np.column_stack([star_X, 1 - np.array(star_X)])
