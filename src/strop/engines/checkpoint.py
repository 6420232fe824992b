"""Loading a checkpoint through transformers: safetensors only, no code from the model's own folder, every refusal in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from strop.errors import ModelError, StropError, UsageError

DTYPES = ("float32", "bfloat16", "float16", "float64")
FINGERPRINT_BLOCKS, FINGERPRINT_BYTES = 64, 65_536
_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a response: those of the generation config (one or several) and the tokenizer's."""
    of_model = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = of_model if isinstance(of_model, list | tuple) else [of_model]
    return frozenset(
        int(token) for token in (*several, tokenizer.eos_token_id) if token is not None
    )


def find_device(torch: Any, asked: str | None) -> Any:
    """The device asked for, or cuda where there is one. UsageError where it does not exist."""
    if asked is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=asked)
    except (RuntimeError, AssertionError):
        raise UsageError(
            f"device '{asked}' is not there; expected cpu, or cuda on a machine with a GPU; leave it out to choose"
        ) from None
    return torch.device(asked)


@contextmanager
def one_line(name: str, *more: type[Exception]) -> Iterator[None]:
    """What a library raises while it loads the model, and whatever is in ``more``, as a ModelError in one line."""
    from safetensors import SafetensorError

    kinds: tuple[type[Exception], ...] = (
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        ImportError,
        SafetensorError,
        *more,
    )
    try:
        yield
    except kinds as error:
        if isinstance(error, StropError):
            raise
        where = (
            "cannot be loaded"
            if Path(name).expanduser().is_dir()
            else "is no folder here and cannot be loaded from the hub"
        )
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"model {name} {where}: {reason}") from None


def read_config(name: str, revision: str | None) -> tuple[str, Any]:
    """Where the model lies, for the libraries that load it, and its config. ModelError for pickled weights and for code of its own."""
    from transformers import AutoConfig

    folder = Path(name).expanduser()
    local = folder.is_dir()
    if local:
        _check_folder(folder)
    elif not _HUB_ID.fullmatch(name):
        raise ModelError(
            f"model folder {name} does not exist; expected a folder with config.json and *.safetensors, or a hub id"
        )
    source = str(folder) if local else name
    with one_line(name):
        config = AutoConfig.from_pretrained(
            source, revision=revision, trust_remote_code=False, local_files_only=local
        )
    if getattr(config, "auto_map", None):
        raise _remote_code(name)
    return source, config


def load(
    name: str, revision: str | None, dtype: Any, adapter: Path | None = None
) -> tuple[Any, Any]:
    """Model and tokenizer, from safetensors and with transformers' own code only. ModelError in one line for whatever is in the way.

    The tokenizer of an ``adapter`` comes before that of its base: training may have given it another chat template.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, config = read_config(name, revision)
    options = {
        "revision": revision,
        "trust_remote_code": False,
        "local_files_only": Path(source).is_dir(),
    }
    with one_line(name):
        if adapter and (adapter / "tokenizer_config.json").is_file():
            _check_settings(adapter, "tokenizer_config.json")
            tokenizer = AutoTokenizer.from_pretrained(
                str(adapter), trust_remote_code=False, local_files_only=True
            )
        else:
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
        model, info = AutoModelForCausalLM.from_pretrained(
            source,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    if missing := sorted(info["missing_keys"]):
        raise ModelError(
            f"model {name} lacks {len(missing)} weights of {type(model).__name__}, {missing[0]} for one; get the whole folder"
        )
    return model, tokenizer


def fingerprint(name: str, commit: str | None) -> str:
    """The commit of a hub model; of a local folder, a digest of its weights' sizes and of blocks spread over them (not of every byte).

    An adapter's settings, which scale its weights, count too.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return commit or ""
    digest = blake2b(
        b"".join(path.read_bytes() for path in folder.glob("adapter_config.json")), digest_size=8
    )
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            for block in range(FINGERPRINT_BLOCKS):
                file.seek(size * block // FINGERPRINT_BLOCKS)
                digest.update(file.read(FINGERPRINT_BYTES))
    return digest.hexdigest()


def _check_folder(folder: Path) -> None:
    """ModelError where a folder has no config, only pickled weights, or wants its own code to be run."""
    _check_settings(folder, "config.json")
    if (folder / "tokenizer_config.json").exists():
        _check_settings(folder, "tokenizer_config.json")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(
            path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern)
        )
        found = (
            f"only pickled weights ({pickled[0]}), which can run code when read"
            if pickled
            else "no weights"
        )
        raise ModelError(
            f"model folder {folder} has {found}; expected *.safetensors: convert it with save_pretrained"
        )


def _check_settings(folder: Path, name: str) -> None:
    """ModelError where a file of settings cannot be read, or asks for code of the folder's own."""
    try:
        settings = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model folder {folder} has no readable {name} ({error}); expected a Hugging Face model folder"
        ) from None
    if "auto_map" in settings:
        raise _remote_code(str(folder))


def _remote_code(name: str) -> ModelError:
    return ModelError(
        f"model {name} asks for code of its own to be run (auto_map); expected a model that transformers knows; use one, "
        "or convert it and drop auto_map if its architecture is in transformers"
    )
