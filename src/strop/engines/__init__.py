"""Who answers? ``load_engine`` turns a name into a loaded model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from strop.engines.base import Engine, Generation, Request, Scored
from strop.engines.options import read_options, split_options
from strop.errors import ModelError

LADDER = Path(__file__).parent.parent / "ladder" / "models"
DEFAULT_MODEL = "ladder/250k"

ENGINES = {
    "ladder/NAME": "an embedded model, run in NumPy",
    "llama:FOLDER": "a folder of the embedded kind, such as a trained ladder model, run in NumPy",
    "FOLDER or HUB-ID": "any model of transformers, or a LoRA adapter, as in FOLDER?dtype=bfloat16&device=cuda:1 (extra: hf)",
    "vllm:FOLDER or vllm:HUB-ID": "the same by vLLM, as in vllm:FOLDER?tensor_parallel_size=8 (extra: vllm)",
    "openai:NAME@URL": "a server of the OpenAI protocol, as in openai:NAME@http://localhost:8000/v1 (extra: openai)",
    "tabular:FILE": "exact response probabilities from a JSON file {prompt: {text: probability}}",
}


def load_engine(name: str, revision: str | None = None) -> Engine:
    """Load a model by the name a user gives, with its settings behind a question mark (``options.py``). Raises ModelError in one line."""
    bare, options = split_options(name)
    if name.startswith("ladder/"):
        from strop.engines.llama import LlamaEngine

        read_options(name, options, {})
        return LlamaEngine(embedded_folder(bare), name)
    if name.startswith("llama:"):
        from strop.engines.embedded import load_embedded

        read_options(name, options, {})
        return load_embedded(model_folder(bare), name)
    if name.startswith("tabular:"):
        from strop.engines.tabular import TabularEngine

        read_options(name, options, {})
        return TabularEngine.from_file(Path(bare.removeprefix("tabular:")), name)
    if name.startswith("vllm:"):
        from strop.engines.vllm import OPTIONS as VLLM_OPTIONS
        from strop.engines.vllm import VllmEngine

        settings = read_options(name, options, VLLM_OPTIONS)
        return VllmEngine(bare.removeprefix("vllm:"), revision=revision, label=name, **settings)
    if name.startswith("openai:"):
        from strop.engines import openai

        return openai.OpenAIEngine(
            bare.removeprefix("openai:"), label=name, **read_options(name, options, openai.OPTIONS)
        )
    from strop.engines.transformers import OPTIONS, TransformersEngine

    return TransformersEngine(
        bare, revision=revision, label=name, **read_options(name, options, OPTIONS)
    )


def embedded_folder(name: str) -> Path:
    """The folder of an embedded model, ``ladder/NAME``. ModelError where there is none."""
    cards = embedded_models()
    if name not in cards:
        raise ModelError(f"there is no embedded model {name!r}; there are {', '.join(cards)}")
    return LADDER / name.removeprefix("ladder/")


def model_folder(name: str) -> Path:
    """The local folder behind a model's name, for whoever needs the weights themselves. ModelError where there is none."""
    bare, _ = split_options(name)
    if bare.startswith("ladder/"):
        return embedded_folder(bare)
    folder = Path(bare.removeprefix("llama:").removeprefix("vllm:")).expanduser()
    if not folder.is_dir():
        raise ModelError(
            f"model {name} is no local folder; expected ladder/NAME or a folder with config.json and *.safetensors"
        )
    return folder


def is_embedded(name: str) -> bool:
    """Whether a model is of the embedded kind, run in NumPy."""
    return name.startswith(("ladder/", "llama:"))


def trained_name(base: str, folder: Path) -> str:
    """The name of a model that was trained from ``base`` into a folder: one of the embedded kind runs in NumPy, like its base."""
    return f"llama:{folder}" if is_embedded(base) else str(folder)


def embedded_models() -> dict[str, dict[str, Any]]:
    """The cards of the ladder's models: family by family, smallest first."""
    cards = {
        f"ladder/{path.parent.name}": json.loads(path.read_text())
        for path in LADDER.glob("*/card.json")
    }
    return dict(sorted(cards.items(), key=lambda item: (item[1]["family"], item[1]["parameters"])))


__all__ = [
    "DEFAULT_MODEL",
    "ENGINES",
    "LADDER",
    "Engine",
    "Generation",
    "Request",
    "Scored",
    "embedded_folder",
    "embedded_models",
    "is_embedded",
    "load_engine",
    "model_folder",
    "trained_name",
]
