"""Rejection by rank: each problem keeps its own best responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strop.order_statistics import whole_parts
from strop.weigh.base import Floats, Mask, Weight, plain


@dataclass(frozen=True)
class Quantile(Weight):
    """Keep the top 1 - q of a problem's K scores: the threshold is the m-th largest, m = max(1, ceil((1 - q) K)); ties are all kept.

    On binary scores it keeps everything where fewer than m pass; a threshold serves better there.
    """

    q: float = 0.7

    name: ClassVar[str] = "quantile"
    rank_based: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.q < 1:
            raise ValueError(
                f"quantile:{self.q:g} is out of range; expected a number in [0, 1), the share of responses to drop"
            )

    @property
    def spec(self) -> str:
        return f"quantile:{plain(self.q)}"

    def at(self, count: int) -> tuple[tuple[float, Weight], ...]:
        """Keeping 9.6 of 32 is 0.4 of keeping 9 and 0.6 of keeping 10: rounded up to 10, the rule would change with K beyond its bias."""
        parts = whole_parts((1 - self.q) * count)
        return (
            tuple((share, Quantile(1 - kept / count)) for share, kept in parts)
            if parts[0][1]
            else ()
        )

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        count_P = mask_PK.sum(axis=1)
        keep_P = np.maximum(1, np.ceil((1 - self.q) * count_P - 1e-9)).astype(int)
        descending_PK = -np.sort(-score_PK, axis=1)
        threshold_P1 = np.take_along_axis(descending_PK, keep_P[:, None] - 1, axis=1)
        return ((score_PK >= threshold_P1) & np.isfinite(score_PK)).astype(float)
