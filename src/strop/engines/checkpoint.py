"""Loading a checkpoint through transformers.

Only safetensors are read, no code from the model's folder is run, and every refusal is one line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from strop.engines.hub import HUB_ID
from strop.errors import ModelError, StropError, UsageError
from strop.quiet import quiet_libraries

DTYPES = ("float32", "bfloat16", "float16", "float64")
FINGERPRINT_BLOCKS = 64
FINGERPRINT_BYTES = 65_536
PICKLED_PATTERNS = ("*.bin", "*.pt", "*.pth")


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return every token that ends a response.

    Those of the generation config, which names none, one or several, and the tokenizer's.
    """
    of_model = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = of_model if isinstance(of_model, list | tuple) else [of_model]
    tokens = [*several, tokenizer.eos_token_id]
    return frozenset(int(token) for token in tokens if token is not None)


def find_device(torch: Any, device: str | None) -> Any:
    """Return the torch device of this name; for None, cuda if available, else the CPU.

    Raise UsageError if it does not exist.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):
        raise UsageError(
            f"device '{device}' is not there; expected cpu, or cuda on a machine with a GPU; "
            "leave it out to choose"
        ) from None
    return torch.device(device)


@contextmanager
def one_line(name: str, *more: type[Exception]) -> Iterator[None]:
    """Turn the errors of libraries that load the model into a ModelError in one line.

    ``more``: further types of errors to turn into one.
    """
    from safetensors import SafetensorError

    library_errors: tuple[type[Exception], ...] = (
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
    except library_errors as error:
        if isinstance(error, StropError):
            raise
        problem = "is no folder here and cannot be loaded from the hub"
        if Path(name).expanduser().exists():
            problem = "cannot be loaded"
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"model {name} {problem}: {reason}") from None


def read_config(name: str, revision: str | None) -> tuple[str, Any]:
    """Return the folder or hub id in the form that libraries take, and the model's config.

    Raise ModelError for pickled weights, and for a model that asks for its own code to be run.
    """
    from transformers import AutoConfig

    folder = Path(name).expanduser()
    local = folder.is_dir()
    if local:
        _check_folder(folder)
    elif not HUB_ID.fullmatch(name):
        raise ModelError(
            f"model folder {name} does not exist; "
            "expected a folder with config.json and *.safetensors, or a hub id"
        )
    source = str(folder) if local else name
    with one_line(name), quiet_libraries("transformers"):
        config = AutoConfig.from_pretrained(
            source, revision=revision, trust_remote_code=False, local_files_only=local
        )
    if getattr(config, "auto_map", None):
        raise _remote_code(name)
    return source, config


def load(
    name: str, revision: str | None, dtype: Any, adapter: Path | None = None
) -> tuple[Any, Any]:
    """Return model and tokenizer, from safetensors and with transformers' own code only.

    The tokenizer of an ``adapter`` is preferred to that of its base: training may have changed its
    chat template. Raise ModelError in one line for a model that cannot be loaded.
    """
    from transformers import AutoModelForCausalLM

    source, config = read_config(name, revision)
    options = {
        "revision": revision,
        "trust_remote_code": False,
        "local_files_only": Path(source).is_dir(),
    }
    with one_line(name), quiet_libraries("transformers"):
        tokenizer = _load_tokenizer(source, adapter, options)
        model, info = AutoModelForCausalLM.from_pretrained(
            source,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    check_complete(name, model, info)
    return model, tokenizer


def check_complete(name: str, model: Any, info: dict[str, Any]) -> None:
    """Raise ModelError for a model that lacks weights.

    ``info`` is what transformers says of the loading; it fills missing weights with random numbers.
    """
    missing = sorted(info["missing_keys"])
    if missing:
        raise ModelError(
            f"model {name} lacks {len(missing)} weights of {type(model).__name__}, "
            f"{missing[0]} for one; get the whole model"
        )


def _load_tokenizer(source: str, adapter: Path | None, options: dict[str, Any]) -> Any:
    from transformers import AutoTokenizer

    if adapter is None or not (adapter / "tokenizer_config.json").is_file():
        return AutoTokenizer.from_pretrained(source, **options)
    _check_settings(adapter, "tokenizer_config.json")
    return AutoTokenizer.from_pretrained(
        str(adapter), trust_remote_code=False, local_files_only=True
    )


def fingerprint(name: str, commit: str | None) -> str:
    """Return the commit of a hub model, or a digest of the weights of a local folder or file.

    The digest covers the sizes of the files and blocks spread over them, not every byte: a large
    model would take minutes. It also covers an adapter's settings, which scale its weights.
    """
    place = Path(name).expanduser()
    if not place.exists():
        return commit or ""
    settings = b"".join(path.read_bytes() for path in place.glob("adapter_config.json"))
    digest = blake2b(settings, digest_size=8)
    weights = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
    for path in weights:
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            for block in range(FINGERPRINT_BLOCKS):
                file.seek(size * block // FINGERPRINT_BLOCKS)
                digest.update(file.read(FINGERPRINT_BYTES))
    return digest.hexdigest()


def _check_folder(folder: Path) -> None:
    """Raise ModelError for a folder without config or safetensors, or with code of its own."""
    _check_settings(folder, "config.json")
    if (folder / "tokenizer_config.json").exists():
        _check_settings(folder, "tokenizer_config.json")
    if any(folder.glob("*.safetensors")):
        return
    contents = "no weights"
    pickled = sorted(path.name for pattern in PICKLED_PATTERNS for path in folder.glob(pattern))
    if pickled:
        contents = f"only pickled weights ({pickled[0]}), which can run code when read"
    raise ModelError(
        f"model folder {folder} has {contents}; "
        "expected *.safetensors: convert it with save_pretrained"
    )


def _check_settings(folder: Path, name: str) -> None:
    """Raise ModelError for a JSON file that cannot be read, or that asks to run its own code."""
    try:
        settings = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model folder {folder} has no readable {name} ({error}); "
            "expected a Hugging Face model folder"
        ) from None
    if "auto_map" in settings:
        raise _remote_code(str(folder))


def _remote_code(name: str) -> ModelError:
    return ModelError(
        f"model {name} asks for code of its own to be run (auto_map); expected a model that "
        "transformers knows; use one, or convert it and drop auto_map if its architecture is in "
        "transformers"
    )
