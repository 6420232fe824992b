"""Gold answers of other people's files: read where they mean one thing, refused where they do not.

Covers ``read_gold`` and ``answer_is_right`` of every task.
"""

from __future__ import annotations

from typing import Any

import pytest

from strop.records import Problem
from strop.tasks import TASKS, Dataset, Task, find_task
from tests.own_rows import on_own_rows

MMLU_QUESTION = "Which?\n(A) a root\n(B) a leaf\n(C) 1\n(D) 0"
GOLDS: list[tuple[str, Any, str]] = [
    # task, gold as a file gives it, the reference
    ("gsm8k", "18", "#### 18"),
    ("gsm8k", 18, "#### 18"),
    ("gsm8k", 18.0, "#### 18"),
    ("gsm8k", "$1,800", "#### 1800"),
    ("gsm8k", "18 apples", "18 apples\n#### 18"),
    ("gsm8k", "2*9 = 18\n#### 18", "2*9 = 18\n#### 18"),
    ("gsm8k", r"2*9 = \boxed{18}", "2*9 = \\boxed{18}\n#### 18"),
    ("gsm8k", "12 (i.e., 1 dozen)", "12 (i.e., 1 dozen)\n#### 12"),
    ("gsm8k", "#### 12 (i.e., 1 dozen)", "#### 12 (i.e., 1 dozen)"),
    ("math", "18", r"\boxed{18}"),
    ("math", 18, r"\boxed{18}"),
    ("math", r"\frac12", r"\boxed{\frac12}"),
    ("math", r"$\frac12$", r"\boxed{\frac12}"),
    ("math", "no real solutions", r"\boxed{no real solutions}"),
    ("math", r"It is $\boxed{3}$.", r"It is $\boxed{3}$."),
    ("natural-questions", "Ann Lee", "Ann Lee"),
    ("natural-questions", ["Ann Lee", "Lee"], "Ann Lee\nLee"),
    ("natural-questions", '["Ann Lee", "Lee"]', "Ann Lee\nLee"),
    ("natural-questions", 1969, "1969"),
    ("mmlu-biology", "B", "B"),
    ("mmlu-biology", "b", "B"),
    ("mmlu-biology", "(b)", "B"),
    ("mmlu-biology", "The answer is (B).", "B"),
    ("mmlu-biology", 0, "A"),
    ("mmlu-biology", "3", "D"),
    ("mmlu-biology", 1.0, "B"),
    ("prontoqa", True, "True"),
    ("prontoqa", "false", "False"),
    ("prontoqa", "A", "True"),
    ("prontoqa", "B) False", "False"),
    ("prontoqa", "Max is a vump. The answer is True.", "True"),
    ("game24", "24", "24"),
    ("game24", "(10-4)*(5-1)", "(10-4)*(5-1)"),
    ("arithmetic", 7, "7"),
    ("arithmetic", "9*3=7 #7", "7"),
    ("recall", "goy", "goy"),
]
REFUSED: list[tuple[str, Any, str]] = [
    ("gsm8k", "3 apples cost 6", "one number alone"),
    ("gsm8k", "eighteen", "one number alone"),
    ("gsm8k", "", "not empty"),
    ("gsm8k", ["18"], "a text or a number"),
    ("math", "The first number is one less than the second number.", "the answer alone"),
    ("math", "3\n4", "the answer alone"),
    ("math", r"It is $\boxed{}$.", "which is empty"),
    ("math", True, "a text or a number"),
    ("natural-questions", "['Ann Lee']", "a JSON list"),
    ("natural-questions", [], "at least one accepted answer"),
    ("natural-questions", [["a"]], "a list of texts"),
    ("mmlu-biology", "4", "an index from 0 to 3"),
    ("mmlu-biology", "E", "a letter from A to D"),
    ("mmlu-biology", True, "a text or a number"),
    ("prontoqa", "C", "True or False"),
    ("prontoqa", "perhaps", "True or False"),
    ("game24", "(10-4)*5", "with the value 24"),
    ("game24", "4*6", "of the question's numbers"),
    ("arithmetic", "12", "one digit"),
]


def named(task: str) -> Task:
    kind = TASKS[task]
    return on_own_rows(kind) if issubclass(kind, Dataset) else find_task(task)


@pytest.mark.parametrize(("task", "gold", "reference"), GOLDS)
def test_a_gold_that_means_one_thing_is_read(task: str, gold: Any, reference: str) -> None:
    question = "1 4 5 10" if task == "game24" else "?"
    assert named(task).read_gold(gold, question) == reference


@pytest.mark.parametrize(("task", "gold", "expected"), REFUSED)
def test_any_other_gold_is_refused(task: str, gold: Any, expected: str) -> None:
    question = "1 4 5 10" if task == "game24" else "?"
    with pytest.raises(ValueError, match=expected):
        named(task).read_gold(gold, question)


def test_the_text_of_a_choice_is_its_letter_unless_it_is_another_one_s_index() -> None:
    task = named("mmlu-biology")
    assert task.read_gold("a leaf", MMLU_QUESTION) == "B"
    assert task.read_gold("C", MMLU_QUESTION) == "C"
    with pytest.raises(ValueError, match="also the text of another choice"):
        task.read_gold("1", MMLU_QUESTION)


ANSWERS: list[tuple[str, str, str, bool]] = [
    # task, reference, an answer that somebody extracted, whether it is right
    ("gsm8k", "#### 18", "18", True),
    ("gsm8k", "#### 18", "18.00", True),
    ("gsm8k", "#### 18", "17", False),
    ("math", r"It is $\boxed{\text{odd}}$.", r"\text{odd}", True),
    ("math", r"It is $\boxed{\text{odd}}$.", "even", False),
    ("math", r"\boxed{\frac{1}{2}}", "50%", True),
    ("natural-questions", "Ann Lee\nLee", "the Lee", True),
    ("mmlu-biology", "B", "1", True),
    ("mmlu-biology", "B", "(b)", True),
    ("mmlu-biology", "B", "A", False),
    ("prontoqa", "False", "B", True),
    ("prontoqa", "False", "it is false", True),
    ("qa", "Rome", "rome", True),
    ("arithmetic", "7", "7", True),
]


@pytest.mark.parametrize(("task", "reference", "answer", "right"), ANSWERS)
def test_an_extracted_answer_is_judged_by_itself(
    task: str, reference: str, answer: str, right: bool
) -> None:
    problem = Problem("p", "test", "?", reference)
    assert named(task).answer_is_right(answer, problem) is right


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_task_reads_its_own_references(task: str) -> None:
    found = named(task)
    for problem in found.problems("test", 5, 0):
        if problem.reference is None:
            continue
        reference = found.read_gold(problem.reference, problem.question)
        again = Problem(problem.id, "test", problem.question, reference, problem.metadata)
        assert found.grade(found.gold_response(problem), again).utility_strict == 1.0
