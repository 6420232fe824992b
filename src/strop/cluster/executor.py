"""The executor over Ray: the driver's side of a cluster."""

from __future__ import annotations

import logging
import os
import pickle
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from strop.cluster.address import AUTO, LOCAL, check_answers
from strop.cluster.remote import RemoteEngine
from strop.cluster.worker import Model, Worker
from strop.engines import Engine
from strop.errors import MissingExtraError, StoreError, StropError, UsageError
from strop.records import Usage
from strop.run.executors import Stage, default_workers
from strop.run.plan import Part
from strop.run.store import RunFolder

LOSSES = 3
"""If this many workers are lost at one part, the part is the cause and not the machines."""
PLACED_SECONDS = 300.0
SEEN_SECONDS = 90.0
"""A network file system may take a minute until a new file is visible everywhere."""
OBJECT_STORE_BYTES = 100_000_000
TOKEN_FILE = "~/.ray/auth_token"
log = logging.getLogger(__name__)

Running = dict[Any, tuple[Any, Part | None]]
"""Calls in progress, each with its worker and its part; no part: the worker is arriving."""


class RayCluster:
    """Workers of a Ray cluster as an executor (``strop.run.executors.Executor``).

    ``address``: HOST:PORT; "auto", the cluster that this machine belongs to; or "local", a cluster
    that is started here and ended with this object. A program that has called ``ray.init`` keeps
    its own.
    ``workers``: their number; None: as many as the cluster has room for.
    ``gpus_per_worker``: GPUs of each worker; a share below 1 lets workers share a GPU.
    ``placed_seconds``: the longest time until Ray places a worker on a machine.

    Raise UsageError if the cluster does not answer or has no room, and StropError if workers are
    lost again and again. An error that a worker raises is raised here as it was there.
    """

    def __init__(
        self,
        address: str = AUTO,
        workers: int | None = None,
        gpus_per_worker: float = 0.0,
        placed_seconds: float = PLACED_SECONDS,
    ) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"--workers {workers}: expected 1 or more")
        if gpus_per_worker < 0 or (gpus_per_worker > 1 and gpus_per_worker % 1):
            raise UsageError(
                f"--gpus-per-worker {gpus_per_worker:g}: "
                "expected a whole number, or a share below 1"
            )
        self.address = address
        self.gpus_per_worker = gpus_per_worker
        self.placed_seconds = placed_seconds
        self.lost = 0
        """Number of workers that were lost so far, and replaced."""
        self._requested = workers
        self._workers: list[Any] = []
        self._ray: Any = None
        self._connected = False

    # --- the cluster ---

    def __enter__(self) -> Self:
        self._ray = _import_ray()
        try:
            self._connect()
            count = self._requested or self._room()
            actor = self._ray.remote(Worker).options(
                num_cpus=1,
                num_gpus=self.gpus_per_worker,
                max_restarts=-1,
                max_task_retries=-1,
                scheduling_strategy="SPREAD",
            )
            self._workers = [actor.remote(str(Path.cwd())) for _ in range(count)]
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, and the cluster if it was started here."""
        for worker in self._workers:
            self._ray.kill(worker)
        self._workers = []
        if self._connected:
            self._ray.shutdown()
            self._connected = False

    def _connect(self) -> None:
        if self._ray.is_initialized():
            return
        settings: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self.address == LOCAL:
            settings["num_cpus"] = self._requested or default_workers()
            settings["include_dashboard"] = False
            settings["object_store_memory"] = OBJECT_STORE_BYTES
        else:
            check_answers(self.address)
        try:
            # Before the call: an interrupted init may have started processes, which close() ends.
            self._connected = True
            self._ray.init(address=self.address, **settings)
        except (ConnectionError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            raise UsageError(
                f"Ray at {self.address} refuses the connection ({_first_line(error)}); "
                f"expected a cluster of Ray {self._ray.__version__}. If it asks for a token, "
                "set RAY_AUTH_MODE=token and bring its token here"
            ) from None

    def _room(self) -> int:
        """Return how many workers the cluster has room for now.

        At least 1: a cluster that grows may have no room yet.
        """
        resources = self._ray.cluster_resources()
        room = resources.get("CPU", 0)
        if self.gpus_per_worker:
            room = min(room, resources.get("GPU", 0) // self.gpus_per_worker)
        return max(1, int(room))

    # --- the executor ---

    def load(self, model: str, revision: str | None = None) -> RemoteEngine:
        """Let a worker load the model and report its properties.

        The other workers load it when they first need it.
        """
        named = Model(model, revision)
        self._await_first_worker()
        card = self._get(self._workers[0].card.remote(named))
        return RemoteEngine(named, card, self._call)

    def work(
        self,
        stage: Stage,
        parts: Iterable[Part],
        engine: Engine | None,
        folder: RunFolder,
        done: Callable[[Usage], None],
    ) -> None:
        """Have all parts made; each worker makes one part at a time.

        The next free worker gets the part of a lost worker.
        """
        self._check_sendable(stage, engine)
        model = None
        fingerprint = ""
        if isinstance(engine, RemoteEngine):
            model = engine.model
            fingerprint = engine.fingerprint
        path = str(folder.path.resolve())
        remaining = iter(parts)
        losses = Counter[int]()
        idle: list[Any] = []
        # At most one part waits. `parts` is not read further ahead than needed: it may end the run.
        waiting: deque[Part] = deque()
        _take_next(remaining, waiting)
        running: Running = {}
        if waiting:
            running = {worker.arrive.remote(): (worker, None) for worker in self._workers}
        while waiting or any(part for _, part in running.values()):
            while waiting and idle:
                worker = idle.pop()
                part_to_do = waiting.popleft()
                # Ray must not retry the call: another worker may be free while this one starts
                # anew, if it ever does.
                method = worker.do.options(max_task_retries=0)
                call = method.remote(stage, part_to_do, model, fingerprint, path)
                running[call] = (worker, part_to_do)
                if idle and not waiting:
                    _take_next(remaining, waiting)
            call = self._next(running)
            worker, part = running.pop(call)
            if part is None:
                self._check_arrival(call)
            else:
                try:
                    usage = self._get(call)
                except self._ray.exceptions.RayActorError:
                    losses[part.number] += 1
                    self._note_loss(stage, part, losses[part.number])
                    waiting.appendleft(part)
                    running[worker.arrive.remote()] = (worker, None)  # Ray starts it anew
                    continue
                self._await_part(folder, stage, part)
                done(usage)
            idle.append(worker)
            if not waiting:
                _take_next(remaining, waiting)

    def _next(self, running: Running) -> Any:
        """Return a call that has ended.

        A part may take any time; the placing of a worker may not.
        """
        is_busy = any(part for _, part in running.values())
        timeout = None if is_busy else self.placed_seconds
        ready, _ = self._ray.wait(list(running), timeout=timeout)
        if not ready:
            self._refuse_room()
        return ready[0]

    def _await_first_worker(self) -> None:
        """Wait for the first worker to arrive, and move it to the front of ``_workers``."""
        calls: Running = {worker.arrive.remote(): (worker, None) for worker in self._workers}
        call = self._next(calls)
        self._check_arrival(call)
        first, _ = calls[call]
        self._workers.sort(key=lambda worker: worker is not first)

    def _call(self, model: Model, method: str, *arguments: Any) -> Any:
        """Call a method of the model's engine in the first worker."""
        return self._get(self._workers[0].call.remote(model, method, *arguments))

    def _get(self, call: Any) -> Any:
        """Return the result of a call. A StropError of the worker is raised as it was there."""
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, StropError):
                raise error.cause from None
            if isinstance(error.cause, self._ray.exceptions.RaySystemError):
                raise UsageError(
                    f"a worker cannot read what it was sent ({_first_line(error.cause)}); "
                    "every machine needs the modules that define your own tasks and verifiers, "
                    "and the same strop"
                ) from None
            raise

    def _check_sendable(self, stage: Stage, engine: Engine | None) -> None:
        """Raise UsageError for a model or a stage that cannot be sent to other machines."""
        if engine is not None and not isinstance(engine, RemoteEngine):
            raise UsageError(
                f"model {engine.name} was loaded in this process; "
                "workers load a model themselves: give its name"
            )
        try:
            self._ray.cloudpickle.dumps(stage)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise UsageError(
                f"{stage.name} cannot be sent to other machines ({_first_line(error)}); "
                "a task and a verifier there are frozen dataclasses of plain values"
            ) from None

    def _await_part(self, folder: RunFolder, stage: Stage, part: Part) -> None:
        """Wait until a part that a worker wrote is visible here."""
        deadline = time.monotonic() + SEEN_SECONDS
        while not folder.has_part(stage.name, part.number):
            if time.monotonic() > deadline:
                path = folder.part_path(stage.name, part.number)
                raise StoreError(
                    f"a worker wrote {path}, and here it is not seen; "
                    "choose an --out that every machine sees under the same path"
                )
            time.sleep(0.2)

    def _note_loss(self, stage: Stage, part: Part, losses: int) -> None:
        """Log the loss of a worker. Raise StropError if too many were lost at the same part."""
        self.lost += 1
        if losses >= LOSSES:
            raise StropError(
                f"{losses} workers in turn were lost at part {part.number} of {stage.name}; they "
                "may lack memory: look at Ray's logs, ask for fewer workers, then run the same "
                "command again to go on"
            )
        log.warning(
            "strop: a worker was lost; part %d of %s is done again", part.number, stage.name
        )

    def _refuse_room(self) -> None:
        resources = self._ray.cluster_resources()
        cpus = resources.get("CPU", 0)
        gpus = resources.get("GPU", 0)
        raise UsageError(
            f"Ray placed no worker within {self.placed_seconds:g} s: each takes 1 CPU and "
            f"{self.gpus_per_worker:g} GPUs, and the cluster has {cpus:g} CPUs and {gpus:g} GPUs "
            "in all; free some, or ask for fewer with --gpus-per-worker"
        )

    def _check_arrival(self, call: Any) -> None:
        """Raise an error for a worker that could not start, or that has another strop."""
        try:
            arrival = self._get(call)
        except self._ray.exceptions.RayActorError as error:
            raise StropError(
                "a worker could not start, or the cluster ended "
                f"({_last_line(error)[:200]}); check that Ray runs, and that every machine has "
                "the same strop, then run the same command again to go on"
            ) from None
        if arrival.version != version("strop"):
            raise UsageError(
                f"the worker on {arrival.host} has strop {arrival.version}, "
                f"and here is {version('strop')}; install the same everywhere"
            )


def _take_next(remaining: Iterator[Part], waiting: deque[Part]) -> None:
    """Move the next part, if there is one, to the waiting ones."""
    part = next(remaining, None)
    if part is not None:
        waiting.append(part)


def _import_ray() -> Any:
    """Import Ray with settings that it reads when imported. Those that the user has set stay."""
    # Else Ray writes about lost workers to stdout, which is for results alone.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if Path(TOKEN_FILE).expanduser().is_file():
        # Ray shows the token to its own cluster; to one given by address only on request.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingExtraError("--ray", "ray", str(error)) from None
    return ray


def _lines(error: BaseException) -> list[str]:
    """Return the lines of an error's message, or the name of its class if it has none."""
    return str(error).strip().splitlines() or [type(error).__name__]


def _first_line(error: BaseException) -> str:
    return _lines(error)[0].rstrip(".:")


def _last_line(error: BaseException) -> str:
    return _lines(error)[-1].rstrip(".:")
