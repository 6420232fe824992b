"""Rejection by one threshold for all problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strop.weigh.base import Floats, Mask, Weight

FEW_LEVELS = 12
"""Scores with at most this many different values are swept level by level."""


@dataclass(frozen=True)
class Threshold(Weight):
    """Keep scores >= t. A problem may be left without a survivor."""

    t: float = 0.5

    name: ClassVar[str] = "threshold"
    description: ClassVar[str] = "keeps scores of at least t"
    rank_based: ClassVar[bool] = False
    is_filter: ClassVar[bool] = True
    axis: ClassVar[str | None] = "threshold on the score"

    def __post_init__(self) -> None:
        if not np.isfinite(self.t):
            raise ValueError(f"threshold:{self.t:g} is not a number; expected a finite score")

    @classmethod
    def sweep(cls, score_N: Floats) -> list[Weight]:
        """Return the midpoints between few levels, else 0.1 to 0.9 for scores within [0, 1].

        Many-valued scores outside [0, 1], such as log-probabilities, have no scale on which a
        common threshold would mean something.
        """
        levels = np.unique(score_N)
        if len(levels) <= FEW_LEVELS:
            return [cls(float(middle)) for middle in (levels[1:] + levels[:-1]) / 2]
        if levels.min() >= 0 and levels.max() <= 1:
            return [cls(t / 10) for t in range(1, 10)]
        return []

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        return (score_PK >= self.t).astype(float)
