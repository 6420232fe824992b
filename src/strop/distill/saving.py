"""Trained models as ordinary Hugging Face folders, and what tells one folder's weights from another's."""

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
"""Copied as they are: the tokenizer of a trained model is that of the model it began with, byte for byte. Its config is, too, but for the
type of its weights: the libraries change a config while they train (padding, caching)."""
ENDS = 2**20


def write_model(
    model: Any, begun_with: Path, folder: Path, state: dict[str, Any] | None = None
) -> None:
    """Write a model that every engine loads. An adapter is merged, in a copy, and stands alone in ``adapter/`` too.

    ``state``: the weights, where they lie scattered over processes.
    """
    if isinstance(model, PeftModel):
        model.save_pretrained(folder / "adapter")
        (folder / "adapter" / "README.md").unlink(missing_ok=True)
        copy.deepcopy(model).merge_and_unload().save_pretrained(folder)
    else:
        model.save_pretrained(folder, state_dict=state)
    config = json.loads((begun_with / "config.json").read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)  # dtype's name in older versions
    (folder / "config.json").write_text(
        json.dumps(config | {"dtype": "float32"}, indent=2) + "\n", encoding="utf-8"
    )
    for pattern in (*TOKENIZER_FILES, "generation_config.json"):
        for source in begun_with.glob(pattern):
            shutil.copyfile(source, folder / source.name)


def move_contents(source: Path, target: Path, last: str) -> None:
    """Move everything in a folder into another one, in the place of what is there; the file ``last`` comes last."""
    for path in sorted(source.iterdir(), key=lambda path: path.name == last):
        place = target / path.name
        if place.is_dir():
            shutil.rmtree(place)
        path.replace(place)


def fingerprint(folder: Path) -> str:
    """A digest of the weights' sizes and of both ends of every file, where training changes something whatever it changes."""
    digest = blake2b(digest_size=8)
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(ENDS))
            file.seek(max(0, size - ENDS))
            digest.update(file.read(ENDS))
    return digest.hexdigest()
