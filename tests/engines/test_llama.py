"""The embedded engine (llama.py, llama_model.py): chunks, stop strings, log-probabilities."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from strop.engines import LADDER, Request
from strop.engines.base import plain_text
from strop.engines.llama import CHUNK_ROWS, LlamaEngine, _chunks
from strop.errors import ModelError, UsageError
from strop.prompts import solution_prompt
from strop.records import Message, Prompt, Sampling
from strop.seeds import derive
from strop.tasks import Arithmetic

SMALLEST = LADDER / "40k"


def prompts(count: int) -> list[Prompt]:
    task = Arithmetic()
    return [solution_prompt(task, problem, []) for problem in task.problems("test", count, seed=0)]


def test_log_probability_counts_the_end_token() -> None:
    engine = LlamaEngine(SMALLEST)
    prompt = prompts(1)[0]
    [[sample]] = engine.sample([Request(prompt, (3,))], Sampling(0.7, 0.9, 60)).samples
    assert sample.token_ids[-1] in engine.model.end_tokens
    without = engine.score([prompt], [sample.text]).logprobs_PC[0, 0]
    assert sample.logprob < without + 1e-5


def test_frequencies_follow_the_log_probabilities() -> None:
    """First tokens at temperature 1: each share lies within five standard errors."""
    engine = LlamaEngine(SMALLEST)
    prompt = (Message("user", "Question: 1?2?3?4?5=6 (+-)\nAnswer: 1"),)
    samples = engine.sample(
        [Request(prompt, tuple(derive("frequency", i) for i in range(4000)))], Sampling(1.0, 1.0, 1)
    ).samples[0]
    shares = Counter(sample.text for sample in samples)
    texts = ["+", "-", "*"]
    probabilities = np.exp(engine.score([prompt], texts).logprobs_PC[0])
    for text, p in zip(texts, probabilities, strict=True):
        assert abs(shares[text] / 4000 - p) < 5 * np.sqrt(p * (1 - p) / 4000) + 1e-3
    for sample in samples[:20]:
        assert sample.finish == "length" and len(sample.token_ids) == 1


def test_finished_rows_leave_without_a_trace() -> None:
    """Rows of very different lengths, in chunks of different widths, against one row at a time."""
    engine = LlamaEngine(SMALLEST)
    requests = [
        Request(prompt, tuple(derive(i, j) for j in range(1 + i % 3)))
        for i, prompt in enumerate(prompts(9))
    ]
    mixed = engine.sample(requests, Sampling(1.5, 1.0, 64)).samples
    for request, row in zip(requests, mixed, strict=True):
        for seed, sample in zip(request.seeds, row, strict=True):
            [[alone]] = engine.sample(
                [Request(request.prompt, (seed,))], Sampling(1.5, 1.0, 64)
            ).samples
            assert alone.token_ids == sample.token_ids and alone.logprob == pytest.approx(
                sample.logprob, abs=1e-3
            )


def test_stop_strings_end_a_response_and_are_counted() -> None:
    engine = LlamaEngine(SMALLEST)
    prompt = prompts(1)[0]
    [[whole]] = engine.sample([Request(prompt, (3,))], Sampling(0.0, 1.0, 60)).samples
    [[cut]] = engine.sample([Request(prompt, (3,))], Sampling(0.0, 1.0, 60, stop=("=",))).samples
    assert cut.finish == "stop" and cut.text == whole.text.split("=")[0]
    assert (
        cut.token_ids == whole.token_ids[: len(cut.token_ids)]
        and len(cut.token_ids) == len(cut.text) + 1
    )


def test_options_of_several_tokens_are_scored_whole() -> None:
    engine = LlamaEngine(SMALLEST)
    prompt = prompts(1)[0]
    whole = engine.score([prompt], ["12", "1"]).logprobs_PC[0]
    then = engine.score([(Message("user", plain_text(prompt) + "1"),)], ["2"]).logprobs_PC[0, 0]
    assert whole[0] == pytest.approx(whole[1] + then, abs=1e-5)


@pytest.mark.parametrize("counts", [[3] * 5, [1, 2, 3], [600], [600] * 2, [CHUNK_ROWS], [600, 1]])
def test_chunks_cover_every_seed_once_and_are_rectangular(counts: list[int]) -> None:
    chunks = list(_chunks(counts))
    covered = Counter((i, j) for chunk in chunks for i, a, b in chunk for j in range(a, b))
    assert covered == Counter((i, j) for i, count in enumerate(counts) for j in range(count))
    for chunk in chunks:
        assert (
            len({b - a for _, a, b in chunk}) == 1 and sum(b - a for _, a, b in chunk) <= CHUNK_ROWS
        )


def test_nothing_requested_is_nothing_drawn() -> None:
    engine = LlamaEngine(SMALLEST)
    assert engine.sample([], Sampling(1, 1, 8)).samples == []
    assert engine.sample([Request(prompts(1)[0], ())], Sampling(1, 1, 8)).samples == [[]]
    assert engine.score(prompts(1), [""]).logprobs_PC.tolist() == [[0.0]]


def test_a_folder_or_a_prompt_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        LlamaEngine(tmp_path)
    with pytest.raises(UsageError, match="fewer shots"):
        LlamaEngine(SMALLEST).sample([Request(prompts(1)[0], (1,))], Sampling(1, 1, 2000))
