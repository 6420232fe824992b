"""Folders of the embedded kind: small Llama models that the NumPy engine can run.

A folder that the NumPy engine would run differently from transformers is refused in one line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from strop.engines.llama import LlamaEngine
from strop.errors import ModelError

PLAIN_TOKENIZERS = ("PreTrainedTokenizerFast", "TokenizersBackend")
LARGEST = 50_000_000
"""Most parameters of a model that NumPy should run."""
LAYER_WEIGHTS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
    "input_layernorm",
    "post_attention_layernorm",
)


class Tensor(NamedTuple):
    """A stored tensor: its type as safetensors writes it ("F32"), and its number of elements."""

    dtype: str
    size: int


def load_embedded(folder: Path, label: str) -> LlamaEngine:
    """Load a folder into the NumPy engine: a Llama in float32 with a plain tokenizer.json.

    Raise ModelError in one line for any other folder.
    """
    config = _read_json(folder, "config.json")
    tokenizer = _read_json(folder, "tokenizer_config.json")
    generation = {}
    if (folder / "generation_config.json").exists():
        generation = _read_json(folder, "generation_config.json")
    weights = _read_header(folder)
    faults = [*_model_faults(config, weights), *_text_faults(folder, config, tokenizer, generation)]
    if faults:
        raise ModelError(
            f"model {label}: {faults[0]}; the NumPy engine runs small plain Llama models: "
            f"load the folder with transformers ({folder})"
        )
    return LlamaEngine(folder, label)


def _model_faults(config: dict[str, Any], weights: dict[str, Tensor]) -> Iterator[str]:
    """Yield what the NumPy engine cannot run, in words."""
    model_type = config.get("model_type")
    if model_type != "llama":
        yield f"it is of type {model_type!r}"
    other_types = sorted({tensor.dtype for tensor in weights.values()} - {"F32"})
    if other_types:
        yield f"its weights are {other_types[0]}, not float32"
    activation = config.get("hidden_act", "silu")
    if activation != "silu":
        yield f"its activation is {activation!r}, not silu"
    parameters = sum(tensor.size for tensor in weights.values())
    if parameters > LARGEST:
        yield f"it has {parameters:,} parameters, more than {LARGEST:,}"
    # Biases, norms of other kinds and experts all show as other names of weights.
    expected = _expected_weights(config.get("num_hidden_layers"))
    differing = sorted(expected.symmetric_difference(weights.keys() - {"lm_head.weight"}))
    if differing:
        yield f"it has other weights than a plain Llama, {differing[0]} for one"
    if not config.get("tie_word_embeddings") and "lm_head.weight" not in weights:
        yield "its head is neither tied nor there"


def _expected_weights(layers: Any) -> set[str]:
    """Return the names of the weights of a plain Llama, without its head."""
    names = {"model.embed_tokens.weight", "model.norm.weight"}
    for number in range(layers if isinstance(layers, int) else 0):
        names.update(f"model.layers.{number}.{weight}.weight" for weight in LAYER_WEIGHTS)
    return names


def _text_faults(
    folder: Path, config: dict[str, Any], tokenizer: dict[str, Any], generation: dict[str, Any]
) -> Iterator[str]:
    """Yield what the NumPy engine would render, tokenise or end differently, in words."""
    # The engine renders plain text only, and ends at the tokens of config.json only.
    if "chat_template" in tokenizer or any(folder.glob("chat_template*")):
        yield "it has a chat template"
    tokenizer_class = tokenizer.get("tokenizer_class")
    if tokenizer_class not in PLAIN_TOKENIZERS:
        yield f"its tokenizer is of class {tokenizer_class!r}, not plain"
    end_token = config.get("eos_token_id")
    if generation.get("eos_token_id", end_token) != end_token:
        yield "generation_config.json names other end tokens than config.json"


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    try:
        document = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = "there is none" if isinstance(error, FileNotFoundError) else str(error)
        raise ModelError(
            f"model folder {folder} has no readable {name} ({reason}); "
            "expected a Hugging Face model folder"
        ) from None
    if not isinstance(document, dict):
        raise ModelError(f"model folder {folder}: {name} is no JSON object; copy the folder again")
    return document


def _read_header(folder: Path) -> dict[str, Tensor]:
    """Return type and size of each stored tensor, without reading the numbers."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise ModelError(
            f"model folder {folder} has no model.safetensors; the NumPy engine reads one file: "
            "load the folder with transformers"
        )
    weights = {}
    try:
        with safe_open(path, "numpy") as file:
            for name in file.keys():  # noqa: SIM118 - the file is no dict
                stored = file.get_slice(name)
                weights[name] = Tensor(stored.get_dtype(), math.prod(stored.get_shape()))
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"model folder {folder}: model.safetensors cannot be read ({error}); copy it again"
        ) from None
    return weights
