"""Questions and their grading. One file per task; the dicts below are the whole registry."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from strop.errors import UsageError
from strop.tasks.arithmetic import Arithmetic
from strop.tasks.base import STANDARD, Check, Grade, Task
from strop.tasks.dataset import Dataset
from strop.tasks.game24 import Game24
from strop.tasks.game24_file import Game24File
from strop.tasks.gsm8k import Gsm8k
from strop.tasks.imported import Imported
from strop.tasks.lm_eval import LmEval
from strop.tasks.mathematics import Mathematics
from strop.tasks.mmlu import MmluBiology, MmluChemistry, MmluPhysics
from strop.tasks.natural_questions import NaturalQuestions
from strop.tasks.prontoqa import ProntoQA
from strop.tasks.prontoqa_file import ProntoQAFile
from strop.tasks.qa import QuestionsAndAnswers
from strop.tasks.recall import Recall
from strop.tasks.signs import Signs
from strop.tasks.sudoku4 import Sudoku4


def _by_name(*tasks: type[Task]) -> dict[str, type[Task]]:
    return {task.name: task for task in tasks}


EMBEDDED = _by_name(Arithmetic, Signs, Recall, Sudoku4)
"""The tasks that the embedded models were trained for. ``strop gap`` measures them by default."""

TASKS = EMBEDDED | _by_name(
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

OF_FILES: dict[str, type[Dataset]] = {ProntoQA.name: ProntoQAFile, Game24.name: Game24File}
"""What ``--data FILE`` makes of the tasks that otherwise make their own problems."""

ELSEWHERE = _by_name(Imported, LmEval, *OF_FILES.values())
"""Tasks that need more than a name to be built. They stand in run records, but not in TASKS."""


def find_task(
    task: str | Task, data: str | Path | None = None, data_revision: str | None = None
) -> Task:
    """Return the task of a name, of ``NAME:DIFFICULTY`` or ``lm-eval:NAME``, or the given instance.

    ``data`` is a file of rows, ``data_revision`` a revision of the data set on the hub; only tasks
    that read a data set take one of them. Raises UsageError for an unknown task or difficulty.
    """
    if isinstance(task, Task):
        return task
    if data and data_revision:
        raise UsageError("--data and --data-revision: a file has no revision; give one of them")
    data_path = str(Path(data).resolve()) if data else None
    name, colon, rest = task.partition(":")
    if name == LmEval.name and rest:
        return LmEval(rest, data=data_path, revision=data_revision)
    if name not in TASKS:
        known = ", ".join(TASKS)
        raise UsageError(f"there is no task {name!r}; there are {known}, {LmEval.name}:NAME")
    task_class = TASKS[name]
    difficulty = rest if colon else STANDARD
    if issubclass(task_class, Dataset):
        return task_class.at(difficulty, data=data_path, revision=data_revision)
    if data and name in OF_FILES:
        return OF_FILES[name].at(difficulty, data=data_path)
    if data or data_revision:
        data_sets = ", ".join(name for name in TASKS if issubclass(TASKS[name], Dataset))
        raise UsageError(
            f"task {name} makes its own problems; --data and --data-revision are for {data_sets}, "
            f"--data for {', '.join(OF_FILES)}"
        )
    return _shared_instance(task_class, difficulty)


def typed_name(task: Task) -> str:
    """Return the name that finds this task: what a user types behind ``--task``."""
    for name, kind in OF_FILES.items():
        if isinstance(task, kind):
            return task.label.replace(kind.name, name, 1)
    return task.label


@lru_cache
def _shared_instance(task_class: type[Task], difficulty: str) -> Task:
    """Return one instance for all callers, so that its problems are drawn only once."""
    return task_class.at(difficulty)


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
    "find_task",
    "typed_name",
]
