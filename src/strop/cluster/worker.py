"""A worker of a cluster: holds models, calls their methods, makes parts and writes them.

This file does not depend on Ray.
"""

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
    """The name of a model, by which every process can load it, and the revision of a hub model."""

    name: str
    revision: str | None = None


class Card(NamedTuple):
    """The properties of an engine that the driver needs; ``description`` is its ``describe()``."""

    parameters: int
    context: int | None
    fingerprint: str
    counts_end_token: bool
    worker_threads: bool
    lacks: Mapping[str, str]
    description: dict[str, str | int | float]


class Arrival(NamedTuple):
    """A worker that is ready: its machine, process and version of strop."""

    host: str
    process: int
    version: str


class Worker:
    """Works in ``folder`` if this machine has it.

    Relative names of models and files then mean the same as for the user.
    """

    def __init__(self, folder: str) -> None:
        if Path(folder).is_dir():
            os.chdir(folder)
        self.engines: dict[Model, Engine] = {}

    def arrive(self) -> Arrival:
        """Return who this worker is; it is called first."""
        return Arrival(socket.gethostname(), os.getpid(), version("strop"))

    def card(self, model: Model) -> Card:
        """Load the model and return its properties."""
        engine = self._engine(model)
        return Card(
            parameters=engine.parameters,
            context=engine.context,
            fingerprint=engine.fingerprint,
            counts_end_token=engine.counts_end_token,
            worker_threads=engine.worker_threads,
            lacks=engine.lacks,
            description=engine.describe(),
        )

    def call(self, model: Model, method: str, *arguments: Any) -> Any:
        """Call a method of the model's engine."""
        engine = self._engine(model)
        with one_blas_thread(engine):
            return getattr(engine, method)(*arguments)

    def do(
        self, stage: Stage, part: Part, model: Model | None, fingerprint: str, path: str
    ) -> Usage:
        """Make a part and write it into the run folder at ``path``.

        Raise StoreError if this machine does not see the run folder, and ModelError if the model
        has other weights here than ``fingerprint`` says.
        """
        folder = RunFolder(Path(path))
        host = socket.gethostname()
        if not folder.exists:
            raise StoreError(
                f"the worker on {host} does not see the run folder {path}; workers write their "
                "parts themselves: choose an --out that every machine sees under the same path"
            )
        engine = None if model is None else self._engine(model)
        if engine and engine.fingerprint != fingerprint:
            raise ModelError(
                f"{engine.name} has other weights on {host} than on the first worker; "
                "give all machines the same"
            )
        # A worker may be lost after it wrote the part, before it could report this.
        if folder.has_part(stage.name, part.number):
            return folder.usage_of_part(stage.name, part.number)
        with one_blas_thread(engine):
            return stage.do(part, engine, folder)

    def _engine(self, model: Model) -> Engine:
        if model not in self.engines:
            self.engines[model] = load_engine(model.name, model.revision)
        return self.engines[model]
