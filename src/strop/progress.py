"""Progress on stderr: what is done, how fast, and how long it will take."""

from __future__ import annotations

from collections.abc import Iterable
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


class Silent:
    """Tells nobody."""

    def begin(self, stage: str, total: int, done: int) -> None:
        """A stage begins."""

    def advance(self, usage: Usage) -> None:
        """A part is done."""


class _Below(Progress):
    """Bars with something above them."""

    above: RenderableType | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.above is not None:
            yield self.above
        yield from super().get_renderables()


class Bars:
    """A bar for each stage, with tokens per second of work and the time left. Plain lines where stderr is no terminal."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=14),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:>14}"),
            TimeRemainingColumn(),
        )
        self.progress = _Below(*columns, console=self.console)
        self.task: TaskID | None = None
        self.title = ""
        self.tokens = 0

    def __enter__(self) -> Bars:
        """Nothing is shown before a stage begins: what fails earlier says its one line alone."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.task is not None:
            self.progress.above = None
            self.progress.stop()

    def show(self, above: RenderableType, line: str) -> None:
        """Show this above the bars, in place of what stood there and of the bars of stages that are over; else the line alone."""
        if self.console.is_terminal:
            self.progress.above = above
            for task in self.progress.tasks:
                self.progress.remove_task(task.id)
        else:
            self.console.print(line, markup=False, soft_wrap=True)

    def begin(self, stage: str, total: int, done: int) -> None:
        """A stage begins; ``done`` parts were there already."""
        self.tokens = 0
        self.progress.start()
        self.task = self.progress.add_task(
            f"{self.title} {stage}", total=total, completed=done, rate="resumed" if done else ""
        )

    def advance(self, usage: Usage) -> None:
        """One more part is done."""
        assert self.task is not None
        self.tokens += usage.prompt_tokens + usage.generated_tokens
        elapsed = next(task.elapsed for task in self.progress.tasks if task.id == self.task) or 0.0
        rate = f"{self.tokens / elapsed:,.0f} tok/s" if elapsed > 0.05 else ""
        self.progress.update(self.task, advance=1, rate=rate)


class Watcher(Protocol):
    """Is told how a stage goes on."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, usage: Usage) -> None: ...


@dataclass(frozen=True)
class Titled:
    """Tells another watcher of stages, and which of several models they are about."""

    watcher: Watcher
    title: str

    def begin(self, stage: str, total: int, done: int) -> None:
        self.watcher.begin(f"{self.title} {stage}", total, done)

    def advance(self, usage: Usage) -> None:
        self.watcher.advance(usage)
