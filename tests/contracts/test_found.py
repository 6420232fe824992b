"""The contract of every grade: it names the rule that found the answer, and the answer's index."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from strop.tasks import Task
from strop.tasks.numbers import canonical_number
from tests.contracts.test_tasks import DRAWN, every_task


def bare(text: str) -> str:
    """Return letters and digits alone, without articles: equal for all spellings of an answer."""
    return re.sub(r"\b(?:a|an|the)\b|[^0-9a-z]", "", text.casefold())


@every_task
def test_a_gold_answer_stands_where_it_was_found(task: Task) -> None:
    for problem in task.problems("test", DRAWN, seed=1):
        gold = task.gold_response(problem)
        for before, after in (("", ""), ("\n  ", "\n")):
            grade = task.grade(before + gold + after, problem)
            assert grade.found_by and grade.found_at is not None and grade.answer_flexible
            there = (before + gold + after)[grade.found_at :]
            same = (
                bare(there).startswith(bare(grade.answer_flexible))
                or canonical_number(there) == grade.answer_flexible
            )
            assert same, (problem, grade)
        assert grade.found_at >= len(before) and task.grade(
            gold, problem
        ).found_at == grade.found_at - len(before)


@every_task
@given(text=st.text(max_size=200) | st.text("0123456789-+*@&~=#. ?()ABCDtruefalse\n", max_size=80))
def test_what_is_found_in_any_text_has_its_place_there(task: Task, text: str) -> None:
    problem = task.problems("test", 1, seed=3)[0]
    for said in (
        text,
        f"{text} {task.gold_response(problem)}",
        f"{task.gold_response(problem)} {text}",
    ):
        grade = task.grade(said, problem)
        assert (
            (grade.found_by is None) == (grade.found_at is None) == (grade.answer_flexible is None)
        )
        assert grade.answer_strict is None or grade.answer_flexible is not None
        assert grade.found_at is None or not said[grade.found_at].isspace()
