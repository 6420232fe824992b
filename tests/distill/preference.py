"""RPO's loss, written out: the reference for the loss that TRL computes."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import logsigmoid


def preference(
    kept_B: Tensor,
    rejected_B: Tensor,
    base_kept_B: Tensor,
    base_rejected_B: Tensor,
    *,
    beta: float,
    alpha: float,
    tokens: int,
) -> Tensor:
    """Return DPO's loss, and ``alpha`` times the negative log-likelihood of the kept responses.

    The likelihood is per token: ``tokens`` is the number of tokens of the kept responses.
    """
    margin_B = beta * ((kept_B - base_kept_B) - (rejected_B - base_rejected_B))
    return -logsigmoid(margin_B).mean() - alpha * kept_B.sum() / tokens
