"""Random numbers that belong to a row, and exact top-p sampling without a sort.

Every row has a 64-bit seed; the number used at a step is a function of that seed and a counter. So a sample does not depend on which
rows are drawn beside it, and finished rows can be dropped at any time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15
ATTEMPTS = 16


def uniforms(seeds_R: NDArray[np.uint64], counter: int) -> NDArray[np.float64]:
    """One number in [0, 1) per row: the SplitMix64 stream of each seed at ``counter``."""
    z = seeds_R + np.uint64((counter + 1) * _GOLDEN % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def draw_tokens(
    logits_RV: NDArray[np.float32],
    temperature: float,
    top_p: float,
    seeds_R: NDArray[np.uint64],
    step: int,
) -> NDArray[np.int64]:
    """One token per row, from the nucleus: the most probable tokens whose probabilities first reach ``top_p`` (ties all in).

    Drawn from the full distribution and accepted if the mass strictly above the token is below ``top_p``: the same law as cutting
    first, without sorting. Rows refused ATTEMPTS times are cut and drawn directly. Temperature 0 takes the most probable token.
    """
    if temperature == 0:
        greedy: NDArray[np.int64] = logits_RV.argmax(axis=1)
        return greedy
    p_RV = logits_RV * np.float32(1 / temperature)
    p_RV -= p_RV.max(axis=1, keepdims=True)
    np.exp(p_RV, out=p_RV)
    p_RV /= p_RV.sum(axis=1, keepdims=True)
    cumulative_RV = p_RV.cumsum(axis=1)
    tokens_R = np.empty(len(p_RV), np.int64)
    open_rows = np.arange(len(p_RV))
    for attempt in range(ATTEMPTS):
        drawn = _invert(
            cumulative_RV, uniforms(seeds_R[open_rows], step * (ATTEMPTS + 1) + attempt)
        )
        tokens_R[open_rows] = drawn
        if top_p >= 1:
            return tokens_R
        own = np.take_along_axis(p_RV, drawn[:, None], axis=1)
        refused = np.where(p_RV > own, p_RV, 0).sum(axis=1) >= top_p
        if not refused.any():
            return tokens_R
        open_rows, p_RV, cumulative_RV = open_rows[refused], p_RV[refused], cumulative_RV[refused]
    above_RV = np.array([[row[row > value].sum() for value in row] for row in p_RV])
    kept_RV = np.where(above_RV < top_p, p_RV, 0)
    tokens_R[open_rows] = _invert(
        kept_RV.cumsum(axis=1), uniforms(seeds_R[open_rows], step * (ATTEMPTS + 1) + ATTEMPTS)
    )
    return tokens_R


def _invert(cumulative_RV: NDArray[np.float32], u_R: NDArray[np.float64]) -> NDArray[np.int64]:
    """The first token whose cumulative mass exceeds u times the total."""
    target_R1 = (u_R * cumulative_RV[:, -1]).astype(np.float32)[:, None]
    above: NDArray[np.int64] = (cumulative_RV <= target_R1).sum(axis=1)
    last: NDArray[np.int64] = (cumulative_RV < cumulative_RV[:, -1:]).sum(axis=1)
    return np.minimum(above, last)


def log_probabilities(
    logits_RV: NDArray[np.float32], tokens_R: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Temperature-1 log-probability of each row's token, in nats."""
    peak_R1 = logits_RV.max(axis=1, keepdims=True)
    norm_R = np.log(np.exp(logits_RV - peak_R1).sum(axis=1)) + peak_R1[:, 0]
    result: NDArray[np.float64] = (logits_RV[np.arange(len(tokens_R)), tokens_R] - norm_R).astype(
        np.float64
    )
    return result
