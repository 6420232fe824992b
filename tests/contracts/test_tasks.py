"""The contract of every task in TASKS. A new entry is tested before its author writes a test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.errors import UsageError
from strop.tasks import TASKS, Dataset, Task, find_task
from strop.tasks.dataset import ROWS
from strop.tasks.qa import QuestionsAndAnswers
from tests.own_rows import on_own_rows


def instances() -> list[Task]:
    """Build every task at every difficulty; those that read data, on the package's own rows."""
    made = [
        task.at(level)
        for task in TASKS.values()
        if not issubclass(task, Dataset)
        for level in task.levels
    ]
    own = [on_own_rows(task) for task in TASKS.values() if issubclass(task, Dataset)]
    return [*made, *own, QuestionsAndAnswers(data=str(ROWS / "qa.jsonl"), grading="numeric")]


every_task = pytest.mark.parametrize("task", instances(), ids=lambda task: task.label)
DRAWN = 12
"""The number of problems that even the smallest file has."""


@every_task
def test_a_label_finds_its_task_again(task: Task) -> None:
    if not isinstance(task, Dataset):
        assert find_task(task.label) == task == find_task(f"{task.name}:{task.difficulty}")
    with pytest.raises(
        UsageError, match=f"task {task.name} has no difficulty 'absurd'; it has .*standard"
    ):
        find_task(f"{task.name}:absurd")


@every_task
def test_gold_is_right_and_another_problems_gold_is_wrong(task: Task) -> None:
    problems = task.problems("test", DRAWN if isinstance(task, Dataset) else 60, seed=1)
    golds = [task.gold_response(problem) for problem in problems]
    for number, (problem, gold) in enumerate(zip(problems, golds, strict=True)):
        for text in (gold, f" {gold}", f"{gold}\n"):
            grade = task.grade(text, problem)
            assert (grade.utility_strict, grade.utility_flexible) == (1.0, 1.0), (problem, text)
        other = golds[number - 1]
        alike = bool(task.choices) and problems[number - 1].reference == problem.reference
        assert other == gold or task.grade(other, problem).utility_flexible == float(alike), (
            problem,
            other,
        )


@every_task
def test_ids_unique_splits_disjoint_same_seed_same_problems(task: Task) -> None:
    count = 5 if isinstance(task, Dataset) else 100
    drawn = {
        (split, seed): task.problems(split, count, seed)
        for split in ("train", "test")
        for seed in (0, 1)
    }
    for (split, seed), problems in drawn.items():
        assert len({problem.id for problem in problems}) == count
        assert all(problem.split == split for problem in problems)
        assert problems == task.problems(split, count, seed)
        assert problems[: count // 3] == task.problems(split, count // 3, seed)
    train, test = (
        {problem.question for seed in (0, 1) for problem in drawn[split, seed]}
        for split in ("train", "test")
    )
    assert not train & test


@every_task
def test_check_agrees_with_grade(task: Task) -> None:
    if isinstance(task, Dataset):
        return  # its written checks are those of its examples
    problems = task.problems("test", 40, seed=2)
    for problem in problems:
        check = task.check(problem, task.gold_response(problem))
        assert check.correct and check.share == 1.0
    wrong = task.check(problems[0], task.gold_response(problems[1]))
    assert not wrong.correct and wrong.share < 1.0


@every_task
def test_examples_of_checks_are_right_about_their_responses(task: Task) -> None:
    shots = task.shots(4, seed=0)
    judged = task.judged(shots)
    assert len(judged) == len(shots) and {check.correct for _, _, check in judged} == {True, False}
    for shot, right, wrong in task.contested(shots):
        assert (
            shot.split == "train"
            and right[1].correct
            and not wrong[1].correct
            and right[0] != wrong[0]
        )


@every_task
def test_shots_come_from_the_training_split(task: Task) -> None:
    assert {shot.split for shot in task.shots(4, seed=0)} == {"train"}
    assert task.shots(0, seed=0) == []


@every_task
def test_too_many_problems_or_no_such_split_is_one_clear_line(task: Task) -> None:
    with pytest.raises(UsageError, match="split 'dev' does not exist"):
        task.problems("dev", 1, seed=0)


@every_task
@given(text=st.text(max_size=200) | st.text("0123456789-+*@&~=#. ?()\n", max_size=80))
def test_any_text_is_graded_and_strict_implies_flexible(task: Task, text: str) -> None:
    problem = task.problems("test", 1, seed=3)[0]
    grade = task.grade(text, problem)
    assert grade.utility_strict in (0.0, 1.0) and grade.utility_flexible >= grade.utility_strict
    assert grade.utility_strict == 0.0 or grade.answer_strict is not None
    assert grade.utility_flexible == 0.0 or grade.answer_flexible is not None


@every_task
def test_a_megabyte_is_graded_like_any_text(task: Task) -> None:
    problem = task.problems("test", 1, seed=4)[0]
    for text in (
        "1" * 1_000_000,
        " " * 1_000_000,
        "#" * 1_000_000,
        task.gold_response(problem) * 50_000,
    ):
        task.grade(text, problem)
