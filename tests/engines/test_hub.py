"""Hub ids with a revision, and their snapshots in the cache. There is no network."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest

from strop.engines import LADDER, load_engine, model_folder, name_with_revision
from strop.engines.hub import commit_of, snapshot, split_revision
from strop.errors import ModelError, UsageError

COMMIT = "0" * 39 + "1"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot of my-org/tiny, as huggingface_hub keeps it."""
    repository = tmp_path / "hub" / "models--my-org--tiny"
    folder = repository / "snapshots" / COMMIT
    shutil.copytree(LADDER / "25k", folder)
    for revision in ("main", "v1.0"):
        reference = repository / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(COMMIT)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return folder


def test_a_revision_is_split_from_a_hub_id_and_from_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my@home").mkdir()
    assert split_revision("org/name@v1.0") == ("org/name", "v1.0")
    assert split_revision("gpt2@refs/pr/3") == ("gpt2", "refs/pr/3")
    for address in ("org/name", "my@home", "./my@elsewhere", str(tmp_path / "a@b"), "org/name@"):
        assert split_revision(address) == (address, None)


def test_a_snapshot_in_the_cache_is_the_models_folder(cached: Path) -> None:
    for name in ("my-org/tiny", "my-org/tiny@v1.0?dtype=float32", f"vllm:my-org/tiny@{COMMIT}"):
        assert model_folder(name) == model_folder(name, download=True) == cached
    assert commit_of("my-org/tiny", "v1.0") == COMMIT and commit_of(str(cached), None) is None
    assert snapshot("my-org/absent") is None and snapshot("not/a/hub/id") is None
    for name in ("my-org/tiny@v2", "my-org/absent", "openai:my-org/tiny@http://127.0.0.1:9/v1"):
        with pytest.raises(ModelError, match="is no local folder"):
            model_folder(name, download=True)


def test_a_snapshot_without_weights_is_no_model(cached: Path) -> None:
    (cached / "model.safetensors").unlink()
    assert snapshot("my-org/tiny") is None
    with pytest.raises(ModelError, match=r"has no config.json or no \*.safetensors"):
        model_folder("my-org/tiny", download=True)


def test_a_revision_is_written_into_a_name_once(tmp_path: Path) -> None:
    assert name_with_revision("org/name?chat=false", "v1") == "org/name@v1?chat=false"
    assert name_with_revision("vllm:org/name", "v1") == "vllm:org/name@v1"
    for name in ("org/name@v1", str(tmp_path), "ladder/25k", "openai:m@http://127.0.0.1:9/v1"):
        assert name_with_revision(name, "v1") == name
    assert name_with_revision("org/name", None) == "org/name"


def test_an_engine_knows_the_commit_of_a_hub_model(cached: Path) -> None:
    pytest.importorskip("transformers")
    engine = load_engine("my-org/tiny@v1.0?device=cpu")
    assert engine.describe()["revision"] == engine.fingerprint == COMMIT
    with pytest.raises(UsageError, match=r"--revision is main, and the name has v1.0; give one"):
        load_engine("my-org/tiny@v1.0", revision="main")
