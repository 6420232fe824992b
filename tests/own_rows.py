"""Tasks to try things on: those that read a data set take the package's own rows of it."""

from __future__ import annotations

from typing import TypeVar

from strop.tasks import Dataset, Task
from strop.tasks.dataset import ROWS

AnyTask = TypeVar("AnyTask", bound=Task)


def on_own_rows(kind: type[AnyTask]) -> AnyTask:
    """Return the task with its default settings, a data set on the package's own rows."""
    if issubclass(kind, Dataset):
        return kind(data=str(ROWS / f"{kind.name}.jsonl"))
    return kind()
