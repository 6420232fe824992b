"""Muon: momentum whose direction is made orthogonal, for the weight matrices between a transformer's layers.

``torch.optim.Muon`` is the same method, but does the orthogonalisation in bfloat16, which a CPU without such instructions emulates:
with it an update takes longer than the rest of the step (benchmarks/training.py). This one works in the parameters' own
precision, on all matrices of one shape at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import torch

QUINTIC = (3.4445, -4.7750, 2.0315)
STEPS = 5


def orthogonal(matrices_MRC: torch.Tensor) -> torch.Tensor:
    """Each matrix with its singular values moved towards 1, by Newton and Schulz's iteration. Shape (M, rows, columns)."""
    a, b, c = QUINTIC
    tall = matrices_MRC.shape[1] > matrices_MRC.shape[2]
    x = matrices_MRC.mT if tall else matrices_MRC
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):  # type: ignore[misc]  # mypy does not analyse torch
    """Nesterov momentum, orthogonalised, scaled to the size of an AdamW update; decoupled weight decay. Matrices only."""

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
    ):
        super().__init__(
            sorted(matrices, key=_shape),
            {"lr": lr, "momentum": momentum, "weight_decay": weight_decay},
        )

    @torch.no_grad()  # type: ignore[untyped-decorator]  # mypy does not analyse torch
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """One update. ``closure`` is not supported."""
        assert closure is None
        for group in self.param_groups:
            for (rows, columns), alike in groupby(group["params"], key=_shape):
                parameters = list(alike)
                directions = orthogonal(
                    torch.stack([self._direction(parameter, group) for parameter in parameters])
                )
                scale = group["lr"] * 0.2 * max(rows, columns) ** 0.5
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(
                        direction, alpha=-scale
                    )

    def _direction(self, parameter: torch.nn.Parameter, group: dict[str, Any]) -> torch.Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        return parameter.grad.lerp(state["momentum"], group["momentum"])


def _shape(parameter: torch.nn.Parameter) -> tuple[int, ...]:
    return tuple(parameter.shape)
