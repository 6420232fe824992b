"""The losses, against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")


from strop.distill.losses import (
    IGNORED,
    exploratory,
    response_logprobs,
    reward_difference,
    weighted_likelihood,
)
from tests.distill.preference import preference

torch.set_num_threads(1)


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_response_logprobs_are_sums_over_the_response_alone() -> None:
    logits = torch.zeros(2, 4, 5)
    logits[0, 1, 3] = 7.0
    labels = torch.tensor([[IGNORED, IGNORED, 3, 0], [IGNORED, 2, IGNORED, IGNORED]])
    peaked = 7.0 - math.log(math.exp(7.0) + 4)
    assert response_logprobs(logits, labels).tolist() == pytest.approx(
        [peaked - math.log(5), -math.log(5)], abs=1e-5
    )


def test_weighted_likelihood() -> None:
    assert weighted_likelihood(numbers(-2, -3), numbers(1, 0.5)).item() == pytest.approx(
        (2 + 1.5) / 2
    )


def test_reward_difference() -> None:
    """With beta 0.5, log-ratios 2 and -1 and a difference of rewards of 1: (0.5 * 3 - 1)^2 = 0.25.

    A pair in the other order has the same loss.
    """
    pair = (numbers(-1), numbers(-4), numbers(-3), numbers(-3), numbers(1))
    turned = (pair[1], pair[0], pair[3], pair[2], -pair[4])
    assert (
        reward_difference(*pair, beta=0.5).item()
        == reward_difference(*turned, beta=0.5).item()
        == pytest.approx(0.25)
    )


def test_the_bonus_of_xpo_pushes_the_base_models_response_down() -> None:
    """Where the squared error is zero, the gradient by log pi(y') is alpha."""
    second = numbers(-4).requires_grad_()
    loss = exploratory(
        numbers(-1), second, numbers(-3), numbers(-3), numbers(1.5), beta=0.5, alpha=0.1
    )
    loss.backward()
    assert (
        loss.item() == pytest.approx(-0.4)
        and second.grad is not None
        and second.grad.item() == pytest.approx(0.1)
    )
    wrong = exploratory(
        numbers(-1), numbers(-4), numbers(-3), numbers(-3), numbers(9), beta=0.5, alpha=0.1
    )
    assert wrong > loss, "an error must cost, not pay: the printed algorithm has the sign wrong"


def test_preference() -> None:
    """Margin beta (2 - (-1)) = 1.5; the kept response has 4 tokens."""
    loss = preference(
        numbers(-1), numbers(-4), numbers(-3), numbers(-3), beta=0.5, alpha=2.0, tokens=4
    )
    assert loss.item() == pytest.approx(math.log1p(math.exp(-1.5)) + 2 * 1 / 4)
