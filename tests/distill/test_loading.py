"""Model folders that cannot be trained are one clear line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from strop.distill import Sft
from strop.errors import ModelError
from tests.small_fit import MODEL, rows_for


def test_models_that_cannot_be_trained_are_one_clear_line(tmp_path: Path) -> None:
    rows = rows_for("sft")
    with pytest.raises(ModelError, match="there is no model folder"):
        Sft().fit(tmp_path / "none", rows, tmp_path / "out")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="is an adapter; merge it"):
        Sft().fit(tmp_path / "adapter", rows, tmp_path / "out")
    shutil.copytree(MODEL, tmp_path / "remote")
    config = json.loads((MODEL / "config.json").read_text()) | {
        "auto_map": {"AutoModelForCausalLM": "evil.Model"}
    }
    (tmp_path / "remote" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="asks for code of its own"):
        Sft().fit(tmp_path / "remote", rows, tmp_path / "out")
    shutil.copytree(MODEL, tmp_path / "quantised")
    config = json.loads((MODEL / "config.json").read_text()) | {
        "quantization_config": {"quant_method": "gptq", "bits": 4}
    }
    (tmp_path / "quantised" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is quantised"):
        Sft().fit(tmp_path / "quantised", rows, tmp_path / "out")
    assert not (tmp_path / "out").exists()
