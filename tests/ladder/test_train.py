"""Training: a stopped one resumes to the same weights, and engines read the folder.

Covers model.py and distance.py.
"""

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
from strop.ladder.distance import distance
from strop.ladder.recipes import RECIPES
from strop.ladder.tokenizer import VOCABULARY_SIZE
from strop.ladder.train import CHECKPOINT, Training, train

SHORT = replace(RECIPES["25k"], tokens=30_000)


def silent(line: str) -> None:
    """Print nothing."""


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
    gap = distance(tmp_path / "whole", tmp_path / "parts")
    assert (
        gap["same"]
        and gap["weights"] == 0
        and all(own == theirs for own, theirs in gap["losses"].values())
    )

    engine = LlamaEngine(tmp_path / "whole")
    assert engine.parameters == card["parameters"] and card["loss"] < log(VOCABULARY_SIZE), (
        "guessing"
    )
    assert json.loads((tmp_path / "whole" / "card.json").read_text()) == card
    assert train(SHORT, tmp_path / "whole", say=silent) == card
    with pytest.raises(UsageError, match="another recipe"):
        train(replace(SHORT, tokens=31_000), tmp_path / "whole", say=silent)


def test_a_resumed_training_continues_the_stream() -> None:
    rows = Training.begin(SHORT).rows()
    first, second = next(rows), next(rows)
    later = Training.begin(SHORT)
    later.seen = training.tokens_in(first)
    assert next(later.rows()) == second != first


def test_two_seeds_are_different_models(tmp_path: Path) -> None:
    for seed in (0, 1):
        train(replace(SHORT, tokens=3_000, seed=seed), tmp_path / str(seed), say=silent)
    gap = distance(tmp_path / "0", tmp_path / "1")
    assert not gap["same"] and gap["weights"] > 0.5
