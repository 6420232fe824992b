"""Are two mathematical answers the same?

Equal forms (``latex.normalise_math``) are; so much is decided here. Of other forms math-verify is asked, if it is installed, in a worker
process: sympy can be made to compute for ever or to eat all memory, in steps that no signal handler and no thread can interrupt, and
math-verify works in a main thread only. Workers are ``python -m strop.tasks.math_workers``, which reads pairs and writes verdicts as JSON
lines, so that nothing is imported twice and no ``__main__`` guard is needed. They start when first needed, are used again, and end with
this process, however it ends.

Only the forms are shown to math-verify, so answers that are one vote get one verdict. What it is lax about is decided here: two plain
numbers are compared exactly, bases count (``202_7`` is not ``202_8``; a base that one side leaves out is allowed), words are not products
of letters, and brackets of lists must be the same.

A comparison has CPU_SECONDS of processor time, so that verdicts do not depend on how busy the machine is, and SECONDS in all. Running out
of either, or of MEMORY, or two crashes in a row, count as not equal, and in ``COUNTS``.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from functools import cache, lru_cache
from pathlib import Path

from strop.errors import StropError
from strop.tasks.latex import WORDS, normalise_math

CPU_SECONDS = 1.0
SECONDS = 4.0
START_SECONDS = 60.0
MEMORY = 1 << 30
WORKERS = 2

COUNTS: Counter[str] = Counter()
"""How often math-verify was "asked" in this process, and how many of these comparisons "timed out" or "crashed"."""


@cache
def grader() -> str:
    """Who decides, for the record: "math-verify 0.9.0", or "strop normaliser" where that is not installed."""
    if importlib.util.find_spec("math_verify") is None:
        return "strop normaliser"
    return f"math-verify {importlib.metadata.version('math-verify')}"


def same_math(answer: str, reference: str) -> bool:
    """Is the answer the reference? What has no form is the same as nothing. Safe to call from any thread."""
    return _same_forms(normalise_math(answer), normalise_math(reference))


_NUMBER = re.compile(r"-?(?:\d+|\\frac\{\d+\}\{\d+\})")
_BASED = re.compile(r"\(?(\d[\dA-F]*)\)?(?:_\{\(?(\d+)\)?\})?")
_BRACKETED = re.compile(r"(\(|\[|\\\{)(?:[^()\[\]\\]|\\(?![{}]))*,(?:[^()\[\]\\]|\\(?![{}]))*(\)|\]|\\\})")


def _settled(answer: str, reference: str) -> bool | None:
    """What is decided without math-verify."""
    if not answer or not reference or answer == reference:
        return bool(answer) and answer == reference
    if _NUMBER.fullmatch(answer) and _NUMBER.fullmatch(reference):
        return False
    based = _BASED.fullmatch(answer), _BASED.fullmatch(reference)
    if based[0] and based[1] and (based[0][2] or based[1][2]):
        return based[0][1] == based[1][1] and (not (based[0][2] and based[1][2]) or based[0][2] == based[1][2])
    for form in (answer, reference):
        if (WORDS.fullmatch(form) and len(form) > 3 and re.search("[a-z]{2}", form)) or "answer" in form.lower():
            return False
    brackets = _BRACKETED.fullmatch(answer), _BRACKETED.fullmatch(reference)
    if brackets[0] and brackets[1] and brackets[0].groups() != brackets[1].groups():
        return False
    return None


@lru_cache(maxsize=20_000)
def _same_forms(answer: str, reference: str) -> bool:
    settled = _settled(answer, reference)
    if settled is not None:
        return settled
    return grader() != "strop normaliser" and _POOL.ask(answer, reference)


class _Worker:
    """One process that compares, ready when the constructor returns."""

    def __init__(self) -> None:
        roots = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "strop.tasks.math_workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | one_thread | {"PYTHONPATH": os.pathsep.join(filter(None, roots))},
            start_new_session=True,  # Ctrl-C is for us, not for it
        )
        try:
            reply, _ = self.exchange(None, START_SECONDS)
        except BaseException:
            self.end()
            raise
        if reply != b"ready\n":
            self.end()
            raise StropError(f"{grader()} is installed, but a process that uses it did not start; try  python -c 'import math_verify'")

    def exchange(self, line: bytes | None, seconds: float) -> tuple[bytes, bool]:
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

    def _talk(self, line: bytes | None) -> bytes:
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if line is not None:
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


class _Pool:
    """At most WORKERS processes; a thread that finds none free waits."""

    def __init__(self) -> None:
        self.places = threading.BoundedSemaphore(WORKERS)
        self.lock = threading.Lock()
        self.idle: list[_Worker] = []
        self.all: set[_Worker] = set()

    def ask(self, answer: str, reference: str) -> bool:
        """math-verify's verdict; False if it comes to none."""
        line = json.dumps([answer, reference]).encode() + b"\n"
        with self.places:
            reply, why = self._reply(line)
            if not reply and why == "crashed":  # perhaps killed from outside, while idle
                reply, why = self._reply(line)
        with self.lock:
            COUNTS["asked"] += 1
            if reply not in (b"true\n", b"false\n"):
                COUNTS[why] += 1
        return reply == b"true\n"

    def _reply(self, line: bytes) -> tuple[bytes, str]:
        """The worker's line, and why it is none if it is none."""
        worker = self._take()
        usable = False
        try:
            reply, late = worker.exchange(line, SECONDS)
            usable = reply != b"" and not late
            spent = not usable and worker.process.wait() == -getattr(signal, "SIGPROF", 0)
            return reply, "timed out" if late or spent else "crashed"
        finally:
            if usable:
                with self.lock:
                    self.idle.append(worker)
            else:
                self._drop(worker)

    def _take(self) -> _Worker:
        while True:
            with self.lock:
                worker = self.idle.pop() if self.idle else None
            if worker is None:
                worker = _Worker()
                with self.lock:
                    self.all.add(worker)
                return worker
            if worker.process.poll() is None:
                return worker
            self._drop(worker)

    def _drop(self, worker: _Worker) -> None:
        worker.end()
        with self.lock:
            self.all.discard(worker)

    def close(self) -> None:
        """End all workers; a later question starts new ones."""
        with self.lock:
            ending, self.all, self.idle = self.all, set(), []
        for worker in ending:
            worker.end()


_POOL = _Pool()
atexit.register(lambda: _POOL.close())


def _forget() -> None:
    """In a forked child: the workers are the parent's."""
    global _POOL
    _POOL = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _serve() -> None:
    """The worker: pairs in, verdicts out, until the input ends. Its own timer kills it, so it outlives no comparison of a dead parent."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit_memory()
    logging.disable(logging.CRITICAL)
    library = importlib.import_module("math_verify")
    normalisation = importlib.import_module("latex2sympy2_extended.math_normalization").NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=False, nits=False, boxed="none", equations=False
    )
    config = [library.LatexExtractionConfig(boxed_match_priority=-1, normalization_config=normalisation)]

    def verdict(answer: str, reference: str) -> bool:
        read = [library.parse(f"${form}$", config, parsing_timeout=None) for form in (reference, answer)]
        return bool(library.verify(*read, allow_set_relation_comp=True, timeout_seconds=None))

    verdict("x+1", "1+x")
    replies.write(b"ready\n")
    timer = getattr(signal, "ITIMER_PROF", None)
    if timer is not None:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # the default is to die, at once and in the middle of anything
    for line in sys.stdin.buffer:
        if timer is not None:
            signal.setitimer(timer, CPU_SECONDS)
        try:
            reply = b"true\n" if verdict(*json.loads(line)) else b"false\n"
        except (Exception, MemoryError):
            reply = b"error\n"
        if timer is not None:
            signal.setitimer(timer, 0)
        replies.write(reply)


if __name__ == "__main__":
    _serve()
