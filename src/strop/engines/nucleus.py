"""Random numbers that belong to a row, and exact top-p sampling without a sort.

Every row has a 64-bit seed. The number used at a step is a function of that seed and a counter. So
a sample does not depend on the rows that are drawn beside it, and finished rows can be dropped at
any time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15
ATTEMPTS = 16


def uniforms(seeds_R: NDArray[np.uint64], counter: int) -> NDArray[np.float64]:
    """Return one number in [0, 1) per row: the SplitMix64 stream of each seed at ``counter``."""
    z = seeds_R + np.uint64((counter + 1) * _GOLDEN % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    # The upper 53 bits are as many as a float64 holds.
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def draw_tokens(
    logits_RV: NDArray[np.float32],
    temperature: float,
    top_p: float,
    seeds_R: NDArray[np.uint64],
    step: int,
) -> NDArray[np.int64]:
    """Draw one token per row from the nucleus.

    The nucleus holds the most probable tokens whose probabilities first reach ``top_p``, with all
    ties. A token is drawn from the full distribution and accepted if the mass strictly above it is
    below ``top_p``: the same law as cutting first, without sorting. Rows that are refused ATTEMPTS
    times are cut and drawn directly. Temperature 0 takes the most probable token.
    """
    if temperature == 0:
        greedy: NDArray[np.int64] = logits_RV.argmax(axis=1)
        return greedy
    # A softmax in place: one array of the size of the logits.
    p_RV = logits_RV * np.float32(1 / temperature)
    p_RV -= p_RV.max(axis=1, keepdims=True)
    np.exp(p_RV, out=p_RV)
    p_RV /= p_RV.sum(axis=1, keepdims=True)
    cumulative_RV = p_RV.cumsum(axis=1)

    tokens_R = np.empty(len(p_RV), np.int64)
    open_rows = np.arange(len(p_RV))
    # Each step has ATTEMPTS + 1 numbers of its own: one per attempt, and one for the direct draw.
    first_counter = step * (ATTEMPTS + 1)
    for attempt in range(ATTEMPTS):
        drawn = _invert(cumulative_RV, uniforms(seeds_R[open_rows], first_counter + attempt))
        tokens_R[open_rows] = drawn
        if top_p >= 1:
            return tokens_R  # the nucleus is everything
        p_drawn_R1 = np.take_along_axis(p_RV, drawn[:, None], axis=1)
        mass_above_R = np.where(p_RV > p_drawn_R1, p_RV, 0).sum(axis=1)
        refused = mass_above_R >= top_p
        if not refused.any():
            return tokens_R
        open_rows = open_rows[refused]
        p_RV = p_RV[refused]
        cumulative_RV = cumulative_RV[refused]

    # Rare rows, with little mass in the nucleus: cut it and draw from what is kept.
    kept_RV = np.where(_mass_above(p_RV) < top_p, p_RV, 0)
    numbers_R = uniforms(seeds_R[open_rows], first_counter + ATTEMPTS)
    tokens_R[open_rows] = _invert(kept_RV.cumsum(axis=1), numbers_R)
    return tokens_R


def _mass_above(p_RV: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return for each token the mass of the strictly more probable tokens of its row."""
    mass_RV = np.empty_like(p_RV)
    for mass_V, p_V in zip(mass_RV, p_RV, strict=True):
        for token, p in enumerate(p_V):
            mass_V[token] = p_V[p_V > p].sum()
    return mass_RV


def _invert(cumulative_RV: NDArray[np.float32], u_R: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first token whose cumulative mass exceeds u times the total."""
    target_R1 = (u_R * cumulative_RV[:, -1]).astype(np.float32)[:, None]
    tokens_R: NDArray[np.int64] = (cumulative_RV <= target_R1).sum(axis=1)
    # In float32 the target may round up to the total; the last token with mass is then meant.
    last_R: NDArray[np.int64] = (cumulative_RV < cumulative_RV[:, -1:]).sum(axis=1)
    return np.minimum(tokens_R, last_R)


def log_probabilities(
    logits_RV: NDArray[np.float32], tokens_R: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the log-probability of each row's token at temperature 1, in nats."""
    # Subtracting the peak keeps exp() from overflowing.
    peak_R1 = logits_RV.max(axis=1, keepdims=True)
    norm_R = np.log(np.exp(logits_RV - peak_R1).sum(axis=1)) + peak_R1[:, 0]
    chosen_R = logits_RV[np.arange(len(tokens_R)), tokens_R]
    result: NDArray[np.float64] = (chosen_R - norm_R).astype(np.float64)
    return result
