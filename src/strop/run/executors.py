"""Execute the parts of a run: in threads of this process, or with any other executor.

The loop hands an executor a stage and its missing parts; the executor makes them in any order.
"""

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
"""The longest delay before Ctrl-C is noticed. Once polars has run, an interrupt no longer ends a
wait without a timeout."""
MAX_DEFAULT_WORKERS = 8


class Stage(ABC):
    """One stage of a run: it makes the rows of a part.

    A stage is a plain value without the model, so that it can be sent to other machines.
    """

    name: str
    """The name under which its parts are stored."""

    @property
    def responses(self) -> int:
        """The most responses to each problem that it is about; 0 if it is about something else."""
        return 0

    @abstractmethod
    def rows(
        self, part: Part, engine: Engine | None, folder: RunFolder
    ) -> tuple[pl.DataFrame, Usage]:
        """Return the part's rows, and their usage."""

    def do(self, part: Part, engine: Engine | None, folder: RunFolder) -> Usage:
        """Make a part and write it."""
        rows, usage = self.rows(part, engine, folder)
        folder.write_part(self.name, part.number, rows, usage)
        return usage


class Executor(Protocol):
    """A place to make parts: threads of this process, or workers elsewhere (strop.cluster)."""

    def load(self, model: str, revision: str | None = None) -> Engine:
        """Load a model by its name, in the form that this executor needs."""
        ...

    def work(
        self,
        stage: Stage,
        parts: Iterable[Part],
        engine: Engine | None,
        folder: RunFolder,
        done: Callable[[Usage], None],
    ) -> None:
        """Make these parts in any order, and call ``done`` for each part that is stored.

        Take the next part only when a worker is free for it: ``parts`` may end early, depending on
        the usage that ``done`` received. The first error ends the work.
        """
        ...


@dataclass(frozen=True)
class Threads:
    """Threads of this process. An engine that does not gain from several threads gets one."""

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
        waiting = iter(parts)
        running: set[Future[Usage]] = set()
        with one_blas_thread(engine), ThreadPoolExecutor(workers) as pool:
            try:
                while True:
                    for part in islice(waiting, workers - len(running)):
                        running.add(pool.submit(stage.do, part, engine, folder))
                    if not running:
                        break
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
    """The executor of the parts, the watcher of their progress, and the run's token limit."""

    executor: Executor
    watcher: Watcher
    token_limit: int | None = None


def default_workers() -> int:
    """Return the number of cores that this process may use, at most eight."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min(MAX_DEFAULT_WORKERS, cores)


@contextmanager
def one_blas_thread(engine: Engine | None) -> Iterator[None]:
    """Limit BLAS to one thread while an engine runs in several threads of ours.

    This is faster, and rounding does not depend on the number of cores.
    """
    if not (engine and engine.worker_threads):
        yield
        return
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


def as_executor(workers: int | Executor | None) -> Executor:
    """Return the executor itself, or threads: the given number, or one per core.

    Raises UsageError for fewer than one worker.
    """
    if workers is None:
        return Threads(default_workers())
    if not isinstance(workers, int):
        return workers
    if workers < 1:
        raise UsageError(f"--workers {workers}: expected 1 or more")
    return Threads(workers)


def load_all(
    models: Sequence[str | Engine], executor: Executor, revision: str | None = None
) -> list[Engine]:
    """Load each model once, in order. Models with the same name are one model."""
    by_name = {model_name(model): model for model in models}
    return [
        executor.load(model, revision) if isinstance(model, str) else model
        for model in by_name.values()
    ]


def model_name(model: str | Engine) -> str:
    """Return the name of a model that is given by its name, or loaded."""
    return model if isinstance(model, str) else model.name
