"""Trained models as ordinary Hugging Face folders, and fingerprints of folders' weights."""

from __future__ import annotations

import copy
import json
import shutil
from hashlib import blake2b
from pathlib import Path
from typing import Any

from peft import PeftModel

TOKENIZER_FILES = (
    "token*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
    "chat_template*",
)
"""Files that are copied byte for byte from the model that the fit started from."""

END_BYTES = 2**20


def write_model(
    model: Any, original: Path, folder: Path, state: dict[str, Any] | None = None
) -> None:
    """Write a model that every engine loads. ``original`` is the folder that the fit started from.

    An adapter is merged, in a copy, and is written alone to ``adapter/`` too. ``state``: the
    weights, if they are scattered over processes.
    """
    if isinstance(model, PeftModel):
        model.save_pretrained(folder / "adapter")
        # A template of PEFT; strop writes its own card, one folder up.
        (folder / "adapter" / "README.md").unlink(missing_ok=True)
        # A copy: a snapshot must not change the model that training continues with.
        copy.deepcopy(model).merge_and_unload().save_pretrained(folder)
    else:
        model.save_pretrained(folder, state_dict=state)
    # The libraries change a config while they train (padding, caching), so the original is written
    # back; only the type of the weights is that of training.
    config = json.loads((original / "config.json").read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)  # the name of dtype in older versions
    config["dtype"] = "float32"
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for pattern in (*TOKENIZER_FILES, "generation_config.json"):
        for source in original.glob(pattern):
            shutil.copyfile(source, folder / source.name)


def move_contents(source: Path, target: Path, last: str) -> None:
    """Move everything in a folder into another one; the file ``last`` is moved last.

    What the target holds under the same name is replaced.
    """
    for path in sorted(source.iterdir(), key=lambda path: path.name == last):
        destination = target / path.name
        if destination.is_dir():
            shutil.rmtree(destination)
        path.replace(destination)


def fingerprint(folder: Path) -> str:
    """Return a digest of the sizes and both ends of the weight files.

    Training changes every part of a file, so the ends are enough to tell two models apart, and
    large models need not be read whole.
    """
    digest = blake2b(digest_size=8)
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(END_BYTES))
            file.seek(max(0, size - END_BYTES))
            digest.update(file.read(END_BYTES))
    return digest.hexdigest()
