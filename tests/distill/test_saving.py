"""Trained folders: snapshots, a fresh model with a head of its own, weights and adapter."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("trl")

from safetensors.torch import load_file

from strop.distill import TRAINERS, RewardDpo, Sft
from strop.engines import load_engine
from strop.engines.base import Request
from strop.records import Sampling
from tests.small_fit import MODEL, drawn, rows_for

torch.set_num_threads(1)


@pytest.mark.parametrize("rank", [0, 2])
def test_snapshots_are_models_and_change_nothing(rank: int, tmp_path: Path) -> None:
    plain = RewardDpo(learning_rate=1e-3, batch_size=4, steps=4, lora_rank=rank)
    alone = plain.fit(MODEL, rows_for("reward-dpo"), tmp_path / "alone")
    folder = replace(plain, snapshot_every=2).fit(
        MODEL, rows_for("reward-dpo"), tmp_path / "snapshots"
    )
    assert sorted(path.name for path in (folder / "steps").iterdir()) == ["000002", "000004"]
    weights = {
        path: (path / "model.safetensors").read_bytes()
        for path in (alone, folder, *(folder / "steps").iterdir())
    }
    assert (
        weights[alone]
        == weights[folder]
        == weights[folder / "steps" / "000004"]
        != weights[folder / "steps" / "000002"]
    )
    assert (
        load_engine(f"llama:{folder / 'steps' / '000002'}").parameters
        == load_engine("ladder/25k").parameters
    )


@pytest.mark.parametrize("name", TRAINERS)
def test_a_fresh_llama_with_its_own_head_learns_its_rows(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=128,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    fresh = tmp_path / "fresh"
    transformers.LlamaForCausalLM(config).save_pretrained(fresh)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(MODEL / file, fresh / file)
    trainer = TRAINERS[name](learning_rate=5e-3, batch_size=11, steps=12, schedule="constant")
    out = trainer.fit(fresh, rows_for(name), tmp_path / "out")
    losses = [step["loss"] for step in json.loads((out / "training.json").read_text())["steps"]]
    assert losses[-1] < 0.8 * losses[0]
    asked = [Request(prompt, (0,)) for *_, prompt in drawn()[:3]]
    texts = [
        [row[0].text for row in load_engine(engine).sample(asked, Sampling(0.0, 1.0, 24)).samples]
        for engine in (f"llama:{out}", str(out))
    ]
    assert texts[0] == texts[1]


def test_weights_are_float32_and_the_adapter_makes_the_difference(tmp_path: Path) -> None:
    from peft import PeftModel

    out = Sft(learning_rate=5e-3, batch_size=4, steps=5, lora_rank=2).fit(
        MODEL, rows_for("sft"), tmp_path / "out"
    )
    merged = load_file(out / "model.safetensors")
    assert {tensor.dtype for tensor in merged.values()} == {torch.float32}
    base = transformers.AutoModelForCausalLM.from_pretrained(MODEL)
    ours = PeftModel.from_pretrained(base, out / "adapter").merge_and_unload().state_dict()
    assert all(torch.allclose(ours[name], tensor, atol=1e-6) for name, tensor in merged.items())
    asked = [Request(prompt, (0,)) for *_, prompt in drawn()[:3]]
    names = (f"{out}/adapter?device=cpu", f"llama:{out}")
    alone, whole = (
        load_engine(name).sample(asked, Sampling(0.0, 1.0, 24)).samples for name in names
    )
    assert [row[0].text for row in alone] == [row[0].text for row in whole]
    changed = {
        name
        for name, tensor in merged.items()
        if not torch.equal(tensor, load_file(MODEL / "model.safetensors")[name])
    }
    assert changed and all("_proj" in name for name in changed)
