"""Rejection by one threshold for all problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strop.weigh.base import Floats, Mask, Weight, plain


@dataclass(frozen=True)
class Threshold(Weight):
    """Keep scores >= t. A problem may be left without a survivor."""

    t: float = 0.5

    name: ClassVar[str] = "threshold"
    rank_based: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not np.isfinite(self.t):
            raise ValueError(f"threshold:{self.t:g} is not a number; expected a finite score")

    @property
    def spec(self) -> str:
        return f"threshold:{plain(self.t)}"

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        return (score_PK >= self.t).astype(float)
