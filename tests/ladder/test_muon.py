"""Muon: the optimiser against its definition and against PyTorch's."""

from __future__ import annotations

import pytest
import torch

from strop.ladder.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_orthogonal_keeps_the_singular_vectors_and_levels_the_values(
    shape: tuple[int, int],
) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    for matrix, result in zip(matrices, orthogonal(matrices), strict=True):
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        inner = left.T @ result @ right.T
        values = torch.diagonal(inner)
        assert (
            torch.allclose(inner, torch.diag(values), atol=1e-4)
            and values.min() > 0.6
            and values.max() < 1.3
        )


def test_muon_is_the_librarys_in_single_precision() -> None:
    """torch.optim.Muon rounds to bfloat16 on the way: its updates differ by a few per cent."""
    generator = torch.Generator().manual_seed(1)
    start, gradients = (
        torch.randn(8, 12, generator=generator),
        torch.randn(5, 8, 12, generator=generator),
    )
    ended = []
    for optimizer in (
        Muon,
        lambda p, lr: torch.optim.Muon(p, lr=lr, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
    ):
        parameter = torch.nn.Parameter(start.clone())
        steps = optimizer([parameter], lr=0.01)
        for gradient in gradients:
            parameter.grad = gradient.clone()
            steps.step()
        ended.append(parameter.detach() - start)
    assert float((ended[0] - ended[1]).norm() / ended[1].norm()) < 0.05
