"""llama:FOLDER (embedded.py): folders for the NumPy engine; others are refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from strop.engines import embedded_folder, load_engine, model_folder
from strop.engines.base import Request
from strop.errors import ModelError, UsageError
from strop.records import Message, Sampling

SMALLEST = embedded_folder("ladder/25k")
PROMPT = (Message("user", "Question: 1+2*3\nAnswer:"),)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SMALLEST, tmp_path / "model"))


def test_an_embedded_model_by_its_folder_is_the_same_model(folder: Path) -> None:
    ours, theirs = load_engine(f"llama:{folder}"), load_engine("ladder/25k")
    asked = [Request(PROMPT, (1, 2, 3))]
    assert (
        ours.sample(asked, Sampling(1.0, 1.0, 40)).samples
        == theirs.sample(asked, Sampling(1.0, 1.0, 40)).samples
    )
    assert ours.name == f"llama:{folder}" and ours.fingerprint == theirs.fingerprint


def test_names_lead_to_folders(folder: Path) -> None:
    assert model_folder("ladder/25k") == SMALLEST
    assert (
        model_folder(str(folder))
        == model_folder(f"llama:{folder}")
        == model_folder(f"{folder}?dtype=float32")
        == folder
    )
    for name in ("Qwen/Qwen2-0.5B", "openai:x@http://localhost", "tabular:nothing.json"):
        with pytest.raises(
            ModelError, match="is no local folder; expected ladder/NAME or a folder"
        ):
            model_folder(name)
    with pytest.raises(ModelError, match="there is no embedded model"):
        model_folder("ladder/9k")
    with pytest.raises(UsageError, match="there is no setting 'dtype'"):
        load_engine(f"llama:{folder}?dtype=float32")


def edit(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        document = json.loads((folder / name).read_text()) | changes
        (folder / name).write_text(json.dumps(document))

    return change


def edit_weights(
    change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]],
) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")

    return rewrite


def cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])


REFUSED = {
    "another architecture": (edit("config.json", model_type="gpt2"), "it is of type 'gpt2'"),
    "another activation": (
        edit("config.json", hidden_act="gelu"),
        "its activation is 'gelu', not silu",
    ),
    "half precision": (
        edit_weights(lambda w: {k: v.astype(np.float16) for k, v in w.items()}),
        "its weights are F16, not float32",
    ),
    "biases": (
        edit_weights(
            lambda w: w | {"model.layers.0.self_attn.q_proj.bias": np.zeros(32, np.float32)}
        ),
        "other weights than a plain",
    ),
    "a missing layer": (
        edit("config.json", num_hidden_layers=3),
        "other weights than a plain Llama, model.layers.2",
    ),
    "no head": (
        edit("config.json", tie_word_embeddings=False),
        "its head is neither tied nor there",
    ),
    "a chat template": (
        edit("tokenizer_config.json", chat_template="{{ messages }}"),
        "it has a chat template",
    ),
    "another tokenizer": (
        edit("tokenizer_config.json", tokenizer_class="LlamaTokenizer"),
        "its tokenizer is of class 'LlamaTokenizer'",
    ),
    "more end tokens": (
        edit("generation_config.json", eos_token_id=[2, 7]),
        "names other end tokens",
    ),
    "scaled positions": (
        edit("config.json", rope_parameters={"rope_type": "linear", "factor": 2.0}),
        "scales its rotary embedding",
    ),
    "a file cut short": (cut_short, "model.safetensors cannot be read"),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        "has no model.safetensors",
    ),
    "no config": (lambda folder: (folder / "config.json").unlink(), "has no readable config.json"),
    "no tokenizer": (
        lambda folder: (folder / "tokenizer.json").unlink(),
        "has no readable tokenizer.json",
    ),
    "a list for a config": (
        lambda folder: (folder / "config.json").write_text("[]"),
        "config.json is no JSON object",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_folder_that_numpy_would_run_differently_is_refused(case: str, folder: Path) -> None:
    spoil, message = REFUSED[case]
    spoil(folder)
    with pytest.raises(ModelError, match=message) as refused:
        load_engine(f"llama:{folder}")
    assert "\n" not in str(refused.value)
