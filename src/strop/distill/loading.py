"""Loading a model folder for training."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from strop.errors import ModelError

LOADING_ERRORS = (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError)
"""Everything that transformers raises for folders it cannot read."""


def load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model (float32) and the tokenizer of a folder.

    Only safetensors are read, no code but transformers' own runs, and no network is used.
    ModelError, in one line, for a folder that cannot be trained.
    """
    if not (folder / "config.json").exists():
        if (folder / "adapter_config.json").exists():
            raise ModelError(
                f"model folder {folder} is an adapter; merge it into its model first "
                "(PEFT's merge_and_unload) and give that folder"
            )
        raise ModelError(
            f"there is no model folder {folder}; "
            "expected a local folder with config.json and *.safetensors"
        )
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        _check_config(folder)
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **options)
        model, info = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=torch.float32,
            # Other formats are pickles, which can run code.
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except LOADING_ERRORS as error:
        message = " ".join(str(error).split())[:300]
        raise ModelError(f"model folder {folder} cannot be loaded: {message}") from None
    # transformers fills missing weights with random numbers and only logs it.
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"model folder {folder} lacks {len(missing)} weights, {missing[0]} for one; "
            "get the whole folder"
        )
    return model, tokenizer


def _check_config(folder: Path) -> None:
    """Raise ModelError for a model that needs code of its own, or that is quantised."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if "auto_map" in config:
        raise ModelError(
            f"model folder {folder} asks for code of its own to be run (auto_map); "
            "use a model that transformers knows"
        )
    if "quantization_config" in config:
        raise ModelError(
            f"model folder {folder} is quantised, and its weights cannot be trained; "
            "use the model it was made from"
        )
