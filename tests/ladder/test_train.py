"""Training: the optimiser does what it says, a stopped training goes on as if it had not stopped, and the folder is what engines read."""

from __future__ import annotations

import json
from dataclasses import replace
from math import log
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from strop.engines.llama import LlamaEngine
from strop.errors import UsageError
from strop.ladder import train as training
from strop.ladder.muon import Muon, orthogonal
from strop.ladder.recipes import RECIPES
from strop.ladder.tokenizer import VOCABULARY_SIZE
from strop.ladder.train import CHECKPOINT, Training, distance, train

SHORT = replace(RECIPES["25k"], tokens=30_000)


def silent(line: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_orthogonal_keeps_the_singular_vectors_and_levels_the_values(
    shape: tuple[int, int],
) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    for matrix, found in zip(matrices, orthogonal(matrices), strict=True):
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        inner = left.T @ found @ right.T
        values = torch.diagonal(inner)
        assert (
            torch.allclose(inner, torch.diag(values), atol=1e-4)
            and values.min() > 0.6
            and values.max() < 1.3
        )


def test_muon_is_the_librarys_in_single_precision() -> None:
    """torch.optim.Muon rounds to bfloat16 on the way: its updates are ours to a few per cent."""
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


def test_a_stopped_training_ends_in_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_STEPS", 8)
    card = train(SHORT, tmp_path / "whole", keep_every=10_000, say=silent)
    assert {path.name for path in (tmp_path / "whole").glob("tokens-*")} == {
        "tokens-10000",
        "tokens-20000",
        "tokens-30000",
    }

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(SHORT, tmp_path / "parts", say=stop)
    assert (tmp_path / "parts" / CHECKPOINT).exists()
    with pytest.raises(UsageError, match="another recipe"):
        train(replace(SHORT, seed=1), tmp_path / "parts", say=silent)
    resumed = train(SHORT, tmp_path / "parts", say=silent)
    assert not (tmp_path / "parts" / CHECKPOINT).exists()
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert {k: v for k, v in card.items() if k != "seconds"} == {
        k: v for k, v in resumed.items() if k != "seconds"
    }
    found = distance(tmp_path / "whole", tmp_path / "parts")
    assert (
        found["same"]
        and found["weights"] == 0
        and all(own == theirs for own, theirs in found["losses"].values())
    )

    engine = LlamaEngine(tmp_path / "whole")
    assert engine.parameters == card["parameters"] and card["loss"] < log(VOCABULARY_SIZE), (
        "guessing"
    )
    assert json.loads((tmp_path / "whole" / "card.json").read_text()) == card
    assert train(SHORT, tmp_path / "whole", say=silent) == card
    with pytest.raises(UsageError, match="another recipe"):
        train(replace(SHORT, tokens=31_000), tmp_path / "whole", say=silent)


def test_a_checkpoint_replays_the_stream_to_its_place() -> None:
    rows = Training.begin(SHORT).rows()
    first, second = next(rows), next(rows)
    later = Training.begin(SHORT)
    later.seen = training.tokens_in(first)
    assert next(later.rows()) == second != first


def test_two_seeds_are_different_models(tmp_path: Path) -> None:
    for seed in (0, 1):
        train(replace(SHORT, tokens=3_000, seed=seed), tmp_path / str(seed), say=silent)
    found = distance(tmp_path / "0", tmp_path / "1")
    assert not found["same"] and found["weights"] > 0.5
