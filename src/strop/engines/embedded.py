"""Folders of the embedded kind: small Llama models that the NumPy engine runs. Whatever it would run differently is refused in one line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from strop.engines.llama import LlamaEngine
from strop.errors import ModelError

PLAIN_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")
LARGEST = 50_000_000
"""Parameters from which on NumPy is the wrong tool."""


def load_embedded(folder: Path, name: str) -> LlamaEngine:
    """The NumPy engine for a folder: a Llama in float32 with a plain tokenizer.json. ModelError in one line for any other."""
    config, tokenizer = _json(folder, "config.json"), _json(folder, "tokenizer_config.json")
    generation = (
        _json(folder, "generation_config.json")
        if (folder / "generation_config.json").exists()
        else {}
    )
    weights = _weights(folder)
    wrong = next(
        filter(
            None, (*_faults(config, weights), *_text_faults(folder, config, tokenizer, generation))
        ),
        None,
    )
    if wrong:
        raise ModelError(
            f"model {name}: {wrong}; the NumPy engine runs small plain Llama models: load the folder with transformers ({folder})"
        )
    return LlamaEngine(folder, name)


def _faults(config: dict[str, Any], weights: dict[str, tuple[str, int]]) -> tuple[str | None, ...]:
    kind, activation = config.get("model_type"), config.get("hidden_act", "silu")
    parameters = sum(count for _, count in weights.values())
    strange = sorted({type_ for type_, _ in weights.values()} - {"F32"})
    layers = config.get("num_hidden_layers")
    parts = (
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
    )
    norms = ("input_layernorm", "post_attention_layernorm")
    expected = {
        f"model.layers.{n}.{part}.weight"
        for n in range(layers if isinstance(layers, int) else 0)
        for part in (*parts, *norms)
    }
    expected |= {"model.embed_tokens.weight", "model.norm.weight"}
    other = sorted(expected.symmetric_difference(weights.keys() - {"lm_head.weight"}))
    return (
        f"it is of type {kind!r}" if kind != "llama" else None,
        f"its weights are {strange[0]}, not float32" if strange else None,
        f"its activation is {activation!r}, not silu" if activation != "silu" else None,
        f"it has {parameters:,} parameters, more than {LARGEST:,}"
        if parameters > LARGEST
        else None,
        f"it has other weights than a plain Llama, {other[0]} for one" if other else None,
        "its head is neither tied nor there"
        if not config.get("tie_word_embeddings") and "lm_head.weight" not in weights
        else None,
    )


def _text_faults(
    folder: Path, config: dict[str, Any], tokenizer: dict[str, Any], generation: dict[str, Any]
) -> tuple[str | None, ...]:
    kind, end = (
        tokenizer.get("tokenizer_class"),
        generation.get("eos_token_id", config.get("eos_token_id")),
    )
    chat = "chat_template" in tokenizer or any(folder.glob("chat_template*"))
    return (
        "it has a chat template" if chat else None,
        f"its tokenizer is of class {kind!r}, not plain" if kind not in PLAIN_TOKENIZERS else None,
        "generation_config.json names other end tokens than config.json"
        if end != config.get("eos_token_id")
        else None,
    )


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        document = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = "there is none" if isinstance(error, FileNotFoundError) else str(error)
        raise ModelError(
            f"model folder {folder} has no readable {name} ({reason}); expected a Hugging Face model folder"
        ) from None
    if not isinstance(document, dict):
        raise ModelError(f"model folder {folder}: {name} is no JSON object; copy the folder again")
    return document


def _weights(folder: Path) -> dict[str, tuple[str, int]]:
    """Of each tensor its type, in safetensors' word, and how many numbers it holds."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise ModelError(
            f"model folder {folder} has no model.safetensors; the NumPy engine reads one file: load the folder with transformers"
        )
    try:
        with safe_open(path, "numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - the file is no dict
            return {
                name: (part.get_dtype(), math.prod(part.get_shape()))
                for name, part in slices.items()
            }
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"model folder {folder}: model.safetensors cannot be read ({error}); copy it again"
        ) from None
