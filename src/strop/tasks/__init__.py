"""What is asked, and what is right? One file per task; the dicts below are the whole registry."""

from __future__ import annotations

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

EMBEDDED: dict[str, type[Task]] = {"arithmetic": Arithmetic, "signs": Signs, "recall": Recall, "sudoku4": Sudoku4}
"""The tasks that the embedded models were trained for: what ``strop gap`` measures when no task is named."""

TASKS: dict[str, type[Task]] = EMBEDDED | {
    task.name: task
    for task in (Gsm8k, Mathematics, NaturalQuestions, MmluBiology, MmluPhysics, MmluChemistry, ProntoQA, Game24, QuestionsAndAnswers)
}

ELSEWHERE: dict[str, type[Task]] = {"imported": Imported, "lm-eval": LmEval}
"""What others ask and grade: no task by itself, but run records name them."""

__all__ = [
    "ELSEWHERE", "EMBEDDED", "STANDARD", "TASKS", "Arithmetic", "Check", "Dataset", "Grade", "LmEval", "Recall", "Signs", "Sudoku4", "Task",
]  # fmt: skip
