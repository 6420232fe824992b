"""Muon: orthogonalised momentum, for the weight matrices between a transformer's layers.

``torch.optim.Muon`` is the same method, but it orthogonalises in bfloat16, which a CPU without such
instructions emulates: an update then takes longer than the rest of the step
(benchmarks/training.py). This one works in the parameters' own precision, on all matrices of one
shape at a time.

Axes: M matrices, R rows, C columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import torch

QUINTIC = (3.4445, -4.7750, 2.0315)
"""The polynomial of Muon's authors: fast convergence to singular values near 1, not exactly 1."""
STEPS = 5
ADAM_SIZE = 0.2
"""The usual root mean square of an AdamW update; with it, both optimisers take similar rates."""


def orthogonal(matrices_MRC: torch.Tensor) -> torch.Tensor:
    """Move the singular values of each matrix towards 1, by Newton and Schulz's iteration.

    With X = U S V' a step gives a X + b (X X') X + c (X X')^2 X = U (a S + b S^3 + c S^5) V': it
    applies the polynomial to every singular value, and leaves the directions as they are.
    """
    a, b, c = QUINTIC
    # The products below are smaller when the matrix is wide.
    is_tall = matrices_MRC.shape[1] > matrices_MRC.shape[2]
    x = matrices_MRC.mT if is_tall else matrices_MRC
    # The norm bounds the largest singular value: the iteration converges from values up to 1.
    norm_M11 = x.norm(dim=(1, 2), keepdim=True)
    x = x / norm_M11.clamp(min=1e-7)
    for _ in range(STEPS):
        gram = x @ x.mT
        polynomial = b * gram + c * gram @ gram
        x = a * x + polynomial @ x
    return x.mT if is_tall else x


class Muon(torch.optim.Optimizer):  # type: ignore[misc]  # mypy does not analyse torch
    """Nesterov momentum, orthogonalised, scaled to the size of an AdamW update.

    Weight decay is decoupled. For matrices only.
    """

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
    ):
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        # Sorted, so that ``groupby`` finds all matrices of one shape together.
        super().__init__(sorted(matrices, key=_shape), settings)

    @torch.no_grad()  # type: ignore[untyped-decorator]  # mypy does not analyse torch
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Make one update. ``closure`` is not supported."""
        assert closure is None
        for group in self.param_groups:
            for (rows, columns), same_shape in groupby(group["params"], key=_shape):
                parameters = list(same_shape)
                momenta = [self._momentum(parameter, group) for parameter in parameters]
                directions = orthogonal(torch.stack(momenta))
                # An orthogonal R x C matrix has min(R, C) singular values of 1, so the root mean
                # square of its entries is 1 / sqrt(max(R, C)).
                scale = group["lr"] * ADAM_SIZE * max(rows, columns) ** 0.5
                decay = 1 - group["lr"] * group["weight_decay"]
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.mul_(decay).add_(direction, alpha=-scale)

    def _momentum(self, parameter: torch.nn.Parameter, group: dict[str, Any]) -> torch.Tensor:
        """Update the momentum and return Nesterov's look-ahead."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        return parameter.grad.lerp(state["momentum"], group["momentum"])


def _shape(parameter: torch.nn.Parameter) -> tuple[int, ...]:
    return tuple(parameter.shape)
