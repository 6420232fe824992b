"""A fit: rows that do not fit the model, rows that are left out, and what training changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.torch import load_file

from strop.distill import TRAINERS, Sft, Weighted
from strop.distill.scoring import score_rows
from strop.errors import UsageError
from tests.small_fit import MODEL, drawn, rows_for

torch.set_num_threads(1)


def test_rows_that_do_not_fit_the_model(tmp_path: Path) -> None:
    _, prompt, one, *_ = drawn()[0]
    with pytest.raises(UsageError, match="got no row to train on"):
        Sft().fit(MODEL, [Weighted("p", prompt, one.token_ids, 0.0)], tmp_path / "out")
    with pytest.raises(UsageError, match="has token 5000, and the model's vocabulary ends at 127"):
        Sft().fit(MODEL, [Weighted("p", prompt, (5000,))], tmp_path / "foreign")
    with pytest.raises(UsageError, match="every one of 1 rows is longer than 5 tokens"):
        Sft(max_length=5).fit(MODEL, [Weighted("p", prompt, one.token_ids)], tmp_path / "long")
    with pytest.raises(UsageError, match="bfloat16 is for GPUs"):
        Sft(precision="bfloat16").fit(MODEL, rows_for("sft"), tmp_path / "half")


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [
        *rows_for("sft"),
        Weighted("none", "Q", (1, 2), 0.0),
        Weighted("long", "Q", (5,) * 1100),
    ]
    folder = Sft(steps=1, batch_size=2).fit(MODEL, rows, tmp_path / "out")
    record = json.loads((folder / "training.json").read_text())
    counts = {
        name: record[name]
        for name in ("rows_given", "rows_without_weight", "rows_too_long", "rows_trained")
    }
    assert counts == {
        "rows_given": 24,
        "rows_without_weight": 1,
        "rows_too_long": 1,
        "rows_trained": 22,
    }
    assert (
        "none" not in record["problems"]
        and "long" not in record["problems"]
        and len(record["problems"]) == 11
    )


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
