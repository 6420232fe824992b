"""Log-probabilities of rows' responses under a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from strop.distill.examples import Example, encode, length, pad_token, sequences
from strop.distill.loading import load
from strop.distill.logprobs import logprobs, response_logits
from strop.distill.losses import response_logprobs
from strop.distill.rows import Row
from strop.distill.runtime import quiet

BATCH = 8
MOST_LOGITS = 2**28
"""Logits of a batch, a gigabyte in float32: a vocabulary of 262,144 tokens needs small batches."""


def score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    bfloat16: bool,
) -> list[list[float]]:
    """Return log pi(y|x) of each example's responses.

    Processes share the work. The batches are the same for any number of processes, so the numbers
    are too.
    """
    state = PartialState()
    model = model.to(state.device).eval()
    scored: list[tuple[int, list[list[float]]]] = []
    first = state.process_index * BATCH
    for start in range(first, len(examples), state.num_processes * BATCH):
        batch = examples[start : start + BATCH]
        inputs = {
            name: tensor.to(state.device)
            for name, tensor in sequences(batch, pad_token(tokenizer)).items()
        }
        with (
            torch.inference_mode(),
            torch.autocast(state.device.type, torch.bfloat16, enabled=bfloat16),
        ):
            summed = logprobs(model, inputs)
        # ``sequences`` has the first responses of all rows before the second ones.
        scored.append((start, summed.view(-1, len(batch)).T.tolist()))
    if state.num_processes > 1:
        scored = gather_object(scored)
    return [row for _, block in sorted(scored) for row in block]


def score_rows(folder: Path, rows: Sequence[Row]) -> NDArray[np.float64]:
    """Return log pi(y|x) (B, responses of a row) under the model of the folder."""
    with quiet():
        model, tokenizer = load(folder)
    return np.array(score(model, tokenizer, encode(rows, model, tokenizer), bfloat16=False))


@dataclass(frozen=True)
class TemperedScores:
    """Log-probabilities of responses at a sampling temperature, and how many tokens were read."""

    logprob_N: NDArray[np.float64]
    tokens: int


def score_at_temperature(
    folder: Path, rows: Sequence[Row], temperature: float, batch: int = 64
) -> TemperedScores:
    """Return log q(y|x) (N) of each row's first response, q = softmax(logits / temperature).

    Rows of similar length share a batch: less padding is read. ``batch``: the most rows of one.
    """
    with quiet():
        model, tokenizer = load(folder)
    examples = encode(rows, model, tokenizer)
    longest = max(map(length, examples), default=1)
    vocabulary = int(model.get_output_embeddings().weight.shape[0])
    batch = max(1, min(batch, MOST_LOGITS // (longest * vocabulary)))
    order = sorted(range(len(examples)), key=lambda index: length(examples[index]))
    device = PartialState().device
    model = model.to(device).eval()
    logprob_N = np.full(len(examples), np.nan)
    for start in range(0, len(order), batch):
        indices = order[start : start + batch]
        padded = sequences([examples[index] for index in indices], pad_token(tokenizer))
        inputs = {name: tensor.to(device) for name, tensor in padded.items()}
        with torch.inference_mode():
            logits_BTV, labels_BT = response_logits(model, inputs)
            logprob_N[indices] = response_logprobs(logits_BTV / temperature, labels_BT).cpu()
    return TemperedScores(logprob_N, sum(map(length, examples)))
