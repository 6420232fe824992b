"""What is asked, and what is right? One file per task; the dicts below are the whole registry."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from strop.errors import UsageError
from strop.tasks.arithmetic import Arithmetic
from strop.tasks.base import STANDARD, Check, Grade, Task
from strop.tasks.dataset import Dataset
from strop.tasks.game24 import Game24
from strop.tasks.gsm8k import Gsm8k
from strop.tasks.imported import Imported
from strop.tasks.lm_eval import LmEval
from strop.tasks.mathematics import Mathematics
from strop.tasks.mmlu import MmluBiology, MmluChemistry, MmluPhysics
from strop.tasks.natural_questions import NaturalQuestions
from strop.tasks.prontoqa import ProntoQA
from strop.tasks.qa import QuestionsAndAnswers
from strop.tasks.recall import Recall
from strop.tasks.signs import Signs
from strop.tasks.sudoku4 import Sudoku4

EMBEDDED: dict[str, type[Task]] = {
    "arithmetic": Arithmetic,
    "signs": Signs,
    "recall": Recall,
    "sudoku4": Sudoku4,
}
"""The tasks that the embedded models were trained for: what ``strop gap`` measures when no task is named."""

TASKS: dict[str, type[Task]] = EMBEDDED | {
    task.name: task
    for task in (
        Gsm8k,
        Mathematics,
        NaturalQuestions,
        MmluBiology,
        MmluPhysics,
        MmluChemistry,
        ProntoQA,
        Game24,
        QuestionsAndAnswers,
    )
}

ELSEWHERE: dict[str, type[Task]] = {"imported": Imported, "lm-eval": LmEval}
"""What others ask and grade: no task by itself, but run records name them."""


def find_task(
    task: str | Task, data: str | Path | None = None, data_revision: str | None = None
) -> Task:
    """A task by name, name and difficulty as in ``arithmetic:hard``, ``lm-eval:NAME``, or the instance itself.

    ``data`` and ``data_revision``: a data set's file, or its revision on the hub.
    """
    if isinstance(task, Task):
        return task
    name, colon, rest = task.partition(":")
    if data and data_revision:
        raise UsageError("--data and --data-revision: a file has no revision; give one of them")
    origin = {"data": str(Path(data).resolve()) if data else None, "revision": data_revision}
    if name == LmEval.name and rest:
        return LmEval(rest, **origin)
    if name not in TASKS:
        raise UsageError(
            f"there is no task {name!r}; there are {', '.join(TASKS)}, {LmEval.name}:NAME"
        )
    found = TASKS[name]
    if issubclass(found, Dataset):
        return found.at(rest if colon else STANDARD, **origin)
    if data or data_revision:
        raise UsageError(
            f"task {name} makes its own problems; --data and --data-revision are for {', '.join(_data_sets())}"
        )
    return _embedded(found, rest if colon else STANDARD)


@lru_cache
def _embedded(kind: type[Task], level: str) -> Task:
    """One instance for all who ask, so that its problems are drawn once."""
    return kind.at(level)


def _data_sets() -> list[str]:
    return [name for name, task in TASKS.items() if issubclass(task, Dataset)]


__all__ = [
    "ELSEWHERE",
    "EMBEDDED",
    "STANDARD",
    "TASKS",
    "Arithmetic",
    "Check",
    "Dataset",
    "Grade",
    "LmEval",
    "Recall",
    "Signs",
    "Sudoku4",
    "Task",
]
