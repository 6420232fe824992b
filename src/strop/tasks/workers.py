"""Processes for work that is not to be trusted with ours: libraries that hang, eat memory, or run in a main thread only.

A worker is ``python -m MODULE``, which calls ``serve``; it reads questions and writes answers as JSON lines, so that nothing is imported
twice and no ``__main__`` guard is needed. Workers start when first needed, are used again, and end with this process, however it ends.

A question has ``cpu_seconds`` of processor time, so that what comes of it does not depend on how busy the machine is, and ``seconds`` in
all; a worker has ``memory`` bytes. Running out of the time is "timed out", and of the memory, or two crashes in a row, "crashed".
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
    """What came of a question: ``value``, or in ``trouble`` why there is none."""

    value: Any = None
    trouble: str | None = None


class Pool:
    """At most ``size`` workers of a module, set up alike; a thread that finds none free waits. Safe from any thread."""

    def __init__(
        self, module: str, settings: Any = None, *, size: int = 2, start_seconds: float = 60.0
    ) -> None:
        self.module, self.settings, self.start_seconds = module, settings, start_seconds
        self.all: set[_Worker] = set()
        self._size = size
        self._forget()
        _POOLS.add(self)

    def _forget(self) -> None:
        """Begin without workers."""
        self._places, self._lock = threading.BoundedSemaphore(self._size), threading.Lock()
        self._idle: list[_Worker] = []
        self.all = set()

    def ask(self, question: Any, *, cpu_seconds: float, seconds: float) -> Answer:
        """The worker's answer. UsageError where it raised one; StropError if no worker starts."""
        line = json.dumps([cpu_seconds, question]).encode() + b"\n"
        with self._places:
            answer = self._reply(line, seconds)
            if answer.trouble == "crashed":  # perhaps killed from outside, while idle
                answer = self._reply(line, seconds)
        return answer

    def _reply(self, line: bytes, seconds: float) -> Answer:
        worker = self._take()
        usable = False
        try:
            reply, late = worker.exchange(line, seconds)
            usable = reply != b"" and not late
            if usable:
                return _read(reply)
            spent = worker.process.wait() == -getattr(signal, "SIGPROF", 0)
            return Answer(trouble="timed out" if late or spent else "crashed")
        finally:
            if usable:
                with self._lock:
                    self._idle.append(worker)
            else:
                self._drop(worker)

    def _take(self) -> _Worker:
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
            ending, self.all, self._idle = self.all, set(), []
        for worker in ending:
            worker.end()


class _Worker:
    """One process, set up when the constructor returns."""

    def __init__(self, module: str, settings: Any, start_seconds: float) -> None:
        roots = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        one_thread = dict.fromkeys(
            ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | one_thread | {"PYTHONPATH": os.pathsep.join(filter(None, roots))},
            start_new_session=True,  # Ctrl-C is for us, not for it
        )
        try:
            reply, _ = self.exchange(json.dumps(settings).encode() + b"\n", start_seconds)
            answer = _read(reply) if reply else Answer()
            if answer.value != READY:
                raise StropError(
                    f"a process of {module} did not start ({answer.trouble or 'it died'}); try  python -m {module}"
                )
        except BaseException:
            self.end()
            raise

    def exchange(self, line: bytes, seconds: float) -> tuple[bytes, bool]:
        """One line back, empty if the process is gone; and whether it had to be killed because the time was up."""
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
        """Kill it, whatever it does."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self.process.wait()


def _read(reply: bytes) -> Answer:
    kind, value = json.loads(reply)
    if kind == "usage":
        raise UsageError(value)
    return Answer(value=value) if kind == "value" else Answer(trouble=value)


_POOLS: WeakSet[Pool] = WeakSet()


@atexit.register
def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


def _forget_all() -> None:
    """In a forked child: the workers are the parent's."""
    for pool in list(_POOLS):
        pool._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def serve(prepare: Callable[[Any], Callable[[Any], Any]], *, memory: int) -> None:
    """Be a worker until the input ends: ``prepare`` takes the settings and gives the function that answers.

    Its own timer kills it in the middle of anything, so it outlives no question of a dead parent.
    """
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit_memory(memory)
    logging.disable(logging.CRITICAL)
    timer = getattr(signal, "ITIMER_PROF", None)
    if timer is not None:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # the default is to die

    def reply(make: Callable[[], Any]) -> None:
        try:
            answer = ["value", make()]
        except UsageError as error:
            answer = ["usage", str(error)]
        except (Exception, MemoryError) as error:
            answer = ["trouble", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"]
        if timer is not None:
            signal.setitimer(timer, 0)
        replies.write(json.dumps(answer).encode() + b"\n")

    answers: list[Callable[[Any], Any]] = []

    def begin() -> str:
        answers.append(prepare(json.loads(sys.stdin.buffer.readline())))
        return READY

    reply(begin)
    for line in sys.stdin.buffer:
        cpu_seconds, question = json.loads(line)
        if timer is not None:
            signal.setitimer(timer, cpu_seconds)
        reply(partial(answers[0], question))


def _limit_memory(memory: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
