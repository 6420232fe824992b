"""Worker processes for libraries that may hang, exhaust the memory, or need a main thread.

A worker is ``python -m MODULE``, which calls ``serve``; it reads questions and writes answers as
JSON lines. So nothing is imported twice, and scripts need no ``__main__`` guard. Workers start when
they are first needed, are used again, and end with this process, however it ends.

A question may use ``cpu_seconds`` of processor time, so that its answer does not depend on how busy
the machine is, and ``seconds`` in all; a worker has ``memory`` bytes. A question that runs out of
time is "timed out"; one that runs out of memory or crashes twice in a row is "crashed".
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakSet

from strop.errors import StropError, UsageError

READY = "ready"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question: a ``value``, or the ``trouble`` for which there is none."""

    value: Any = None
    trouble: str | None = None


class Pool:
    """Workers of one module with the same settings, at most ``size``.

    Safe to use from any thread: a thread that finds no idle worker waits for one.
    """

    def __init__(
        self, module: str, settings: Any = None, *, size: int = 2, start_seconds: float = 60.0
    ) -> None:
        self.module = module
        self.settings = settings
        self.start_seconds = start_seconds
        self._size = size
        self._reset()
        _POOLS.add(self)

    def _reset(self) -> None:
        """Begin without workers, and with locks that no thread holds."""
        self._free = threading.BoundedSemaphore(self._size)
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self.all: set[_Worker] = set()

    def ask(self, question: Any, *, cpu_seconds: float, seconds: float) -> Answer:
        """Return the worker's answer.

        Raises UsageError if the worker raised one, and StropError if no worker starts.
        """
        line = json.dumps([cpu_seconds, question]).encode() + b"\n"
        with self._free:
            answer = self._ask_worker(line, seconds)
            if answer.trouble == "crashed":  # perhaps it was killed from outside while idle
                answer = self._ask_worker(line, seconds)
        return answer

    def _ask_worker(self, line: bytes, seconds: float) -> Answer:
        worker = self._take()
        usable = False
        try:
            reply, late = worker.exchange(line, seconds)
            usable = reply != b"" and not late
            if usable:
                return _read(reply)
            # The worker's own timer for processor time ends it with SIGPROF (see ``serve``).
            out_of_cpu = worker.process.wait() == -getattr(signal, "SIGPROF", 0)
            return Answer(trouble="timed out" if late or out_of_cpu else "crashed")
        finally:
            if usable:
                with self._lock:
                    self._idle.append(worker)
            else:
                self._drop(worker)

    def _take(self) -> _Worker:
        """Return an idle worker that is alive, or a new one."""
        while True:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            if worker is None:
                worker = _Worker(self.module, self.settings, self.start_seconds)
                with self._lock:
                    self.all.add(worker)
                return worker
            if worker.process.poll() is None:
                return worker
            self._drop(worker)

    def _drop(self, worker: _Worker) -> None:
        worker.end()
        with self._lock:
            self.all.discard(worker)

    def close(self) -> None:
        """End all workers; a later question starts new ones."""
        with self._lock:
            workers = self.all
            self.all = set()
            self._idle = []
        for worker in workers:
            worker.end()


class _Worker:
    """One process; it is ready when the constructor returns."""

    def __init__(self, module: str, settings: Any, start_seconds: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for this process, not for the worker
        )
        try:
            reply, _ = self.exchange(json.dumps(settings).encode() + b"\n", start_seconds)
            answer = _read(reply) if reply else Answer()
            if answer.value != READY:
                reason = answer.trouble or "it died"
                raise StropError(
                    f"a process of {module} did not start ({reason}); try  python -m {module}"
                )
        except BaseException:
            self.end()
            raise

    def exchange(self, line: bytes, seconds: float) -> tuple[bytes, bool]:
        """Send a line and return the reply, which is empty if the process died.

        The second value is True if the process was killed because the time was up.
        """
        late = threading.Event()

        def expire() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(seconds, expire)
        timer.daemon = True
        timer.start()
        try:
            reply = self._talk(line)
        finally:
            timer.cancel()
            timer.join()
        return reply, late.is_set()

    def _talk(self, line: bytes) -> bytes:
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.process.stdin.write(line)
            self.process.stdin.flush()
            return self.process.stdout.readline()
        return b""

    def end(self) -> None:
        """Kill the process, whatever it is doing."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self.process.wait()


def _environment() -> dict[str, str]:
    """Return this process's environment, with the package's folder and one thread a library."""
    roots = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, roots))
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[threads] = "1"
    return environment


def _read(reply: bytes) -> Answer:
    outcome, value = json.loads(reply)
    if outcome == "usage":
        raise UsageError(value)
    return Answer(value=value) if outcome == "value" else Answer(trouble=value)


_POOLS: WeakSet[Pool] = WeakSet()


@atexit.register
def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


def _reset_all() -> None:
    """Begin without workers in a forked child: they belong to the parent."""
    for pool in list(_POOLS):
        pool._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)


def serve(prepare: Callable[[Any], Callable[[Any], Any]], *, memory: int) -> None:
    """Be a worker until the input ends.

    ``prepare`` takes the settings and returns the function that answers questions. A timer of the
    process itself ends it when a question has used its processor time, so that a worker does not
    outlive its parent by more than that.
    """
    # Whatever a library prints must not mix with the replies: they get a copy of stdout.
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit_memory(memory)
    logging.disable(logging.CRITICAL)
    has_timer = hasattr(signal, "setitimer")
    if has_timer:
        # Python installs no handler: the signal's default action ends the process at once, also in
        # the middle of a library's C code.
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def reply(outcome: str, value: Any) -> None:
        if has_timer:
            signal.setitimer(signal.ITIMER_PROF, 0)
        replies.write(json.dumps([outcome, value]).encode() + b"\n")

    def run(function: Callable[[], Any]) -> tuple[str, Any]:
        try:
            return "value", function()
        except UsageError as error:
            return "usage", str(error)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            return "trouble", f"{type(error).__name__}: {reason}"

    settings = sys.stdin.buffer.readline()
    outcome, value = run(lambda: prepare(json.loads(settings)))
    if outcome != "value":
        reply(outcome, value)
        return
    answer = value
    reply("value", READY)
    for line in sys.stdin.buffer:
        cpu_seconds, question = json.loads(line)
        if has_timer:
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        reply(*run(partial(answer, question)))


def _limit_memory(memory: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
