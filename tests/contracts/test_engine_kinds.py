"""The registry of engines: every kind of name loads, or is refused in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from strop.engines import (
    ENGINE_KINDS,
    ENGINES,
    LADDER,
    Engine,
    EngineKind,
    Generation,
    Request,
    Scored,
    find_kind,
    is_embedded,
    load_engine,
    model_folder,
    trained_name,
)
from strop.errors import MissingExtraError, ModelError, StropError, UsageError
from strop.records import Message, Prompt, Sample, Sampling, Usage

SMALLEST = LADDER / "25k"


@pytest.fixture
def examples(tmp_path: Path) -> dict[str, str]:
    """One name of each kind, by its prefix."""
    table = tmp_path / "table.json"
    table.write_text(json.dumps({"q": {"a": 0.5, "b": 0.5}}))
    return {
        "ladder/": "ladder/25k",
        "llama:": f"llama:{SMALLEST}",
        "": str(SMALLEST),
        "vllm:": f"vllm:{SMALLEST}",
        "openai:": "openai:m@http://127.0.0.1:9/v1?retries=0",
        "tabular:": f"tabular:{table}",
    }


def test_every_kind_loads_or_is_refused_in_one_line(examples: dict[str, str]) -> None:
    missing = ENGINE_KINDS.keys() - examples.keys()
    assert not missing, f"add a name of the kind {', '.join(sorted(missing))} to examples"
    for prefix, name in examples.items():
        kind, address = find_kind(name)
        assert kind is ENGINE_KINDS[prefix] and f"{prefix}{address}" == name
        try:
            engine = load_engine(name)
        except (MissingExtraError, ModelError) as refusal:
            # Without the extra; for openai also without a server.
            assert prefix in ("", "vllm:", "openai:") and "\n" not in str(refusal)
        else:
            assert engine.name == name and engine.describe()["model"] == name


@pytest.mark.parametrize("prefix", ENGINE_KINDS)
def test_every_kind_refuses_an_unknown_setting(prefix: str, examples: dict[str, str]) -> None:
    name = examples[prefix].partition("?")[0]
    with pytest.raises(UsageError, match="there is no setting 'flavour'; there are ") as refusal:
        load_engine(f"{name}?flavour=sweet")
    for setting in ENGINE_KINDS[prefix].options():
        assert setting in str(refusal.value)


@pytest.mark.parametrize("prefix", ENGINE_KINDS)
def test_folders_and_trained_models_follow_the_registry(
    prefix: str, examples: dict[str, str]
) -> None:
    kind, name = ENGINE_KINDS[prefix], examples[prefix]
    assert is_embedded(name) == kind.embedded == (prefix in ("ladder/", "llama:"))
    if kind.folder is None:
        with pytest.raises(ModelError, match="is no local folder"):
            model_folder(name)
    else:
        assert model_folder(name) == SMALLEST
    # A trained model can be loaded by its name, and runs in NumPy if its base does.
    trained = trained_name(name, SMALLEST)
    assert is_embedded(trained) == kind.embedded and model_folder(trained) == SMALLEST


def test_the_listing_has_every_kind() -> None:
    assert list(ENGINES.items()) == [(k.form, k.description) for k in ENGINE_KINDS.values()]
    assert all(form.startswith(prefix) for prefix, form in zip(ENGINE_KINDS, ENGINES, strict=True))


class EchoEngine(Engine):
    """Answers every prompt with one word."""

    def __init__(self, address: str, *, label: str, loud: bool = False) -> None:
        self.word = address.upper() if loud else address
        self._name = label

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return 0

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        samples = [
            [Sample(self.word, (0,), 0.0, "end") for _ in request.seeds] for request in requests
        ]
        return Generation(samples, Usage())

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        raise NotImplementedError

    def render(self, prompt: Prompt) -> str:
        return prompt[0].content

    def count_tokens(self, prompt: Prompt) -> int:
        return 1


OPTIONS: dict[str, type] = {"loud": bool}


def test_an_engine_is_added_by_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    echo = EngineKind("echo:WORD", "one word", module=__name__, loader="EchoEngine")
    monkeypatch.setitem(ENGINE_KINDS, "echo:", echo)
    name = "echo:hello?loud=true"
    engine = load_engine(name)
    request = Request((Message("user", "Hello?"),), (1, 2))
    [samples] = engine.sample([request], Sampling(1.0, 1.0, 1)).samples
    assert engine.name == name and [sample.text for sample in samples] == ["HELLO", "HELLO"]
    assert not is_embedded(name) and trained_name(name, SMALLEST) == str(SMALLEST)
    with pytest.raises(StropError, match="is no local folder"):
        model_folder(name)


def test_importing_the_registry_imports_no_heavy_library() -> None:
    heavy = ("torch", "transformers", "polars", "vllm", "openai", "tokenizers", "safetensors")
    program = f"import sys, strop.engines; print([m for m in {heavy} if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert printed.stdout.strip() == "[]", printed.stderr
