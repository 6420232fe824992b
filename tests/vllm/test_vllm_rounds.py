"""Rounds whose samples are vLLM's, and LoRA adapters that vLLM computes beside the weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from strop.engines import LADDER, load_engine
from strop.engines.llama import LlamaEngine
from strop.errors import ModelError
from strop.improvement.course import Course
from strop.improvement.rounds import improve
from strop.records import Message, Prompt
from strop.run.run import Run
from strop.tasks import Recall

BASE = LADDER / "40k"
SETTINGS = "?max_model_len=512&dtype=float32"
PROMPTS: list[Prompt] = [(Message("user", f"Question: {i}+3\nAnswer:"),) for i in range(6)]
TEXTS = ["12", " 1", "7"]


def write_adapter(folder: Path, rank: int = 4) -> dict[str, Any]:
    """Write an adapter of BASE; return the weights with it, by hand: W + alpha / r * B A."""
    import torch

    folder.mkdir()
    random = torch.Generator().manual_seed(0)
    weights = load_file(BASE / "model.safetensors")
    parts = {}
    for name, weight in list(weights.items()):
        if "q_proj" in name or "down_proj" in name:
            down = torch.randn(rank, weight.shape[1], generator=random) * 0.1
            up = torch.randn(weight.shape[0], rank, generator=random) * 0.1
            layer = f"base_model.model.{name.removesuffix('.weight')}"
            parts[f"{layer}.lora_A.weight"] = down
            parts[f"{layer}.lora_B.weight"] = up
            weights[name] = weight + 2.0 * up @ down
    save_file(parts, folder / "adapter_model.safetensors")
    settings = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": 2 * rank,
        "target_modules": ["q_proj", "down_proj"],
        "base_model_name_or_path": str(BASE),
        "bias": "none",
        "task_type": "CAUSAL_LM",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return weights


def test_vllm_samples_in_every_round(tmp_path: Path) -> None:
    """Training is transformers' on the same folder, on the tokens that vLLM was given."""
    name, out = f"vllm:{BASE}{SETTINGS}", tmp_path / "run"
    course = Course(
        name,
        Recall(),
        filter_by="mc",
        train_problems=16,
        problems=8,
        samples=4,
        settings={"steps": 2, "batch_size": 4},
    )
    result = improve(course, out=out)
    models = [each["model"] for each in result.document["rounds"]]
    assert models == [name, f"vllm:{out}/round-1/model{SETTINGS}"]
    for number, model in enumerate(models):
        described = json.loads((out / f"round-{number}/held-out/run.json").read_text())["model"]
        assert described["model"] == model and described["engine"] == "VllmEngine"
        assert described["max_model_len"] == 512 and described["dtype"] == "float32"
    train = Run(out / "round-0" / "train", (), Recall())
    prompts = train.plan.solution_prompts(train.stored_problems())
    engine, ours = load_engine(name), LlamaEngine(BASE)
    for prompt in prompts:
        assert engine.prompt_tokens(prompt) == ours.prompt_tokens(prompt)


def test_an_adapter_gives_the_log_probabilities_of_merged_weights(tmp_path: Path) -> None:
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    weights = write_adapter(adapter)
    merged.mkdir()
    for file in BASE.iterdir():
        (merged / file.name).write_bytes(file.read_bytes())
    save_file(weights, merged / "model.safetensors", metadata={"format": "pt"})
    expected = LlamaEngine(merged).score(PROMPTS, TEXTS).logprobs_PC
    plain = LlamaEngine(BASE).score(PROMPTS, TEXTS).logprobs_PC
    assert np.abs(expected - plain).max() > 0.1, "the adapter changes the model"
    # The base model with a setting, and the folder of the adapter, whose settings name its base.
    for name in (f"vllm:{BASE}?adapter={adapter}", f"vllm:{adapter}"):
        engine = load_engine(name)
        np.testing.assert_allclose(engine.score(PROMPTS, TEXTS).logprobs_PC, expected, atol=1e-3)
        assert engine.describe()["adapter"] == str(adapter) and "+" in engine.fingerprint
        del engine


def test_an_adapter_of_another_model_is_refused_in_one_line(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    write_adapter(adapter)
    with pytest.raises(ModelError, match="belongs to another model") as error:
        load_engine(f"vllm:{LADDER / '250k'}?adapter={adapter}")
    assert "\n" not in str(error.value)


def test_an_adapter_of_too_high_a_rank_is_refused_in_one_line(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    write_adapter(adapter, rank=600)
    with pytest.raises(ModelError, match="has rank 600, and vLLM takes 512 at most; merge it"):
        load_engine(f"vllm:{BASE}?adapter={adapter}")
