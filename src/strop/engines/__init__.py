"""Engines: ``load_engine`` loads a model by its name. ``ENGINE_KINDS`` is the whole registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from strop.engines.base import Engine, Generation, Request, Scored
from strop.engines.cards import LADDER, embedded_folder, embedded_models
from strop.engines.gguf import is_gguf
from strop.engines.hub import snapshot, split_revision
from strop.engines.options import keep_settings, read_options, split_options
from strop.engines.thinking import SETTING, read_setting
from strop.errors import ModelError, UsageError

DEFAULT_MODEL = "ladder/250k"
LONGEST_PART = 255
LONGEST_PATH = 4096
"""Most bytes of a file's name, and of a whole path, on the file systems in use."""


def _ladder_folder(address: str) -> Path:
    return embedded_folder(f"ladder/{address}")


def _local_folder(address: str) -> Path:
    return Path(address).expanduser()


@dataclass(frozen=True, slots=True)
class EngineKind:
    """One way of naming a model: its prefix is the key in ``ENGINE_KINDS``.

    ``form`` and ``description``: the row of ``strop models``.
    ``module``: imported when the first model of this kind is loaded; its OPTIONS, if it has any,
    are the settings that such a name may have.
    ``loader``: a class or class method of the module, called as
    ``loader(address, label=NAME, **settings)``. The address is the name without its prefix and its
    settings; for an embedded model, it is the model's folder.
    ``folder``: finds the local folder of an address; None for models without one. Only a model
    with a folder can be trained, or a hub model whose snapshot is on this machine.
    ``embedded``: the model is a small Llama that runs in NumPy.
    ``trained_prefix``: the prefix of a model that was trained from one of this kind. Such a model
    takes the same settings.
    ``takes_revision``: the loader accepts ``revision``, that of a hub model, which may also stand
    in the address (``org/name@revision``).
    ``hub_ids``: the address, up to an "@", may be a hub id (see ``pretraining.py``).
    """

    form: str
    description: str
    module: str
    loader: str
    folder: Callable[[str], Path] | None = None
    embedded: bool = False
    trained_prefix: str = ""
    takes_revision: bool = False
    hub_ids: bool = False

    def options(self) -> Mapping[str, type]:
        """Return the settings that a name of this kind may have, with their types."""
        options: Mapping[str, type] = getattr(import_module(self.module), "OPTIONS", {})
        return options

    def load(self, address: str | Path, label: str, **settings: Any) -> Engine:
        """Load the model at an address. ``label`` is the whole name as the user gave it."""
        loader: Any = import_module(self.module)
        for attribute in self.loader.split("."):
            loader = getattr(loader, attribute)
        engine: Engine = loader(address, label=label, **settings)
        return engine


# Modules are named, not imported: `import strop.engines` must not import torch or transformers.
ENGINE_KINDS: dict[str, EngineKind] = {
    "ladder/": EngineKind(
        form="ladder/NAME",
        description="an embedded model, run in NumPy",
        module="strop.engines.llama",
        loader="LlamaEngine",
        folder=_ladder_folder,
        embedded=True,
        trained_prefix="llama:",
    ),
    "llama:": EngineKind(
        form="llama:FOLDER",
        description="a folder of the embedded kind, such as a trained ladder model, run in NumPy",
        module="strop.engines.embedded",
        loader="load_embedded",
        folder=_local_folder,
        embedded=True,
        trained_prefix="llama:",
    ),
    # The empty prefix takes every name that no other kind takes.
    "": EngineKind(
        form="FOLDER or HUB-ID or FILE.gguf",
        description="any model of transformers, or a LoRA adapter, "
        "as in FOLDER?dtype=bfloat16&device=cuda:1 (extra: hf)",
        module="strop.engines.transformers",
        loader="TransformersEngine",
        folder=_local_folder,
        takes_revision=True,
        hub_ids=True,
    ),
    "vllm:": EngineKind(
        form="vllm:FOLDER or vllm:HUB-ID",
        description="the same by vLLM, as in vllm:FOLDER?tensor_parallel_size=8 (extra: vllm)",
        module="strop.engines.vllm",
        loader="VllmEngine",
        folder=_local_folder,
        trained_prefix="vllm:",
        takes_revision=True,
        hub_ids=True,
    ),
    "openai:": EngineKind(
        form="openai:NAME@URL",
        description="a server of the OpenAI protocol, "
        "as in openai:NAME@http://localhost:8000/v1 (extra: openai)",
        module="strop.engines.openai",
        loader="OpenAIEngine",
        hub_ids=True,
    ),
    "tabular:": EngineKind(
        form="tabular:FILE",
        description="exact response probabilities from a JSON file {prompt: {text: probability}}",
        module="strop.engines.tabular",
        loader="TabularEngine.from_file",
    ),
}

ENGINES = {kind.form: kind.description for kind in ENGINE_KINDS.values()}
"""What ``strop models`` prints: each form of a name with its description."""


def find_kind(name: str) -> tuple[EngineKind, str]:
    """Return the kind of a name, and its address: the name without prefix (settings stay)."""
    prefix = max((prefix for prefix in ENGINE_KINDS if name.startswith(prefix)), key=len)
    return ENGINE_KINDS[prefix], name.removeprefix(prefix)


def load_engine(name: str, revision: str | None = None) -> Engine:
    """Load a model by the name a user gives, with its settings after a question mark.

    Raise ModelError, UsageError or MissingExtraError, each in one line.
    """
    bare, options = split_options(name)
    kind, address = find_kind(bare)
    _check_length(kind, address)
    marks = options.pop(SETTING, None)
    thinking = None if marks is None else read_setting(name, marks)
    settings = read_options(name, options, kind.options())
    if kind.takes_revision:
        address, settings["revision"] = _with_revision(name, address, revision)
    engine = kind.load(model_folder(bare) if kind.embedded else address, name, **settings)
    if thinking is not None:
        engine.thinking = thinking
    return engine


def model_folder(name: str, download: bool = False) -> Path:
    """Return the local folder of a model, for callers that need its weights.

    A hub model has one if its snapshot is in the hub's cache; ``download`` gets it. Raise
    ModelError if there is none.
    """
    bare, _ = split_options(name)
    kind, address = find_kind(bare)
    _check_length(kind, address)
    folder = kind.folder(address) if kind.folder else None
    if is_gguf(address):
        raise ModelError(
            f"model {name} is a GGUF file, which is sampled from but not trained; "
            "convert it to a folder (docs/real-models.md says how)"
        )
    if folder is not None and not folder.is_dir() and kind.takes_revision:
        folder = snapshot(address, download)
    if folder is None or not folder.is_dir():
        raise ModelError(
            f"model {name} is no local folder; "
            "expected ladder/NAME or a folder with config.json and *.safetensors"
        )
    return folder


def _with_revision(name: str, address: str, revision: str | None) -> tuple[str, str | None]:
    """Return the address without its revision, and the revision. UsageError if two are given."""
    bare, own = split_revision(address)
    if own and revision and own != revision:
        raise UsageError(
            f"model {name}: --revision is {revision}, and the name has {own}; give one of them"
        )
    return bare, own or revision


def name_with_revision(name: str, revision: str | None) -> str:
    """Return the name of a model with the revision in it; a folder's name stays as it is."""
    bare, mark, settings = name.partition("?")
    kind, address = find_kind(bare)
    if revision is None or not kind.takes_revision or _local_folder(address).is_dir():
        return name
    if split_revision(address)[1] is not None:
        return name
    return f"{bare}@{revision}{mark}{settings}"


def _check_length(kind: EngineKind, address: str) -> None:
    """Raise ModelError for an address that no file system can hold."""
    if kind.folder is None:
        return
    longest = max(len(part.encode(errors="replace")) for part in address.split("/"))
    if longest > LONGEST_PART or len(address.encode(errors="replace")) > LONGEST_PATH:
        raise ModelError(
            f"model {address[:40]}...: the name has {len(address)} characters; "
            "expected the path of a folder or a hub id, which are shorter"
        )


def is_embedded(name: str) -> bool:
    """Return whether a model is of the embedded kind, which runs in NumPy."""
    kind, _ = find_kind(name)
    return kind.embedded


def trained_name(base: str, folder: Path) -> str:
    """Return the name of a model that was trained from ``base`` into a folder.

    It runs like its base: an embedded one in NumPy, one of vLLM by vLLM, with the same settings
    behind the name, so that its prompts and log-probabilities compare with those of the base.
    """
    kind, _ = find_kind(base)
    settings = keep_settings(base) if kind.folder else ""
    return f"{kind.trained_prefix}{folder}{settings}"


__all__ = [
    "DEFAULT_MODEL",
    "ENGINES",
    "ENGINE_KINDS",
    "LADDER",
    "Engine",
    "EngineKind",
    "Generation",
    "Request",
    "Scored",
    "embedded_folder",
    "embedded_models",
    "find_kind",
    "is_embedded",
    "load_engine",
    "model_folder",
    "name_with_revision",
    "trained_name",
]
