"""The folder of one fit, from an empty one to a finished model.

out/            config.json, model.safetensors, tokenizer: an ordinary Hugging Face folder,
                complete only when the fit is finished
    adapter/         the LoRA adapter alone; the folder holds its sum with the original model
    steps/NNNNNN/    snapshots
    README.md        the model card
    training.json    settings, loss by step, tokens, FLOPs; written last
    fit/             while it runs: asked.json (the fit's identity), checkpoints, snapshots, and
                     the finished folder while it is written; removed at the end
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from strop.errors import RunLockedError, RunMismatchError, StoreError
from strop.json_files import read_json

DONE = "done"
"""An empty file in a checkpoint that was written completely."""

RECORD = "training.json"
IDENTITY = "asked.json"


@dataclass(frozen=True)
class FitFolder:
    """The files of a fit in ``out``."""

    out: Path

    @property
    def work(self) -> Path:
        """The folder of what is needed only while the fit runs."""
        return self.out / "fit"

    @property
    def snapshots(self) -> Path:
        return self.work / "steps"

    def is_finished(self, identity: dict[str, Any]) -> bool:
        """Return whether the folder holds this very fit.

        RunMismatchError if it holds another fit or something else; StoreError if it is a file.
        """
        if not self.out.exists():
            return False
        if not self.out.is_dir():
            raise StoreError(
                f"{self.out} is a file, expected a folder for the trained model; choose another one"
            )
        if (self.out / RECORD).exists():
            self._check_identity(self.out / RECORD, identity)
            return True
        if (self.work / IDENTITY).exists() and self.last_checkpoint():
            self._check_identity(self.work / IDENTITY, identity)
            return False
        foreign = sorted(path.name for path in self.out.iterdir() if path != self.work)
        if foreign:
            raise RunMismatchError(
                f"{self.out} is not empty and holds no fit ({foreign[0]}); choose another folder"
            )
        return False

    def _check_identity(self, file: Path, identity: dict[str, Any]) -> None:
        stored = read_json(file)
        different = [name for name, value in identity.items() if stored.get(name) != value]
        if different:
            raise RunMismatchError(
                f"{self.out} holds another fit (other {', '.join(different)}); "
                "choose another folder"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder's lock; turn a full disk into a StoreError."""
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.work / ".lock", timeout=0):
                yield
        except filelock.Timeout:
            raise RunLockedError(
                f"another process is training in {self.out}; wait for it, or choose another folder"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{self.out} cannot be written ({error}); "
                "free some space or choose another folder, and run it again"
            ) from error

    def begin(self, identity: dict[str, Any]) -> None:
        """Remove what a killed fit left incomplete, and store the fit's identity."""
        for path in self.work.glob("checkpoint-*"):
            if not (path / DONE).exists():
                shutil.rmtree(path)
        shutil.rmtree(self.work / "folder", ignore_errors=True)
        # Snapshots after the last checkpoint will be made again.
        reached = _step(self.last_checkpoint())
        for snapshot in self.snapshots.glob("*"):
            if not snapshot.name.isdigit() or int(snapshot.name) > reached:
                shutil.rmtree(snapshot)
        # Written aside and renamed: a kill leaves the old file or the new one.
        partial = self.work / f"{IDENTITY}.partial"
        partial.write_text(json.dumps(identity), encoding="utf-8")
        partial.replace(self.work / IDENTITY)

    def last_checkpoint(self) -> Path | None:
        """Return the latest complete checkpoint."""
        complete = [path.parent for path in self.work.glob(f"checkpoint-*/{DONE}")]
        return max(complete, key=_step, default=None)

    def remove_work(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)


def _step(checkpoint: Path | None) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-")) if checkpoint else 0
