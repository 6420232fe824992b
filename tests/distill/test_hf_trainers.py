"""The training loops: TRL's losses on the very tokens that were sampled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from datasets import Dataset
from transformers import set_seed

from strop.distill import Rpo, Sft
from strop.distill.examples import encode
from strop.distill.hf_trainers import Parts
from strop.distill.loading import load
from strop.distill.losses import (
    IGNORED,
    response_logprobs,
    weighted_likelihood,
)
from strop.distill.runtime import arguments, processes
from strop.distill.scoring import score
from tests.distill.preference import preference
from tests.small_fit import MODEL, rows_for

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    return load(MODEL)


def loop_and_batch(
    trainer: Any, loaded: tuple[Any, Any], out: Path
) -> tuple[Any, dict[str, Any], list[dict[str, Any]]]:
    """Return a loop over four rows, its first batch, and the examples.

    The base model's log-probabilities are far from those of the model in training.
    """
    model, tokenizer = loaded
    rows = rows_for(trainer.name)[:4]
    examples = encode(rows, model, tokenizer)
    for index, (row, number) in enumerate(zip(examples, trainer.numbers(rows), strict=True)):
        row["number"] = number
        row["base"] = (
            [-10.0 - index, -12.0 + index][: len(row["responses"])] if trainer.needs_base else []
        )
    set_seed(0)
    options = arguments(trainer, out, 1, processes(trainer))
    loop = trainer.loop(Parts(trainer, model, tokenizer, Dataset.from_list(examples), options, []))
    return loop, next(iter(loop.get_train_dataloader())), examples


def test_sft_hands_trl_the_tokens_as_they_were_sampled(
    loaded: tuple[Any, Any], tmp_path: Path
) -> None:
    loop, batch, examples = loop_and_batch(Sft(batch_size=4), loaded, tmp_path)
    for row, ids, labels, mask in zip(
        examples, batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True
    ):
        assert ids[mask.bool()].tolist() == row["prompt"] + row["responses"][0]
        assert labels[labels != IGNORED].tolist() == row["responses"][0]
    sampled = [list(row.responses[0]) for row in rows_for("sft")[:4]]
    assert [row["responses"][0] for row in examples] == sampled
    expected = weighted_likelihood(
        response_logprobs(loaded[0](**inputs(batch)).logits, batch["labels"]), batch["number"]
    )
    assert loop.compute_loss(loop.model, dict(batch)).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


def test_equal_weights_and_lengths_give_trls_own_loss(
    loaded: tuple[Any, Any], tmp_path: Path
) -> None:
    """Per token, TRL's loss: the mean over all tokens of the batch."""
    loop, batch, examples = loop_and_batch(Sft(batch_size=4), loaded, tmp_path)
    tokens = sum(len(row["responses"][0]) for row in examples)
    even = dict(batch) | {"number": torch.full((4,), 4 / tokens)}
    plain = {
        name: tensor
        for name, tensor in batch.items()
        if name in ("input_ids", "attention_mask", "labels")
    }
    theirs = super(type(loop), loop).compute_loss(loop.model, plain, num_items_in_batch=tokens)
    assert loop.compute_loss(loop.model, even).item() == pytest.approx(theirs.item(), rel=1e-5)


def test_rpo_is_trls_dpo_with_its_likelihood_term_on_the_tokens_as_they_were_sampled(
    loaded: tuple[Any, Any], tmp_path: Path
) -> None:
    trainer = Rpo(batch_size=4, beta=0.3, alpha=0.7)
    loop, batch, examples = loop_and_batch(trainer, loaded, tmp_path)
    whole = [row["prompt"] + row["responses"][index] for index in (0, 1) for row in examples]
    assert [
        ids[mask.bool()].tolist()
        for ids, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ] == whole
    logprobs = score(*loaded, examples, bfloat16=False)
    kept, rejected = torch.tensor(logprobs).T
    base_kept, base_rejected = torch.tensor([row["base"] for row in examples]).T
    tokens = sum(len(row["responses"][0]) for row in examples)
    expected = preference(
        kept, rejected, base_kept, base_rejected, beta=0.3, alpha=0.7, tokens=tokens
    )
    assert loop.compute_loss(loop.model, dict(batch)).item() == pytest.approx(
        expected.item(), rel=1e-4
    )


def inputs(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: batch[name] for name in ("input_ids", "attention_mask")}
