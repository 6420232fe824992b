"""A model in one GGUF file, the format of llama.cpp, through transformers' own loader.

The weights become ordinary numbers: exactly those that the quantised file encodes. llama.cpp
multiplies the quantised weights with activations that it rounds too, so its log-probabilities
differ a little (docs/real-models.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strop.engines.checkpoint import check_complete, load, one_line
from strop.errors import MissingExtraError, ModelError
from strop.quiet import quiet_libraries

SUFFIX = ".gguf"
MAGIC = b"GGUF"
# The reader trusts the numbers in a file's head, and fails in its own ways where they are wrong.
READER_ERRORS = (IndexError, TypeError, AssertionError, OverflowError, MemoryError, AttributeError)


def is_gguf(name: str) -> bool:
    """Return whether a model's address names a GGUF file."""
    return name.lower().endswith(SUFFIX)


def load_weights(
    name: str, revision: str | None, dtype: Any, adapter: Path | None = None
) -> tuple[Any, Any]:
    """Return model and tokenizer of a GGUF file, a folder or a hub id; see ``checkpoint.load``."""
    if is_gguf(name):
        return load_gguf(name, dtype)
    return load(name, revision, dtype, adapter)


def load_gguf(name: str, dtype: Any) -> tuple[Any, Any]:
    """Return model and tokenizer of a GGUF file, its weights dequantised to ``dtype``.

    Raise ModelError in one line for a file that cannot be loaded.
    """
    path = Path(name).expanduser()
    _check_file(path)
    try:
        import gguf  # noqa: F401  # transformers reads the file with it
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    except ImportError as error:
        raise MissingExtraError("a GGUF file", "hf", str(error)) from None
    options = {"gguf_file": path.name, "local_files_only": True, "trust_remote_code": False}
    with one_line(name, *READER_ERRORS), quiet_libraries("transformers"):
        tokenizer = AutoTokenizer.from_pretrained(str(path.parent), **options)
        model, info = AutoModelForCausalLM.from_pretrained(
            str(path.parent),
            dtype=dtype,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
            **options,
        )
    check_complete(name, model, info)
    return model, tokenizer


def _check_file(path: Path) -> None:
    """Raise ModelError for a file that is not there, or of another format."""
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise ModelError(
            f"model {path} cannot be read ({error.strerror}); expected a GGUF file"
        ) from None
    if magic != MAGIC:
        raise ModelError(f"model {path} begins with {magic!r}; expected a GGUF file (b'GGUF')")
