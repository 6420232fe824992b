"""The folder that training starts from: a model's whole weights, with an adapter merged in."""

from __future__ import annotations

import shutil
from pathlib import Path

from strop.engines import find_kind, model_folder
from strop.engines.adapter import find_base, merge_adapter, read_config
from strop.engines.options import ADAPTER, split_options
from strop.errors import ModelError


def check_trainable(name: str) -> None:
    """Raise ModelError, before anything is sampled, for a model that cannot be trained here.

    A hub model that is not in the cache is loaded from the hub.
    """
    kind, _ = find_kind(name)
    if kind.folder is None:
        raise ModelError(
            f"model {name} is no local folder, so its weights cannot be trained from here; give a "
            "folder or a hub id of the same model (vllm:FOLDER samples by vLLM)"
        )
    base, adapter = _find_parts(name)
    model_folder(base, download=True)
    if adapter is not None:
        read_config(adapter)


def training_folder(name: str, merged: Path) -> Path:
    """Return the folder of a model's whole weights, which training starts from.

    That of a model with an adapter is written to ``merged``, once. ModelError if there is none.
    """
    base, adapter = _find_parts(name)
    folder = model_folder(base)
    if adapter is None:
        return folder
    if not merged.is_dir():
        _write_merged(folder, adapter, merged)
    return merged


def _find_parts(name: str) -> tuple[str, Path | None]:
    """Return the name of the model that holds the weights, and the folder of its adapter, if any.

    The name may be that of an adapter itself, whose settings name its base model.
    """
    bare, options = split_options(name)
    kind, address = find_kind(bare)
    if kind.embedded:
        return bare, None
    return find_base(address, options.get(ADAPTER))


def _write_merged(base: Path, adapter: Path, merged: Path) -> None:
    from strop.distill.loading import load
    from strop.distill.saving import TOKENIZER_FILES, write_model

    model, _ = load(base)
    partial = merged.with_name(f"{merged.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_model(merge_adapter(model, adapter), base, partial)
    # As the engine does it: training may have given the adapter a tokenizer of its own.
    if (adapter / "tokenizer_config.json").is_file():
        for pattern in TOKENIZER_FILES:
            for file in adapter.glob(pattern):
                shutil.copyfile(file, partial / file.name)
    partial.replace(merged)
