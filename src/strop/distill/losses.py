"""The losses, as pure functions of log-probabilities.

Axes: B rows of a batch, T tokens, V vocabulary. Log-probabilities are those of whole responses, in
nats, at temperature 1. Every loss is a mean over the batch, so the losses of equal parts of a batch
average to the loss of the whole: gradient accumulation changes no result.
"""

from __future__ import annotations

from torch import Tensor

IGNORED = -100
"""The label of a token that is not part of the response; PyTorch and TRL use the same value."""


def response_logprobs(logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """Return log pi(y|x) (B): the sum over the tokens whose label is not IGNORED."""
    # The logits at one position predict the token at the next.
    labels_BT = labels_BT[:, 1:]
    real_BT = labels_BT != IGNORED
    logprobs_BTV = logits_BTV[:, :-1].float().log_softmax(dim=-1)
    # gather needs valid indices, so ignored labels become token 0; the mask removes them below.
    chosen_BT = logprobs_BTV.gather(-1, labels_BT.clamp(min=0)[..., None])[..., 0]
    return (chosen_BT * real_BT).sum(dim=-1)


def response_divergence(base_logits_BTV: Tensor, logits_BTV: Tensor, labels_BT: Tensor) -> Tensor:
    """Return KL(base || pi) of the next-token distributions (B), in nats.

    It is summed over the response's tokens, each given the tokens before it.
    """
    base_BTV = base_logits_BTV[:, :-1].float().log_softmax(dim=-1)
    policy_BTV = logits_BTV[:, :-1].float().log_softmax(dim=-1)
    divergence_BT = (base_BTV.exp() * (base_BTV - policy_BTV)).sum(dim=-1)
    return (divergence_BT * (labels_BT[:, 1:] != IGNORED)).sum(dim=-1)


def weighted_likelihood(logprob_B: Tensor, weight_B: Tensor) -> Tensor:
    """Return -mean(w log pi(y|x)).

    The minimum is at pi = f[w], the reweighted model: the gradient is that of KL(f[w] || pi).
    """
    return -(weight_B * logprob_B).mean()


def reward_difference(
    first_B: Tensor,
    second_B: Tensor,
    base_first_B: Tensor,
    base_second_B: Tensor,
    difference_B: Tensor,
    *,
    beta: float,
) -> Tensor:
    """Return the loss of reward-based DPO ("The Sharpening Mechanism", Eq. 4 and 8).

    It is the mean squared error of the implied difference of rewards,
    (beta log[pi(y|x)/base(y|x)] - beta log[pi(y'|x)/base(y'|x)] - (r(y|x) - r(y'|x)))^2,
    and zero at pi = base * exp(r / beta), normalised.
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
    """Return the loss of XPO (Alg. 1): ``alpha`` log pi(y'|x) plus the squared error.

    y' is the second response. The error has a plus sign, as the analysis (App. J.2) needs; the
    printed algorithm has a minus, which would maximise the error. At a fixed alpha above 0 the
    optimum is not base * exp(r / beta): the analysis lets alpha fall as 1 / sqrt(T).
    """
    error = reward_difference(
        first_B, second_B, base_first_B, base_second_B, difference_B, beta=beta
    )
    return alpha * second_B.mean() + error
