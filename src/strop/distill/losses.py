"""The losses, as pure functions of log-probabilities.

Axes: B rows of a batch, T tokens, V vocabulary. Log-probabilities are of whole responses, in nats, at temperature 1.
Every loss is a mean over the batch, so that parts of a batch of equal size average to the loss of the whole.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

IGNORED = -100
"""The label of a token that is no part of the response."""


def response_logprobs(logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """log pi(y|x) (B): the sum over the tokens whose label is not IGNORED, each predicted by the logits one place before it."""
    labels_BT = labels_BT[:, 1:]
    real_BT = labels_BT != IGNORED
    logprobs_BTV = logits_BTV[:, :-1].float().log_softmax(dim=-1)
    chosen_BT = logprobs_BTV.gather(-1, labels_BT.clamp(min=0)[..., None])[..., 0]
    return (chosen_BT * real_BT).sum(dim=-1)


def response_divergence(base_logits_BTV: Tensor, logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """KL(base || pi) of the next-token distributions (B), in nats: the sum over the response's tokens, given those before each."""
    base_BTV, own_BTV = (
        logits[:, :-1].float().log_softmax(dim=-1) for logits in (base_logits_BTV, logits_BTV)
    )
    divergence_BT = (base_BTV.exp() * (base_BTV - own_BTV)).sum(dim=-1)
    return (divergence_BT * (labels_BT[:, 1:] != IGNORED)).sum(dim=-1)


def weighted_likelihood(logprob_B: Tensor, weight_B: Tensor) -> Tensor:
    """-mean(w log pi(y|x)). Least where pi is f[w], the reweighted model: its gradient is that of KL(f[w] || pi)."""
    return -(weight_B * logprob_B).mean()


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
    """Reasoning Preference Optimization: DPO, and ``alpha`` times the negative log-likelihood of the kept responses, per token.

    ``tokens`` is how many tokens the kept responses of the batch have.
    """
    margin_B = beta * ((kept_B - base_kept_B) - (rejected_B - base_rejected_B))
    return -logsigmoid(margin_B).mean() - alpha * kept_B.sum() / tokens


def reward_difference(
    first_B: Tensor,
    second_B: Tensor,
    base_first_B: Tensor,
    base_second_B: Tensor,
    difference_B: Tensor,
    *,
    beta: float,
) -> Tensor:
    """Reward-based DPO ("The Sharpening Mechanism", Eq. 4 and 8): the mean squared error of the implied difference of rewards.

    (beta log[pi(y|x)/base(y|x)] - beta log[pi(y'|x)/base(y'|x)] - (r(y|x) - r(y'|x)))^2. Zero where pi is base * exp(r / beta), normalised.
    """
    implied_B = beta * ((first_B - base_first_B) - (second_B - base_second_B))
    return ((implied_B - difference_B) ** 2).mean()


def exploratory(
    first_B: Tensor,
    second_B: Tensor,
    base_first_B: Tensor,
    base_second_B: Tensor,
    difference_B: Tensor,
    *,
    beta: float,
    alpha: float,
) -> Tensor:
    """XPO (Alg. 1): ``alpha`` log pi(y'|x), of the second response, plus the squared error.

    The sign in front of the error is a plus, as the analysis (App. J.2) needs; the printed algorithm shows a minus, which would maximise
    it. At a fixed alpha above 0 the optimum is not base * exp(r / beta): the analysis lets alpha fall as 1 / sqrt(T).
    """
    error = reward_difference(
        first_B, second_B, base_first_B, base_second_B, difference_B, beta=beta
    )
    return alpha * second_B.mean() + error


def padded(rows: list[list[int]], value: int) -> Tensor:
    """Rows of different lengths as one tensor (B, T), filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])
