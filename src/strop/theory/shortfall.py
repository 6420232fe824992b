"""An instance where SFT-Sharpening does pay 1 / delta (Theorem 4.1).

Assumption 4.1 asks that the class holds the best-of-N laws, and lets it hold anything else. Here it
also holds laws that fall short of 1 - delta in a few places. There are blocks of two prompts, a
rare one and a frequent one, with two answers each; y* has 2/3. Best-of-N laws have 1 - q on y*, q
at most delta / 2. The other law of a block has 1 - 2 delta at its rare prompt, too little, and
makes up for it with 1 at its frequent one. As long as no slip was seen there, which takes about
1 / q visits, it is the likelier of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, log

import numpy as np

from strop.theory.base_models import BaseModel, Floats, tabular
from strop.theory.classes import FiniteClass

STAR = 2 / 3
"""The probability of y* at every prompt of a block."""
RARE = 0.1
"""The share of a block's mass at its rare prompt."""


@dataclass(frozen=True)
class Shortfall:
    """``blocks`` blocks of mass ``delta_mass`` together.

    The remaining mass is at one prompt with a certain answer.
    """

    blocks: int
    delta_mass: float
    delta: float

    @property
    def samples(self) -> int:
        """N = log(2 / delta) / log 3: best-of-N laws then have at most delta / 2 off y*."""
        return ceil(log(2 / self.delta) / -log(1 - STAR) - 1e-9)

    @property
    def slip(self) -> float:
        """q, the mass of a best-of-N law off y*."""
        return (1 - STAR) ** self.samples

    @property
    def eps(self) -> float:
        """Half the mass of the rare prompts: half of the blocks may be wrong."""
        return 0.5 * RARE * self.delta_mass

    @property
    def formula(self) -> float:
        """The draws until half of the blocks have slipped at their frequent prompt, N each.

        As in the coupon collector's problem: after ``slipped`` blocks, the next one takes
        1 / (blocks - slipped) of the visits that one given block would take.
        """
        wanted = self.blocks - self.blocks // 2
        slip_at_frequent = self.delta_mass * (1 - RARE) * self.slip
        visits = self.blocks / slip_at_frequent
        harmonic = sum(1 / (self.blocks - slipped) for slipped in range(wanted))
        return self.samples * visits * harmonic

    def base(self) -> BaseModel:
        """Return the base model; the certain prompt comes first."""
        block = np.array([RARE, 1 - RARE]) * self.delta_mass / self.blocks
        all_blocks = np.tile(block, self.blocks)
        prompt_X = np.concatenate([[1 - self.delta_mass], all_blocks])
        # Two prompts a block, a rare and a frequent one, with the same law.
        star_of_blocks = [STAR] * 2 * self.blocks
        return tabular(_two_answers([1.0, *star_of_blocks]), prompt_X)

    def members(self) -> FiniteClass:
        """Return every choice of a law for each block, the short ones first: they win ties."""
        short = (1 - 2 * self.delta, 1.0)
        best_of_n = (1 - self.slip, 1 - self.slip)
        tables = []
        for choice in product((short, best_of_n), repeat=self.blocks):
            star_of_blocks = [mass for law in choice for mass in law]
            tables.append(_two_answers([1.0, *star_of_blocks]))
        return FiniteClass(np.stack(tables))


def _two_answers(star_X: Sequence[float]) -> Floats:
    """Return the table (X, 2) with these probabilities of y*."""
    return np.column_stack([star_X, 1 - np.array(star_X)])
