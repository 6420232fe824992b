"""The folder of a fit: other folders are left alone, a full disk, stale snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from strop.distill import Sft
from strop.errors import RunLockedError, RunMismatchError, StoreError
from tests.small_fit import MODEL, rows_for

torch.set_num_threads(1)


def test_folders_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(RunMismatchError, match=r"not empty and holds no fit \(mine.txt\)"):
        Sft().fit(MODEL, rows_for("sft"), tmp_path / "notes")
    (tmp_path / "file").write_text("keep")
    with pytest.raises(StoreError, match="is a file, expected a folder"):
        Sft().fit(MODEL, rows_for("sft"), tmp_path / "file")
    filelock = pytest.importorskip("filelock")
    (tmp_path / "busy" / "fit").mkdir(parents=True)
    with (
        filelock.FileLock(tmp_path / "busy" / "fit" / ".lock"),
        pytest.raises(RunLockedError, match="another process is training"),
    ):
        Sft().fit(MODEL, rows_for("sft"), tmp_path / "busy")


def test_a_full_disk_is_one_clear_line_and_the_fit_goes_on_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the last file is written; only a patch can make this fault."""
    from strop.distill import fit

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    trainer = Sft(learning_rate=1e-3, batch_size=4, steps=3, snapshot_every=2)
    alone = trainer.fit(MODEL, rows_for("sft"), tmp_path / "alone")
    with monkeypatch.context() as patch:
        patch.setattr(fit, "write_record", full)
        with pytest.raises(StoreError, match=r"cannot be written .*No space left.*run it again"):
            trainer.fit(MODEL, rows_for("sft"), tmp_path / "out")
    assert not (tmp_path / "out" / "training.json").exists()
    out = trainer.fit(MODEL, rows_for("sft"), tmp_path / "out")
    assert (out / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()
    assert sorted(path.name for path in out.iterdir()) == sorted(
        path.name for path in alone.iterdir()
    )


def test_snapshots_of_a_fit_that_came_to_no_checkpoint_are_forgotten(tmp_path: Path) -> None:
    stale = tmp_path / "out" / "fit" / "steps" / "000002"
    stale.mkdir(parents=True)
    (stale / "model.safetensors").write_bytes(b"another fit's")
    out = Sft(learning_rate=1e-3, batch_size=4, steps=2, snapshot_every=2).fit(
        MODEL, rows_for("sft"), tmp_path / "out"
    )
    assert (out / "steps" / "000002" / "model.safetensors").read_bytes() == (
        out / "model.safetensors"
    ).read_bytes()
