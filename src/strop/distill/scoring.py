"""Log-probabilities of rows' responses under a model folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from numpy.typing import NDArray
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from strop.distill.examples import Example, encode, pad_token, sequences
from strop.distill.loading import load
from strop.distill.logprobs import logprobs
from strop.distill.rows import Row
from strop.distill.runtime import quiet

BATCH = 8


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
