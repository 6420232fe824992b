"""What a worker of a cluster does: holds models, answers questions about them, makes parts and writes them. Knows nothing of Ray."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from strop.engines import Engine, load_engine
from strop.errors import ModelError, StoreError
from strop.records import Usage
from strop.run.executors import Stage, one_blas_thread
from strop.run.plan import Part
from strop.run.store import RunFolder


class Model(NamedTuple):
    """A model as every process can load it: by its name, and the revision of a hub model."""

    name: str
    revision: str | None = None


class Card(NamedTuple):
    """What the driver knows of a model that workers hold. ``counts_end_token`` and the rest are the engine's own."""

    parameters: int
    context: int | None
    fingerprint: str
    counts_end_token: bool
    worker_threads: bool
    lacks: Mapping[str, str]
    description: dict[str, str | int | float]


class Arrival(NamedTuple):
    """A worker that stands ready: where, as which process, with which strop."""

    host: str
    process: int
    version: str


class Worker:
    """Works in ``folder``, where there is one of that name: names of models and files mean there what they mean to the user."""

    def __init__(self, folder: str) -> None:
        if Path(folder).is_dir():
            os.chdir(folder)
        self.engines: dict[Model, Engine] = {}

    def arrive(self) -> Arrival:
        """Say who is there."""
        return Arrival(socket.gethostname(), os.getpid(), version("strop"))

    def card(self, model: Model) -> Card:
        """Load the model, and say what is known of it."""
        engine = self._engine(model)
        known = (
            engine.parameters,
            engine.context,
            engine.fingerprint,
            engine.counts_end_token,
            engine.worker_threads,
        )
        return Card(*known, engine.lacks, engine.describe())

    def ask(self, model: Model, question: str, *arguments: Any) -> Any:
        """The answer of one of the engine's methods."""
        engine = self._engine(model)
        with one_blas_thread(engine):
            return getattr(engine, question)(*arguments)

    def do(
        self, stage: Stage, part: Part, model: Model | None, fingerprint: str, path: str
    ) -> Usage:
        """Make a part and write it.

        StoreError where the run folder is not seen from here; ModelError where the model has other weights here than the driver was told.
        """
        folder, host = RunFolder(Path(path)), socket.gethostname()
        if not folder.exists:
            raise StoreError(
                f"the worker on {host} does not see the run folder {path}; workers write their parts themselves: choose an --out "
                "that every machine sees under the same path"
            )
        engine = None if model is None else self._engine(model)
        if engine and engine.fingerprint != fingerprint:
            raise ModelError(
                f"{engine.name} has other weights on {host} than on the first worker; give all machines the same"
            )
        if folder.has_part(
            stage.name, part.number
        ):  # written by a worker that was lost before it could say so
            return folder.usage_of_part(stage.name, part.number)
        with one_blas_thread(engine):
            return stage.do(part, engine, folder)

    def _engine(self, model: Model) -> Engine:
        if model not in self.engines:
            self.engines[model] = load_engine(*model)
        return self.engines[model]
