"""Model folders that could run code (checkpoint.py) are refused: exit code 2 and one line.

Through the command line. Other refusals of checkpoint.py stand in test_transformers.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from strop.cli.main import main
from strop.engines import LADDER

pytest.importorskip("transformers")
PICKLE = b"cos\nsystem\n(S'touch ran'\ntR."  # what a careless loader would run


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, model: str
) -> str:
    """Return the one line with which ``strop gap`` refuses a model, having run nothing."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(
        sys,
        "argv",
        ["strop", "gap", "--model", model, "--task", "signs", "--problems", "2", "--out", "out"],
    )
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    assert (
        stop.value.code == 2
        and out == ""
        and err.startswith("strop: ")
        and len(err.strip().splitlines()) == 1
    )
    assert not (folder / "ran").exists() and not (folder / "out" / "run.json").exists()
    return err


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(LADDER / "40k" / name, folder)
    return folder


def ask_for_code(path: Path) -> None:
    (path.parent / "modeling.py").write_text("open('ran', 'w')\n")
    told = {
        "AutoConfig": "modeling.Config",
        "AutoModelForCausalLM": "modeling.Model",
        "AutoTokenizer": ["modeling.Tokenizer", None],
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": told}))


def test_pickled_weights(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(PICKLE)
    line = refused(monkeypatch, capsys, tmp_path, str(model))
    assert "only pickled weights (pytorch_model.bin), which can run code when read" in line
    assert "expected *.safetensors" in line


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_its_own(
    model: Path,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    ask_for_code(model / name)
    assert "asks for code of its own to be run (auto_map)" in refused(
        monkeypatch, capsys, tmp_path, str(model)
    )


def test_adapters_with_pickled_weights_or_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(
        json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(LADDER / "40k")})
    )
    (adapter / "adapter_model.bin").write_bytes(PICKLE)
    for model in (str(adapter), f"{LADDER / '40k'}?adapter={adapter}"):
        assert "only pickled weights (adapter_model.bin)" in refused(
            monkeypatch, capsys, tmp_path, model
        )
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    shutil.copy(LADDER / "40k" / "tokenizer_config.json", adapter)
    ask_for_code(adapter / "tokenizer_config.json")
    assert "auto_map" in refused(monkeypatch, capsys, tmp_path, str(adapter))
