"""Progress on stderr: how much of a stage is done, how fast, and how long it will take.

Work reports to a ``Watcher``. ``Silent`` ignores the reports, ``Titled`` adds a title to them, and
``Bars`` shows them: as bars on a terminal, and as lines in a log file.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from strop.records import Usage

LOG_INTERVAL = 60.0
"""Seconds between two lines in a log, at most."""


class Watcher(Protocol):
    """Receives the progress of stages, one stage after the other."""

    def begin(self, stage: str, total: int, done: int, responses: int = 0) -> None:
        """A stage of ``total`` parts begins, of which ``done`` exist already.

        ``responses``: the responses that all parts are about, 0 where a stage has none.
        """

    def advance(self, usage: Usage) -> None:
        """One more part is done, at the cost of ``usage``."""


class Silent:
    """Ignores all progress."""

    def begin(self, stage: str, total: int, done: int, responses: int = 0) -> None:
        pass

    def advance(self, usage: Usage) -> None:
        pass


@dataclass(frozen=True)
class Titled:
    """Prefixes stage names with a title, such as the model that they are about."""

    watcher: Watcher
    title: str

    def begin(self, stage: str, total: int, done: int, responses: int = 0) -> None:
        self.watcher.begin(f"{self.title} {stage}", total, done, responses)

    def advance(self, usage: Usage) -> None:
        self.watcher.advance(usage)


@dataclass
class _Stage:
    """The progress of one stage. Times are in seconds of the display's clock."""

    name: str
    total: int
    resumed: int
    began: float
    responses: int = 0
    done: int = 0
    tokens: int = 0

    def advance(self, usage: Usage) -> None:
        self.done += 1
        self.tokens += usage.prompt_tokens + usage.generated_tokens

    @property
    def is_over(self) -> bool:
        return self.resumed + self.done >= self.total

    def rate(self, now: float) -> str:
        """Return the tokens per second since the stage began, or "" if it has just begun."""
        elapsed = now - self.began
        # The rate of the first instant is noise.
        if not self.done or elapsed <= 0.05:
            return ""
        return f"{self.tokens / elapsed:,.0f} tok/s"

    def count(self) -> str:
        """Return how many parts are done, and about how many responses.

        All parts but the last are about equally many responses.
        """
        done = self.resumed + self.done
        if not self.responses:
            return f"{done:,} of {self.total:,}"
        responses = self.responses * done // self.total
        return f"{done:,} of {self.total:,} parts, {responses:,} of {self.responses:,} responses"

    def line(self, now: float) -> str:
        """Return the progress as a line for a log."""
        elapsed = now - self.began
        facts = [f"{self.name}: {self.count()}"]
        if self.resumed:
            facts.append(f"{self.resumed:,} from before")
        if self.rate(now):
            facts.append(self.rate(now))
        facts.append(f"{_duration(elapsed)} elapsed")
        if self.done and not self.is_over:
            left = self.total - self.resumed - self.done
            facts.append(f"about {_duration(left * elapsed / self.done)} left")
        return ", ".join(facts)


def _duration(seconds: float) -> str:
    """Return hours, minutes and seconds, "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


class Bars:
    """Shows progress on stderr: a bar per stage on a terminal, lines anywhere else.

    A log gets a line when a stage is over, and during a long stage one every ``LOG_INTERVAL``
    seconds: the stage, its parts and responses, tokens a second and the time left. ``title`` is
    written before the name of each stage.
    """

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.title = ""
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._stage: _Stage | None = None
        self._display: _Terminal | _Log
        if self._console.is_terminal:
            self._display = _Terminal(self._console)
        else:
            self._display = _Log(self._console, clock)

    def __enter__(self) -> Bars:
        """Show nothing yet: if something fails before a stage begins, its message stands alone."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._display.close()

    def show(self, above: RenderableType, line: str) -> None:
        """Show ``above`` over the bars and remove the bars so far, or write ``line`` to a log."""
        self._display.show(above, line)

    def waiting(self, what: str) -> None:
        """Write ``what`` to a log once a minute until a stage begins; a terminal shows nothing.

        If it fails within a minute, its message stands alone.
        """
        if isinstance(self._display, _Log):
            self._display.begin(_Stage(what, total=1, resumed=0, began=self._clock()))

    def begin(self, stage: str, total: int, done: int, responses: int = 0) -> None:
        """Start showing a stage."""
        name = f"{self.title} {stage}".strip()
        self._stage = _Stage(name, total, done, self._clock(), responses)
        self._display.begin(self._stage)

    def advance(self, usage: Usage) -> None:
        """Show that one more part is done."""
        assert self._stage is not None, "a stage begins before it advances"
        self._stage.advance(usage)
        self._display.advance(self._stage, self._clock())


class _Terminal:
    """Bars of all stages, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._progress = _ProgressBelow(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=14),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>14}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task: TaskID | None = None

    def begin(self, stage: _Stage) -> None:
        self._progress.start()
        rate = "resumed" if stage.resumed else ""
        self._task = self._progress.add_task(
            stage.name, total=stage.total, completed=stage.resumed, rate=rate
        )

    def advance(self, stage: _Stage, now: float) -> None:
        assert self._task is not None
        self._progress.update(self._task, advance=1, rate=stage.rate(now))

    def show(self, above: RenderableType, line: str) -> None:
        self._progress.above = above
        for task in self._progress.tasks:
            self._progress.remove_task(task.id)

    def close(self) -> None:
        if self._task is not None:
            # What stood above the bars is printed again, in full, by the command.
            self._progress.above = None
            self._progress.stop()


class _ProgressBelow(Progress):
    """Bars with something above them."""

    above: RenderableType | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.above is not None:
            yield self.above
        yield from super().get_renderables()


class _Log:
    """Lines for a file or a pipe, where nothing can be redrawn."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._stage: _Stage | None = None
        self._last_line = clock()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, stage: _Stage) -> None:
        with self._lock:
            self._stage = stage
            if stage.is_over:
                self._write(stage.line(stage.began))
        if self._thread is None:
            # A part can take longer than the interval, so that advance() alone is not enough.
            self._thread = threading.Thread(target=self._keep_writing, daemon=True)
            self._thread.start()

    def advance(self, stage: _Stage, now: float) -> None:
        if not stage.is_over:
            self.write_if_due()
            return
        with self._lock:
            self._write(stage.line(now))

    def show(self, above: RenderableType, line: str) -> None:
        with self._lock:
            self._write(line)

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def write_if_due(self) -> None:
        """Write a line about the stage if the last line is older than ``LOG_INTERVAL``."""
        with self._lock:
            now = self._clock()
            stage = self._stage
            if stage is None or stage.is_over or now - self._last_line < LOG_INTERVAL:
                return
            self._write(stage.line(now))

    def _keep_writing(self) -> None:
        while not self._closed.wait(timeout=1.0):
            self.write_if_due()

    def _write(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._last_line = self._clock()
