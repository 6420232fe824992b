"""Ranks within problems, with ties."""

from __future__ import annotations

import numpy as np

from strop.measure.gap import Mask
from strop.measure.intervals import Floats


def midranks_PK(score_PK: Floats, mask_PK: Mask) -> Floats:
    """The rank of each response among its problem's (1 = lowest score), ties at their mean rank; NaN scores lowest, masked entries NaN."""
    # What is masked sorts behind everything, and so moves no rank.
    known_PK = np.where(mask_PK, np.where(np.isnan(score_PK), -np.inf, score_PK), np.inf)
    order_PK = np.argsort(known_PK, axis=1)
    sorted_PK = np.take_along_axis(known_PK, order_PK, axis=1)
    width = score_PK.shape[1]
    begins_PK = np.ones(score_PK.shape, bool)
    begins_PK[:, 1:] = sorted_PK[:, 1:] != sorted_PK[:, :-1]
    ends_PK = np.ones(score_PK.shape, bool)
    ends_PK[:, :-1] = begins_PK[:, 1:]
    first_PK = np.maximum.accumulate(np.where(begins_PK, np.arange(width), 0), axis=1)
    last_PK = np.minimum.accumulate(np.where(ends_PK, np.arange(width), width)[:, ::-1], axis=1)[:, ::-1]
    rank_PK = np.empty(score_PK.shape)
    np.put_along_axis(rank_PK, order_PK, (first_PK + last_PK) / 2 + 1, axis=1)
    return np.where(mask_PK, rank_PK, np.nan)
