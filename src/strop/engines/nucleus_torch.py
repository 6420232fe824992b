"""Exact top-p sampling and log-probabilities in PyTorch. The NumPy engine has its own (nucleus.py).

torch is imported in the functions, so that this file can be imported without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strop.engines.nucleus import ATTEMPTS
from strop.records import Sampling


def draw_tokens(logits_RV: Any, numbers: Callable[[int], Any], sampling: Sampling) -> Any:
    """Draw one token per row from the nucleus.

    The nucleus holds the tokens for which the strictly more probable ones hold less than ``top_p``,
    so ties stay in together. ``numbers(attempt)`` gives a number in [0, 1) per row. A token is
    drawn from the full distribution and accepted if it lies in the nucleus: the law of cutting
    first, without sorting. Rows that are refused ATTEMPTS times are sorted and cut. There is no
    top-k.
    """
    import torch

    if sampling.temperature == 0:
        return logits_RV.argmax(dim=-1)
    # Apple's GPUs have no float64.
    wide = torch.float32 if logits_RV.device.type == "mps" else torch.float64
    p_RV = torch.softmax(logits_RV.to(wide) / sampling.temperature, dim=-1)
    cumulative_RV = p_RV.cumsum(dim=-1)
    tokens_R = torch.empty(len(p_RV), dtype=torch.long, device=p_RV.device)
    open_R = torch.arange(len(p_RV), device=p_RV.device)
    for attempt in range(ATTEMPTS):
        drawn_R = _invert(cumulative_RV, numbers(attempt)[open_R].to(wide))
        tokens_R[open_R] = drawn_R
        if sampling.top_p >= 1:
            return tokens_R
        p_drawn_R1 = p_RV.gather(1, drawn_R[:, None])
        mass_above_R = torch.where(p_RV > p_drawn_R1, p_RV, 0).sum(dim=-1)
        refused_R = mass_above_R >= sampling.top_p
        if not refused_R.any():
            return tokens_R
        open_R = open_R[refused_R]
        p_RV = p_RV[refused_R]
        cumulative_RV = cumulative_RV[refused_R]

    # Rare rows, with little mass in the nucleus: sort, cut and draw from what is kept.
    p_RV, order_RV = p_RV.sort(dim=-1, descending=True, stable=True)
    # The border is the first token at which the mass reaches top_p; tokens tied with it stay.
    border_R1 = (p_RV.cumsum(dim=-1)[:, :-1] < sampling.top_p).sum(dim=-1, keepdim=True)
    cut_RV = torch.where(p_RV >= p_RV.gather(1, border_R1), p_RV, 0).cumsum(dim=-1)
    ranks_R = _invert(cut_RV, numbers(ATTEMPTS)[open_R].to(wide))
    tokens_R[open_R] = order_RV.gather(1, ranks_R[:, None])[:, 0]
    return tokens_R


def _invert(cumulative_RV: Any, numbers_R: Any) -> Any:
    """Return the first token whose cumulative mass exceeds the number's share of the total."""
    import torch

    total_R1 = cumulative_RV[:, -1:].contiguous()
    tokens_R1 = torch.searchsorted(cumulative_RV, numbers_R[:, None] * total_R1, right=True)
    # A number that rounds to the total would lead beyond the last token that has mass.
    last_R1 = torch.searchsorted(cumulative_RV, total_R1)
    return torch.minimum(tokens_R1, last_R1)[:, 0]


def token_logprobs(logits: Any, tokens: Any) -> Any:
    """Return log-probabilities at temperature 1 (nats, float32): tokens (...), logits (..., V)."""
    return logits.float().log_softmax(dim=-1).gather(-1, tokens[..., None])[..., 0]
