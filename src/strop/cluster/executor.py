"""The executor over Ray: the driver's side of a cluster."""

from __future__ import annotations

import logging
import os
import pickle
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from importlib.metadata import version
from itertools import islice
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
"""So many workers may be lost at one part; then the part is to blame, and not the machines."""
PLACED_SECONDS = 300.0
SEEN_SECONDS = 90.0
"""A network file system may take a minute until a new file shows everywhere."""
OBJECT_STORE_BYTES = 100_000_000
log = logging.getLogger(__name__)


class RayCluster:
    """``workers`` actors of a Ray cluster with ``gpus_per_worker`` GPUs each, as an executor (``strop.run.executors.Executor``).

    ``address``: HOST:PORT; "auto", the cluster that this machine belongs to; "local", one started here and ended with this. A program that
    has called ``ray.init`` keeps its own. ``workers`` None: as many as the cluster has room for. ``placed_seconds``: how long a worker may
    take to be given its place. Raises UsageError where the cluster does not answer or has no room, StropError where workers are lost again
    and again; an error of a worker's own comes as it was raised there.
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
                f"--gpus-per-worker {gpus_per_worker:g}: expected a whole number, or a share below 1"
            )
        self.address, self.gpus_per_worker, self.placed_seconds = (
            address,
            gpus_per_worker,
            placed_seconds,
        )
        self.lost = 0
        """Workers that were lost so far, and replaced."""
        self._asked = workers
        self._workers: list[Any] = []
        self._ray: Any = None
        self._connected = False

    # --- a cluster ---

    def __enter__(self) -> Self:
        self._ray = _import_ray()
        try:
            self._connect()
            count = self._asked or self._room()
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
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if self.address == LOCAL:
            quiet |= {
                "num_cpus": self._asked or default_workers(),
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
            }
        else:
            check_answers(self.address)
        try:
            self._connected = True
            self._ray.init(address=self.address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            raise UsageError(
                f"Ray at {self.address} lets nobody in ({_first_line(error)}); expected a cluster of Ray {self._ray.__version__}. If it "
                "asks for a token, set RAY_AUTH_MODE=token and bring its token here"
            ) from None

    def _room(self) -> int:
        """How many workers the cluster holds as it is; 1 where there is no room yet, for clusters that grow."""
        there = self._ray.cluster_resources()
        by_gpus = (
            there.get("GPU", 0) // self.gpus_per_worker if self.gpus_per_worker else float("inf")
        )
        return max(1, int(min(there.get("CPU", 0), by_gpus)))

    # --- an executor ---

    def load(self, model: str, revision: str | None = None) -> RemoteEngine:
        """Let a worker load the model, and say what it is. The others load it when they first need it."""
        found = Model(model, revision)
        self._arrived()
        return RemoteEngine(found, self._get(self._workers[0].card.remote(found)), self._ask)

    def work(
        self,
        stage: Stage,
        parts: Iterable[Part],
        engine: Engine | None,
        folder: RunFolder,
        done: Callable[[Usage], None],
    ) -> None:
        """Each worker has one part at a time. The part of a lost worker is the next one to be handed out."""
        self._check_sendable(stage, engine)
        model, fingerprint = (
            (engine.model, engine.fingerprint) if isinstance(engine, RemoteEngine) else (None, "")
        )
        path = str(folder.path.resolve())
        left, losses, idle = iter(parts), Counter[int](), list[Any]()
        waiting = deque(islice(left, 1))
        running: dict[Any, tuple[Any, Part | None]] = {
            worker.arrive.remote(): (worker, None) for worker in self._workers if waiting
        }
        while waiting or any(part for _, part in running.values()):
            while waiting and idle:
                worker, next_part = idle.pop(), waiting.popleft()
                # Not tried again by Ray: another worker may be free while this one starts anew, if it ever does.
                running[
                    worker.do.options(max_task_retries=0).remote(
                        stage, next_part, model, fingerprint, path
                    )
                ] = (worker, next_part)
                waiting.extend(islice(left, 1) if idle and not waiting else [])
            call = self._next(running)
            worker, part = running.pop(call)
            if part is None:
                self._greet(call)
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
            waiting.extend([] if waiting else islice(left, 1))

    def _next(self, running: dict[Any, tuple[Any, Part | None]]) -> Any:
        """A call that has come back. Parts may take their time; a worker's place may not."""
        busy = any(part for _, part in running.values())
        ready, _ = self._ray.wait(list(running), timeout=None if busy else self.placed_seconds)
        if not ready:
            self._refuse_room()
        return ready[0]

    def _arrived(self) -> None:
        """Wait for the first worker, so that ``_workers`` begins with one that is there."""
        calls: dict[Any, tuple[Any, Part | None]] = {
            worker.arrive.remote(): (worker, None) for worker in self._workers
        }
        call = self._next(calls)
        self._greet(call)
        first, _ = calls[call]
        self._workers.sort(key=lambda worker: worker is not first)

    def _ask(self, model: Model, question: str, *arguments: Any) -> Any:
        return self._get(self._workers[0].ask.remote(model, question, *arguments))

    def _get(self, call: Any) -> Any:
        """What a worker answered. A StropError of its own is raised here as it was there."""
        try:
            return self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, StropError):
                raise error.cause from None
            if isinstance(error.cause, self._ray.exceptions.RaySystemError):
                raise UsageError(
                    f"a worker cannot read what it was sent ({_first_line(error.cause)}); every machine needs the modules that your own "
                    "tasks and verifiers stand in, and the same strop"
                ) from None
            raise

    def _check_sendable(self, stage: Stage, engine: Engine | None) -> None:
        if engine is not None and not isinstance(engine, RemoteEngine):
            raise UsageError(
                f"model {engine.name} was loaded in this process; workers load a model themselves: give its name"
            )
        try:
            self._ray.cloudpickle.dumps(stage)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise UsageError(
                f"{stage.name} cannot be sent to other machines ({_first_line(error)}); a task and a verifier there are frozen dataclasses "
                "of plain values"
            ) from None

    def _await_part(self, folder: RunFolder, stage: Stage, part: Part) -> None:
        deadline = time.monotonic() + SEEN_SECONDS
        while not folder.has_part(stage.name, part.number):
            if time.monotonic() > deadline:
                raise StoreError(
                    f"a worker wrote {folder.part_path(stage.name, part.number)}, and here it is not seen; choose an --out that every "
                    "machine sees under the same path"
                )
            time.sleep(0.2)

    def _note_loss(self, stage: Stage, part: Part, losses: int) -> None:
        self.lost += 1
        if losses >= LOSSES:
            raise StropError(
                f"{losses} workers in turn were lost at part {part.number} of {stage.name}; they may lack memory: look at Ray's logs, "
                "ask for fewer workers, then run the same command again to go on"
            )
        log.warning(
            "strop: a worker was lost; part %d of %s is done again", part.number, stage.name
        )

    def _refuse_room(self) -> None:
        there = {name: self._ray.cluster_resources().get(name, 0) for name in ("CPU", "GPU")}
        raise UsageError(
            f"no worker was given a place within {self.placed_seconds:g} s: each takes 1 CPU and {self.gpus_per_worker:g} GPUs, and the "
            f"cluster has {there['CPU']:g} CPUs and {there['GPU']:g} GPUs in all; free some, or ask for fewer with --gpus-per-worker"
        )

    def _greet(self, call: Any) -> None:
        """See who has arrived. Where a worker cannot begin, it says so only now."""
        try:
            arrival = self._get(call)
        except self._ray.exceptions.RayActorError as error:
            raise StropError(
                f"a worker could not start, or the cluster ended ({_last_line(error)[:200]}); see that Ray runs, and on every machine the "
                "same strop, then run the same command again to go on"
            ) from None
        if arrival.version != version("strop"):
            raise UsageError(
                f"the worker on {arrival.host} has strop {arrival.version}, and here is {version('strop')}; give all the same"
            )


def _import_ray() -> Any:
    """Ray, told what it reads when it is imported. What the user has set stays."""
    os.environ.setdefault(
        "RAY_DEDUP_LOGS_SKIP_REGEX", "."
    )  # else Ray writes of lost workers to stdout, which is for results alone
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if (
        Path("~/.ray/auth_token").expanduser().is_file()
    ):  # Ray shows it to its own cluster; to one by address only if told
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingExtraError("--ray", "ray", str(error)) from None
    return ray


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:")


def _last_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].rstrip(".:")
