"""The losses in numbers worked out by hand, and against TRL's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from datasets import Dataset  # noqa: E402
from transformers import set_seed  # noqa: E402

from strop.distill import Rpo, Sft
from strop.distill.examples import collator, encode
from strop.distill.hf_trainers import Parts
from strop.distill.loading import load
from strop.distill.losses import (
    IGNORED,
    exploratory,
    response_logprobs,
    reward_difference,
    weighted_likelihood,
)
from strop.distill.runtime import arguments, processes
from strop.distill.scoring import score
from tests.distill.preference import preference  # noqa: E402
from tests.small_fit import MODEL, rows_for  # noqa: E402

torch.set_num_threads(1)


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_response_logprobs_are_sums_over_the_response_alone() -> None:
    logits = torch.zeros(2, 4, 5)
    logits[0, 1, 3] = 7.0
    labels = torch.tensor([[IGNORED, IGNORED, 3, 0], [IGNORED, 2, IGNORED, IGNORED]])
    peaked = 7.0 - math.log(math.exp(7.0) + 4)
    assert response_logprobs(logits, labels).tolist() == pytest.approx(
        [peaked - math.log(5), -math.log(5)], abs=1e-5
    )


def test_weighted_likelihood() -> None:
    assert weighted_likelihood(numbers(-2, -3), numbers(1, 0.5)).item() == pytest.approx(
        (2 + 1.5) / 2
    )


def test_reward_difference() -> None:
    """beta 0.5, log-ratios 2 and -1, difference of rewards 1: (0.5 * 3 - 1)^2 = 0.25; a pair the other way round is the same pair."""
    pair = (numbers(-1), numbers(-4), numbers(-3), numbers(-3), numbers(1))
    turned = (pair[1], pair[0], pair[3], pair[2], -pair[4])
    assert (
        reward_difference(*pair, beta=0.5).item()
        == reward_difference(*turned, beta=0.5).item()
        == pytest.approx(0.25)
    )


def test_the_bonus_of_xpo_pushes_the_base_models_response_down() -> None:
    """alpha log pi(y') plus the squared error: the gradient by log pi(y') is alpha where the error is nil."""
    second = numbers(-4).requires_grad_()
    loss = exploratory(
        numbers(-1), second, numbers(-3), numbers(-3), numbers(1.5), beta=0.5, alpha=0.1
    )
    loss.backward()
    assert (
        loss.item() == pytest.approx(-0.4)
        and second.grad is not None
        and second.grad.item() == pytest.approx(0.1)
    )
    wrong = exploratory(
        numbers(-1), numbers(-4), numbers(-3), numbers(-3), numbers(9), beta=0.5, alpha=0.1
    )
    assert wrong > loss, "an error must cost, not pay: the printed algorithm has the sign wrong"


def test_preference() -> None:
    """Margin beta (2 - (-1)) = 1.5; the kept response has 4 tokens."""
    loss = preference(
        numbers(-1), numbers(-4), numbers(-3), numbers(-3), beta=0.5, alpha=2.0, tokens=4
    )
    assert loss.item() == pytest.approx(math.log1p(math.exp(-1.5)) + 2 * 1 / 4)


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    return load(MODEL)


def loop_and_batch(
    trainer: Any, loaded: tuple[Any, Any], out: Path
) -> tuple[Any, dict[str, Any], list[dict[str, Any]]]:
    """A loop over four rows, its first batch, and the rows as they were given. The base model is far from the model in training."""
    model, tokenizer = loaded
    rows = rows_for(trainer.name)[:4]
    examples = encode(rows, model, tokenizer)
    for place, (row, number) in enumerate(zip(examples, trainer.numbers(rows), strict=True)):
        row["number"] = number
        row["base"] = (
            [-10.0 - place, -12.0 + place][: len(row["responses"])] if trainer.needs_base else []
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
    whole = [row["prompt"] + row["responses"][place] for place in (0, 1) for row in examples]
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


def test_padding_changes_no_log_probability(loaded: tuple[Any, Any]) -> None:
    model, tokenizer = loaded
    examples = encode(rows_for("rpo"), model, tokenizer)
    together = torch.tensor(score(model, tokenizer, examples, bfloat16=False))
    alone = torch.tensor([score(model, tokenizer, [row], bfloat16=False)[0] for row in examples])
    assert torch.allclose(together, alone, atol=1e-4)
    batch = collator(tokenizer)(examples)
    assert batch["input_ids"].shape[0] == 22
    with torch.no_grad():
        whole = response_logprobs(model(**inputs(batch)).logits, batch["labels"])
    assert torch.allclose(together.T.ravel(), whole, atol=1e-4), (
        "logits of the responses alone are those of the whole"
    )


def inputs(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: batch[name] for name in ("input_ids", "attention_mask")}
