"""Hub ids, ``org/name`` or ``org/name@revision``, and their snapshots on this machine.

huggingface_hub comes with tokenizers. It reads HF_HOME, HF_TOKEN and HF_HUB_OFFLINE itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strop.errors import ModelError

HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
COMMIT = re.compile(r"[0-9a-f]{40}")
FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")
"""The files of a model that is trained: configuration, weights and tokenizer, never pickles."""
SUBFOLDERS = "*/*"


def split_revision(address: str) -> tuple[str, str | None]:
    """Split ``org/name@revision`` into the hub id and the revision, None if there is none.

    The path of a folder stays whole, also one that contains an "@".
    """
    name, mark, revision = address.rpartition("@")
    is_folder = Path(address).expanduser().is_dir()
    if not mark or not revision or is_folder or not HUB_ID.fullmatch(name):
        return address, None
    return name, revision


def snapshot(address: str, download: bool = False) -> Path | None:
    """Return the folder of a hub model's snapshot, with config.json and safetensors.

    None for an address that is no hub id, and for a model that is not in the cache. ``download``
    gets what is missing from the hub, unless HF_HUB_OFFLINE is set; raise ModelError in one line if
    that fails.
    """
    name, revision = split_revision(address)
    if not HUB_ID.fullmatch(name) or Path(address).exists():
        return None
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    try:
        with _no_bars():
            path = huggingface_hub.snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(FILES),
                ignore_patterns=[SUBFOLDERS],
                local_files_only=not download,
            )
    except (OSError, ValueError, HfHubHTTPError) as error:
        if not download:
            return None
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"model {address} is no local folder, is not in the hub's cache, and cannot be "
            f"loaded from the hub: {reason}"
        ) from None
    folder = Path(path)
    is_whole = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    if download and not is_whole:
        raise ModelError(
            f"model {address}: its snapshot {folder} has no config.json or no *.safetensors; "
            "expected a whole model in that format, which is the one that is trained"
        )
    return folder if is_whole else None


def commit_of(name: str, revision: str | None) -> str | None:
    """Return the commit of a hub model that has been loaded; None for a folder.

    Configurations of transformers name it only in some versions.
    """
    if Path(name).expanduser().exists():
        return None
    folder = snapshot(name if revision is None else f"{name}@{revision}")
    return folder.name if folder and COMMIT.fullmatch(folder.name) else None


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the hub's progress bars off stderr, and restore them."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    were_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_disabled:
            enable_progress_bars()
