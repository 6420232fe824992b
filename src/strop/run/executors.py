"""Who makes the parts of a run: threads of this process, or any other executor that the loop is handed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import polars as pl
import threadpoolctl

from strop.engines import Engine, load_engine
from strop.errors import UsageError
from strop.progress import Watcher
from strop.records import Usage
from strop.run.plan import Part
from strop.run.store import RunFolder

INTERRUPT_SECONDS = 0.2
"""How long an interrupt may go unheard: once polars has worked, its own signal handler lets a wait without end go on."""


class Stage(ABC):
    """One stage of a run: how the rows of a part are made. A plain value without the model, so that it can be sent to other machines."""

    name: str
    """Under which its parts are stored."""

    @abstractmethod
    def rows(
        self, part: Part, engine: Engine | None, folder: RunFolder
    ) -> tuple[pl.DataFrame, Usage]:
        """The part's rows, and what they cost."""

    def do(self, part: Part, engine: Engine | None, folder: RunFolder) -> Usage:
        """Make a part and write it."""
        rows, usage = self.rows(part, engine, folder)
        folder.write_part(self.name, part.number, rows, usage)
        return usage


class Executor(Protocol):
    """Where parts are made: in threads of this process (``Threads``), or by workers elsewhere (``strop.cluster``)."""

    def load(self, model: str, revision: str | None = None) -> Engine:
        """A model by its name, as this executor needs it."""
        ...

    def work(
        self,
        stage: Stage,
        parts: Iterable[Part],
        engine: Engine | None,
        folder: RunFolder,
        done: Callable[[Usage], None],
    ) -> None:
        """Do these parts, in any order; say of each that it is done when it stands in the folder. Ends with the first error.

        ``parts`` may end sooner by what ``done`` was told: take the next one only when somebody is free to do it.
        """
        ...


@dataclass(frozen=True)
class Threads:
    """Here, in so many threads where the engine gains by them."""

    workers: int

    def load(self, model: str, revision: str | None = None) -> Engine:
        return load_engine(model, revision)

    def work(
        self,
        stage: Stage,
        parts: Iterable[Part],
        engine: Engine | None,
        folder: RunFolder,
        done: Callable[[Usage], None],
    ) -> None:
        workers = self.workers if engine and engine.worker_threads else 1
        with one_blas_thread(engine), ThreadPoolExecutor(workers) as pool:
            waiting, running = iter(parts), set[Future[Usage]]()
            try:
                while running := running | {
                    pool.submit(stage.do, part, engine, folder)
                    for part in islice(waiting, workers - len(running))
                }:
                    finished, running = wait(running, INTERRUPT_SECONDS, FIRST_COMPLETED)
                    for future in finished:
                        done(future.result())
            except KeyboardInterrupt:
                if engine:
                    engine.cancel()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class Execution:
    """Who works on the parts, who is told, and how many tokens the run may spend."""

    executor: Executor
    watcher: Watcher
    token_limit: int | None = None


def default_workers() -> int:
    """The cores this process may use, eight at most."""
    return min(
        8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )


@contextmanager
def one_blas_thread(engine: Engine | None) -> Iterator[None]:
    """Engines that run in several of our threads get one BLAS thread each: faster, and the same rounding whatever the machine."""
    if not (engine and engine.worker_threads):
        yield
        return
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


def as_executor(workers: int | Executor | None) -> Executor:
    """Threads, as many as asked or as there are cores, or the executor itself. UsageError for fewer than one."""
    if workers is not None and not isinstance(workers, int):
        return workers
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: expected 1 or more")
    return Threads(workers or default_workers())


def load_all(
    models: Sequence[str | Engine], executor: Executor, revision: str | None = None
) -> list[Engine]:
    """Each model once, in order."""
    named = {model_name(model): model for model in models}
    return [
        executor.load(model, revision) if isinstance(model, str) else model
        for model in named.values()
    ]


def model_name(model: str | Engine) -> str:
    """The name of a model that was given by name, or loaded."""
    return model if isinstance(model, str) else model.name
