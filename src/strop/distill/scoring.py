"""Loading a model folder for training, rows as tokens, and the log-probabilities of their responses under a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from strop.distill.base import Row
from strop.distill.hf_trainers import example, logprobs, pad_token, sequences
from strop.distill.runtime import quiet
from strop.errors import ModelError, UsageError

SCORED_AT_ONCE = 8


def load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model (float32) and tokenizer of a folder: safetensors only, no code but transformers' own, no network. ModelError in one line."""
    if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
        raise ModelError(
            f"model folder {folder} is an adapter; merge it into its model first (PEFT's merge_and_unload) and give that folder"
        )
    if not (folder / "config.json").exists():
        raise ModelError(
            f"there is no model folder {folder}; expected a local folder with config.json and *.safetensors"
        )
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if "auto_map" in config:
            raise ModelError(
                f"model folder {folder} asks for code of its own to be run (auto_map); use a model that transformers knows"
            )
        if "quantization_config" in config:
            raise ModelError(
                f"model folder {folder} is quantised, and its weights cannot be trained; use the model it was made from"
            )
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **options)
        model, info = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        raise ModelError(
            f"model folder {folder} cannot be loaded: {' '.join(str(error).split())[:300]}"
        ) from None
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"model folder {folder} lacks {len(missing)} weights, {missing[0]} for one; get the whole folder"
        )
    return model, tokenizer


def encode(
    rows: Sequence[Row], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> list[dict[str, Any]]:
    """The rows as tokens. A prompt is tokenised as the engines do it: a chat template has written the special tokens itself."""
    chat = bool(getattr(tokenizer, "chat_template", None))
    distinct = list(dict.fromkeys(row.prompt for row in rows))
    prompts = dict(
        zip(distinct, tokenizer(distinct, add_special_tokens=not chat)["input_ids"], strict=True)
    )
    if empty := [row.problem for row in rows if not prompts[row.prompt]]:
        raise UsageError(f"problem {empty[0]}: the prompt has no tokens; expected at least one")
    vocabulary = model.get_input_embeddings().num_embeddings
    for row in rows:
        if worst := [
            token for response in row.responses for token in response if not 0 <= token < vocabulary
        ]:
            raise UsageError(
                f"problem {row.problem}: a response has token {worst[0]}, and the model's vocabulary ends at {vocabulary - 1}; "
                "the rows were sampled from another model"
            )
    return [
        example(list(prompts[row.prompt]), [list(response) for response in row.responses])
        for row in rows
    ]


def longest(row: dict[str, Any]) -> int:
    """Tokens of the prompt and the longest of its responses."""
    return len(row["prompt"]) + max(map(len, row["responses"]))


def score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[dict[str, Any]],
    bfloat16: bool,
) -> list[list[float]]:
    """log pi(y|x) of each row's responses. Processes share the work; batches are the same however many there are."""
    state = PartialState()
    model = model.to(state.device).eval()
    mine: list[tuple[int, list[list[float]]]] = []
    for start in range(
        state.process_index * SCORED_AT_ONCE, len(rows), state.num_processes * SCORED_AT_ONCE
    ):
        batch = rows[start : start + SCORED_AT_ONCE]
        inputs = {
            name: tensor.to(state.device)
            for name, tensor in sequences(batch, pad_token(tokenizer)).items()
        }
        with (
            torch.inference_mode(),
            torch.autocast(state.device.type, torch.bfloat16, enabled=bfloat16),
        ):
            summed = logprobs(model, inputs)
        mine.append((start, summed.view(-1, len(batch)).T.tolist()))
    everyone = gather_object(mine) if state.num_processes > 1 else mine
    return [row for _, block in sorted(everyone) for row in block]


def score_rows(folder: Path, rows: Sequence[Row]) -> NDArray[np.float64]:
    """log pi(y|x) (B, responses a row) under the model of the folder."""
    with quiet():
        model, tokenizer = load(folder)
    return np.array(score(model, tokenizer, encode(rows, model, tokenizer), bfloat16=False))
