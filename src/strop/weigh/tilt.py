"""The KL-regularised update as a weight: lean toward high scores and drop nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strop.weigh.base import Floats, Mask, Weight


@dataclass(frozen=True)
class Tilt(Weight):
    """w = exp(û / beta), the closed form of max E[û] - beta KL(. || f) ("Mind the Gap", Ex. 2.1).

    Weights matter up to a factor for each problem: its best score weighs 1, so nothing overflows.
    """

    beta: float = 1.0

    name: ClassVar[str] = "tilt"
    description: ClassVar[str] = "weighs by exp(score / beta)"
    rank_based: ClassVar[bool] = False
    axis: ClassVar[str | None] = "price of moving away, beta"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.beta) and self.beta > 0):
            raise ValueError(
                f"tilt:{self.beta:g} is out of range; "
                "expected a finite number above 0, the price of moving away"
            )

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        best_P1 = score_PK.max(axis=1, keepdims=True, initial=-np.inf)
        # Unknown scores are -inf, and -inf - (-inf) would be NaN: subtract only where it is finite.
        nothing_PK = np.full(score_PK.shape, -np.inf)
        below_best_PK = np.subtract(score_PK, best_P1, out=nothing_PK, where=np.isfinite(score_PK))
        return np.asarray(np.exp(below_best_PK / self.beta))
