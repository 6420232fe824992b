"""Rejection by rank: each problem keeps its best responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strop.order_statistics import whole_parts
from strop.weigh.base import Floats, Mask, Weight


@dataclass(frozen=True)
class Quantile(Weight):
    """Keep the top 1 - q of a problem's K scores.

    The threshold is the m-th largest score, m = max(1, ceil((1 - q) K)); all ties with it are kept.
    On binary scores the filter keeps everything where fewer than m pass; a threshold serves better
    there.
    """

    q: float = 0.7

    name: ClassVar[str] = "quantile"
    description: ClassVar[str] = "keeps the top 1 − q of each problem’s scores, ties included"
    rank_based: ClassVar[bool] = True
    is_filter: ClassVar[bool] = True
    axis: ClassVar[str | None] = "quantile filtered out, q"

    def __post_init__(self) -> None:
        if not 0 <= self.q < 1:
            raise ValueError(
                f"quantile:{self.q:g} is out of range; "
                "expected a number in [0, 1), the share of responses to drop"
            )

    @classmethod
    def sweep(cls, score_N: Floats) -> list[Weight]:
        """Return q = 0.1 to 0.9; none for binary scores, where ranks say no more than a level."""
        if len(np.unique(score_N)) <= 2:
            return []
        return [cls(q / 10) for q in range(1, 10)]

    def at(self, count: int) -> tuple[tuple[float, Weight], ...]:
        """Return the mixture that keeps (1 - q) of ``count`` on average.

        Keeping 9.6 of 32 is 0.4 of keeping 9 and 0.6 of keeping 10. Rounded up to 10, the rule
        itself would change with K, and the extrapolation would take that for a bias.
        """
        parts = whole_parts((1 - self.q) * count)
        _, fewest = parts[0]
        if fewest == 0:
            return ()
        return tuple((share, Quantile(1 - kept / count)) for share, kept in parts)

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        count_P = mask_PK.sum(axis=1)
        # (1 - 0.7) * 10 is a hair above 3 in floating point; the tolerance keeps 3, not 4.
        keep_P = np.maximum(1, np.ceil((1 - self.q) * count_P - 1e-9)).astype(int)
        descending_PK = -np.sort(-score_PK, axis=1)
        threshold_P1 = np.take_along_axis(descending_PK, keep_P[:, None] - 1, axis=1)
        # Where fewer than m responses have a score the threshold is -inf: unknown scores stay out.
        return ((score_PK >= threshold_P1) & np.isfinite(score_PK)).astype(float)
