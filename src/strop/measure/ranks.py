"""Ranks within problems, with ties."""

from __future__ import annotations

import numpy as np

from strop.measure.gap import Mask
from strop.measure.intervals import Floats
from strop.order_statistics import competitors


def midranks_PK(score_PK: Floats, mask_PK: Mask) -> Floats:
    """Return the rank of each response within its problem, 1 for the lowest score.

    Tied responses have their mean rank. NaN scores rank lowest; masked entries are NaN.
    """
    known_PK = np.where(np.isnan(score_PK), -np.inf, score_PK)
    # Masked entries are put above all others: ranks count from below, so none depends on them.
    better_PK, tied_PK = competitors(np.where(mask_PK, known_PK, np.inf))
    # The best of a tie group has rank K - better, and the mean of its ranks lies
    # (tied - 1) / 2 lower.
    rank_PK = score_PK.shape[1] - better_PK - (tied_PK - 1) / 2
    return np.where(mask_PK, rank_PK, np.nan)
