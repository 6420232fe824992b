"""Candidates: right and wrong ones are common, and checks agree with grading."""

from __future__ import annotations

import random

import pytest

from strop.ladder.candidates import SLIPS, candidate
from strop.ladder.corpus import CORPUS_TASKS, training_problem
from strop.tasks import Task
from strop.tasks.arithmetic import apply

every_task = pytest.mark.parametrize(
    "task", [tasks[0] for tasks in CORPUS_TASKS.values()], ids=CORPUS_TASKS
)


@every_task
def test_candidates_are_right_and_wrong_and_checks_know_which(task: Task) -> None:
    """A written check holds exactly where grading says right; both kinds are common."""
    rng = random.Random(1)
    right = 0
    for number in range(300):
        problem = training_problem(task, rng)
        response = candidate(problem, rng, hard=number % 2 == 0)
        graded = task.grade(response, problem).utility_strict == 1.0
        assert task.check(problem, response).correct == graded, (problem, response)
        right += graded
    assert 45 <= right <= 180


def test_slips_are_declared_and_wrong() -> None:
    assert 250 < len(SLIPS) < 350
    assert all(wrong != apply(*fact) for fact, wrong in SLIPS.items())
