"""Log-probabilities of rows under a model. Covers examples.py and logprobs.py too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from strop.distill import Comparison, Weighted
from strop.distill.examples import collator, encode
from strop.distill.loading import load
from strop.distill.losses import response_logprobs
from strop.distill.scoring import score, score_rows
from strop.engines.transformers import TransformersEngine
from strop.records import Message
from tests.small_fit import MODEL, drawn, rows_for

torch.set_num_threads(1)


def test_log_probabilities_of_the_rows_are_those_of_the_samples() -> None:
    """The engine that sampled and the model in training read the same tokens."""
    expected = [[one.logprob, other.logprob] for _, _, one, other, _ in drawn()]
    assert score_rows(MODEL, rows_for("rpo")).sum() == pytest.approx(np.sum(expected), abs=1e-3)
    pairs = [
        Comparison(problem, prompt, one.token_ids, other.token_ids, 0.0)
        for problem, prompt, one, other, _ in drawn()
    ]
    assert score_rows(MODEL, pairs) == pytest.approx(np.array(expected), abs=1e-4)


def test_a_chat_prompt_is_not_given_special_tokens_twice(tmp_path: Path) -> None:
    folder = tmp_path / "chat"
    shutil.copytree(MODEL, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    template = "{% for m in messages %}<s>{{ m['content'] }}{% endfor %}"
    (folder / "tokenizer_config.json").write_text(
        json.dumps(settings | {"chat_template": template})
    )
    engine = TransformersEngine(str(folder), device="cpu")
    prompt = (Message("user", "Question: 1+2\nAnswer:"),)
    text = engine.render(prompt)
    assert text.startswith("<s>Question")
    # Behind a chat template a continuation begins without the space of plain text.
    ids = engine.tokenizer("3", add_special_tokens=False)["input_ids"]
    scored = engine.score([prompt], [" 3"]).logprobs_PC[0, 0]
    assert score_rows(folder, [Weighted("p", text, tuple(ids))])[0, 0] == pytest.approx(
        scored, abs=1e-4
    )


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    return load(MODEL)


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
