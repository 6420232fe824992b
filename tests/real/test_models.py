"""The folders made of the GGUF files, and the tokens that the two models receive."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from strop.engines import load_engine
from strop.engines.base import Request
from strop.engines.transformers import TransformersEngine
from strop.prompts import CORRECT, INCORRECT
from strop.records import Message, Prompt, Sampling
from tests.real import models
from tests.real.models import GEMMA3, SMOLLM2, gguf_file, hf_folder

VERDICTS = (CORRECT, INCORRECT)
QUESTION: Prompt = (Message("user", "Question: What is 3 + 4?\nAnswer:"),)
JUDGED: Prompt = (
    Message("user", "Question: What is 2 + 2?\nAnswer: 4\nIs this answer right?\nVerdict:"),
    Message("assistant", CORRECT),
    Message("user", "Question: What is 3 + 4?\nAnswer: 9\nIs this answer right?\nVerdict:"),
)


def received(engine: TransformersEngine, prompt: Prompt) -> list[int]:
    """Return the tokens that reach the model when a response of one token is drawn."""
    tokens: list[int] = []

    def note(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        tokens.extend(kwargs["input_ids"].flatten().tolist())

    hook = engine.model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        engine.sample([Request(prompt, (1,))], Sampling(1.0, 1.0, 1))
    finally:
        hook.remove()
    return tokens


def logprob_behind(engine: TransformersEngine, ids: list[int], ending: list[int]) -> float:
    """Return the log-probability of ``ending`` behind ``ids``, by one plain forward pass."""
    with torch.inference_mode():
        logits_TV = engine.model(torch.tensor([ids + ending])).logits[0, len(ids) - 1 : -1]
    logprobs_TV = torch.log_softmax(logits_TV.double(), dim=-1)
    return float(logprobs_TV.gather(1, torch.tensor(ending)[:, None]).sum())


def test_folders_are_made_once(smollm2: str, gemma3: str) -> None:
    for model, folder in ((SMOLLM2, smollm2), (GEMMA3, gemma3)):
        weights = Path(folder) / "model.safetensors"
        made = weights.stat().st_mtime_ns
        assert str(hf_folder(model)) == folder
        assert weights.stat().st_mtime_ns == made
        assert not list(Path(folder).parent.glob(".unfinished-*"))


def test_a_file_with_other_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def join_wrongly(parts: list[Path], whole: Path) -> None:
        whole.write_bytes(b"GGUF")

    monkeypatch.setattr(models, "_join", join_wrongly)
    with pytest.raises(ValueError, match="install the package again"):
        gguf_file(GEMMA3, tmp_path)
    assert not list(tmp_path.rglob("*.gguf"))


def test_sizes(smollm2_engine: TransformersEngine, gemma3_engine: TransformersEngine) -> None:
    assert smollm2_engine.parameters == 134_515_008
    assert gemma3_engine.parameters == 268_098_176
    assert gemma3_engine.model.config.get_text_config().vocab_size == 262_144


def test_gemma_receives_one_bos(gemma3_engine: TransformersEngine) -> None:
    bos = gemma3_engine.tokenizer.bos_token_id
    hostile: Prompt = (Message("user", "Question: What does <bos> mean?\nAnswer:"),)
    for prompt in (QUESTION, JUDGED, hostile):
        tokens = received(gemma3_engine, prompt)
        assert tokens[0] == bos and tokens.count(bos) == 1
        assert gemma3_engine.count_tokens(prompt) == len(tokens)


def test_smollm2_receives_its_template_and_no_more(smollm2_engine: TransformersEngine) -> None:
    tokenizer = smollm2_engine.tokenizer
    for prompt in (QUESTION, JUDGED):
        turns = [{"role": turn.role, "content": turn.content.strip()} for turn in prompt]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        tokens = received(smollm2_engine, prompt)
        assert tokens == tokenizer(text, add_special_tokens=False)["input_ids"]
        # Its BOS is the mark that begins a turn: the system's, each of ours, and the answer's.
        bos = tokenizer.bos_token_id
        assert tokens.count(bos) == len(prompt) + 2
        assert (bos, bos) not in set(pairwise(tokens))


def test_smollm2_is_scored_on_the_words_that_its_template_writes(
    smollm2_engine: TransformersEngine,
) -> None:
    tokenizer = smollm2_engine.tokenizer
    turns = [{"role": turn.role, "content": turn.content.strip()} for turn in JUDGED]
    open_text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    prompt_ids = tokenizer(open_text, add_special_tokens=False)["input_ids"]
    expected = []
    for word in ("Correct", "Incorrect"):
        answered = [*turns, {"role": "assistant", "content": word}]
        text = tokenizer.apply_chat_template(answered, tokenize=False)
        whole = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert whole[: len(prompt_ids)] == prompt_ids
        word_ids = whole[len(prompt_ids) : whole.index(tokenizer.eos_token_id, len(prompt_ids))]
        assert tokenizer.decode(word_ids) == word
        expected.append(logprob_behind(smollm2_engine, prompt_ids, word_ids))
    [scores] = smollm2_engine.score([JUDGED], VERDICTS).logprobs_PC
    np.testing.assert_allclose(scores, expected, atol=1e-3)
    assert np.all(scores < 0)


def test_gemma_is_scored_on_the_words_of_plain_text(gemma3_engine: TransformersEngine) -> None:
    tokenizer = gemma3_engine.tokenizer
    prompt_ids = received(gemma3_engine, JUDGED)
    expected = []
    for word in VERDICTS:
        word_ids = tokenizer(word, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(word_ids) == word and word.startswith(" ")
        expected.append(logprob_behind(gemma3_engine, prompt_ids, word_ids))
    [scores] = gemma3_engine.score([JUDGED], VERDICTS).logprobs_PC
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_the_file_itself_is_the_same_model(smollm2_engine: TransformersEngine) -> None:
    from_file = load_engine(str(gguf_file(SMOLLM2)))
    assert from_file.render(JUDGED) == smollm2_engine.render(JUDGED)
    scores = [
        engine.score([JUDGED], VERDICTS).logprobs_PC for engine in (from_file, smollm2_engine)
    ]
    np.testing.assert_allclose(*scores, atol=1e-4)


@pytest.mark.parametrize("fixture", ["smollm2_engine", "gemma3_engine"])
def test_samples_spell_their_tokens(fixture: str, request: pytest.FixtureRequest) -> None:
    engine: TransformersEngine = request.getfixturevalue(fixture)
    sampling = Sampling(1.0, 1.0, 12, ("\n",))
    [samples] = engine.sample([Request(QUESTION, (1, 2, 3))], sampling).samples
    prompt_ids = received(engine, QUESTION)
    for sample in samples:
        ids = list(sample.token_ids or ())
        assert math.isfinite(sample.logprob) and sample.logprob <= 0
        assert sample.logprob == pytest.approx(logprob_behind(engine, prompt_ids, ids), abs=1e-2)
        written = ids[:-1] if sample.finish == "end" else ids
        assert engine.tokenizer.decode(written).startswith(sample.text)
        assert "\n" not in sample.text
        if sample.finish == "length":
            assert len(ids) == sampling.max_tokens
        if sample.finish == "stop":
            assert "\n" in engine.tokenizer.decode(ids[-1:])
