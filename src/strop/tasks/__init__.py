"""What is asked, and what is right? One file per task; the dict below is the whole registry."""

from __future__ import annotations

from strop.tasks.arithmetic import Arithmetic
from strop.tasks.base import STANDARD, Check, Grade, Task
from strop.tasks.recall import Recall
from strop.tasks.signs import Signs
from strop.tasks.sudoku4 import Sudoku4

TASKS: dict[str, type[Task]] = {"arithmetic": Arithmetic, "signs": Signs, "recall": Recall, "sudoku4": Sudoku4}

__all__ = ["STANDARD", "TASKS", "Arithmetic", "Check", "Grade", "Recall", "Signs", "Sudoku4", "Task"]
