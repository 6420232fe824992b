"""Ranks within problems, with ties."""

from __future__ import annotations

import numpy as np

from strop.measure.gap import Mask
from strop.measure.intervals import Floats
from strop.order_statistics import competitors


def midranks_PK(score_PK: Floats, mask_PK: Mask) -> Floats:
    """The rank of each response among its problem's (1 = lowest score), ties at their mean rank; NaN scores lowest, masked entries NaN."""
    # What is masked is better than everything, and so no rank counted from below depends on it.
    better_PK, tied_PK = competitors(
        np.where(mask_PK, np.where(np.isnan(score_PK), -np.inf, score_PK), np.inf)
    )
    return np.where(mask_PK, score_PK.shape[1] - better_PK - (tied_PK - 1) / 2, np.nan)
