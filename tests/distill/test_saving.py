"""What a fit leaves behind: snapshots, a freshly made model with heads and a head of its own, the records."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("trl")

from safetensors.torch import load_file  # noqa: E402

from strop.distill import TRAINERS, RewardDpo, Sft, Weighted
from strop.distill.scoring import score_rows
from strop.engines import load_engine
from strop.engines.base import Request
from strop.errors import StoreError
from strop.records import Sampling
from tests.small_fit import MODEL, drawn, rows_for  # noqa: E402

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


def test_training_raises_the_likelihood_of_what_weighs_much(tmp_path: Path) -> None:
    """Two responses of each problem, one of weight 3, one of weight 0."""
    rows = [
        Weighted(problem, prompt, sample.token_ids, weight)
        for problem, prompt, one, other, _ in drawn()
        for sample, weight in ((one, 3.0), (other, 0.0))
    ]
    out = Sft(learning_rate=2e-3, batch_size=11, steps=30).fit(MODEL, rows, tmp_path / "out")
    lift = (score_rows(out, rows) - score_rows(MODEL, rows))[:, 0]
    assert lift[::2].mean() > 5 and lift[::2].mean() > lift[1::2].mean()


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


def test_a_full_disk_is_one_clear_line_and_the_fit_goes_on_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the last file is to be written: a fault that cannot be made otherwise."""
    from strop.distill import fit

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    trainer = Sft(learning_rate=1e-3, batch_size=4, steps=3, snapshot_every=2)
    alone = trainer.fit(MODEL, rows_for("sft"), tmp_path / "alone")
    with monkeypatch.context() as patch:
        patch.setattr(fit, "write_record", full)
        with pytest.raises(StoreError, match=r"cannot be written .*No space left.*run it again"):
            trainer.fit(MODEL, rows_for("sft"), tmp_path / "out")
    assert not (tmp_path / "out" / "training.json").exists()
    out = trainer.fit(MODEL, rows_for("sft"), tmp_path / "out")
    assert (out / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()
    assert sorted(path.name for path in out.iterdir()) == sorted(
        path.name for path in alone.iterdir()
    )


def test_snapshots_of_a_fit_that_came_to_no_checkpoint_are_forgotten(tmp_path: Path) -> None:
    stale = tmp_path / "out" / "fit" / "steps" / "000002"
    stale.mkdir(parents=True)
    (stale / "model.safetensors").write_bytes(b"another fit's")
    out = Sft(learning_rate=1e-3, batch_size=4, steps=2, snapshot_every=2).fit(
        MODEL, rows_for("sft"), tmp_path / "out"
    )
    assert (out / "steps" / "000002" / "model.safetensors").read_bytes() == (
        out / "model.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("name", TRAINERS)
def test_gradient_checkpointing_changes_memory_and_no_result(name: str, tmp_path: Path) -> None:
    trainer = TRAINERS[name](learning_rate=1e-3, batch_size=4, steps=3, lora_rank=2)
    plain, saving = (
        replace(trainer, gradient_checkpointing=on).fit(MODEL, rows_for(name), tmp_path / str(on))
        / "model.safetensors"
        for on in (False, True)
    )
    one, other, begun = load_file(plain), load_file(saving), load_file(MODEL / "model.safetensors")
    assert all(torch.allclose(one[key], other[key], atol=1e-6) for key in one)
    assert any(not torch.allclose(one[key], begun[key], atol=1e-4) for key in one)
