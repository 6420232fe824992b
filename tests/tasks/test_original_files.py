"""Data sets as their authors distribute them, by ``--data``.

Covers ``prontoqa_file.py``, ``game24_file.py``, and the layouts that ``mmlu.py`` and
``mathematics.py`` adapt. The rows are our own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import strop
from strop.errors import UsageError
from strop.run.plan import Plan
from strop.tasks import Task, find_task

PRONTOQA = {
    "context": "Every zump is a dorp. Dorps are bright. Tom is a zump.",
    "question": "Is the following statement true or false? Tom is bright.",
    "options": ["A) True", "B) False"],
    "answer": "A",
    "explanation": ["Tom is a zump.", "Every zump is a dorp.", "Tom is a dorp.", "Tom is bright."],
}
MATH_ROW = {"problem": "What is 1+2?", "solution": r"It is $\boxed{3}$.", "level": "Level 1"}


def written(path: Path, text: str | list[dict[str, Any]]) -> Path:
    if isinstance(text, str):
        path.write_text(text)
    elif path.suffix == ".json":
        path.write_text(json.dumps(text))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in text))
    return path


def check_golds(task: Task, count: int) -> None:
    assert task.size("test") == count
    for problem in task.problems("test", count, 0):
        assert task.grade(task.gold_response(problem), problem).utility_strict == 1.0


@pytest.mark.parametrize(
    "text",
    [
        'Which is a leaf?,"a root, long",a leaf,a stem,none,B\n"Two\nlines?",1,2,3,4,d\n',
        "question,A,B,C,D,answer\nWhich is a leaf?,a root,a leaf,a stem,none,B\nTwo?,1,2,3,4,3\n",
        "Question,a,b,c,d,Answer\nWhich is a leaf?,a root,a leaf,a stem,none,b\nTwo?,1,2,3,4,D\n",
    ],
    ids=["no header", "columns A to D", "other case"],
)
def test_mmlu_with_a_column_for_each_choice(text: str, tmp_path: Path) -> None:
    task = find_task("mmlu-physics", written(tmp_path / "mmlu.csv", text))
    check_golds(task, 2)
    problems = {problem.question[:3]: problem for problem in task.problems("test", 2, 0)}
    assert problems["Whi"].reference == "B" and problems["Two"].reference == "D"
    assert "\n(B) a leaf\n" in problems["Whi"].question


def test_a_header_with_other_names_is_still_a_header(tmp_path: Path) -> None:
    text = 'id,question,choices,answer\n7,Two?,"[""1"", ""2"", ""3"", ""4""]",1\n'
    task = find_task("mmlu-physics", written(tmp_path / "mmlu.csv", text))
    check_golds(task, 1)
    with pytest.raises(UsageError, match="has no 'question': got columns a, b, c, d, e"):
        find_task("mmlu-physics", written(tmp_path / "five.csv", "a,b,c,d,e\n1,2,3,4,5\n")).size(
            "test"
        )


@pytest.mark.parametrize("answer", ["A", "a", "True", "A) True"])
def test_prontoqa_s_original_rows(answer: str, tmp_path: Path) -> None:
    task = find_task("prontoqa", written(tmp_path / "p.json", [PRONTOQA | {"answer": answer}]))
    check_golds(task, 1)
    (problem,) = task.problems("test", 1, 0)
    assert problem.reference == "True" and problem.question.endswith("Tom is bright.")
    assert task.grade("So the answer is false.", problem).utility_flexible == 0.0
    examples = task.judged(task.shots(2, 0))
    assert [check.correct for _, _, check in examples] == [True, False]


def test_options_in_another_order_say_what_the_letter_means(tmp_path: Path) -> None:
    row = PRONTOQA | {"options": ["A) False", "B) True"]}
    task = find_task("prontoqa", written(tmp_path / "p.json", [row]))
    assert task.problems("test", 1, 0)[0].reference == "False"
    bad = find_task("prontoqa", written(tmp_path / "bad.json", [PRONTOQA | {"answer": "Z"}]))
    with pytest.raises(UsageError, match="row 1: the answer is 'Z'; expected True or False"):
        bad.size("test")


def test_a_list_of_hands_for_the_game_of_24(tmp_path: Path) -> None:
    text = "Rank,Puzzles,Solved rate\n1,10 4 6 5,99%\n2,1 1 4 6,98%\n"
    task = find_task("game24", written(tmp_path / "hands.csv", text))
    check_golds(task, 2)
    assert {problem.question for problem in task.problems("test", 2, 0)} == {"10 4 6 5", "1 1 4 6"}
    (problem,) = [problem for problem in task.problems("test", 2, 0) if problem.question[0] == "1"][
        :1
    ]
    assert task.check(problem, task.gold_response(problem)).correct
    shown = {tuple(sorted(shot.question.split())) for shot in task.shots(600, 0)}
    assert ("1", "1", "4", "6") not in shown
    bad = find_task("game24", written(tmp_path / "bad.csv", "Puzzles\n1 1 1 1\n"))
    with pytest.raises(UsageError, match="expected four numbers from 1 to 13 that can make 24"):
        bad.size("test")


def test_math_500_has_a_subject_in_the_place_of_a_type(tmp_path: Path) -> None:
    row = {**MATH_ROW, "level": 1, "subject": "Algebra", "answer": "3", "unique_id": "x"}
    task = find_task("math", written(tmp_path / "math.jsonl", [row]))
    check_golds(task, 1)
    assert task.problems("test", 1, 0)[0].metadata == {"level": "1", "subject": "Algebra"}


def test_rows_with_an_empty_box_are_left_out_and_counted(tmp_path: Path) -> None:
    row = MATH_ROW | {"type": "Algebra"}
    empty = row | {"problem": "How many?", "solution": r"There are $\boxed{}$ of them."}
    rows = [
        *(row | {"problem": f"What is {number}+2?", "split": "train"} for number in range(2, 6)),
        empty | {"split": "train"},
        row,
        empty | {"solution": r"There are $\boxed{ }$."},
    ]
    task = find_task("math", written(tmp_path / "math.jsonl", rows))
    assert (task.size("test"), task.size("train")) == (1, 4)
    assert task.source()["left_out"] == {r"an empty \boxed{}": 2}
    assert len(task.shots(4, 0)) == 4
    none = find_task("math", written(tmp_path / "none.jsonl", [row | {"solution": "It is 3."}]))
    with pytest.raises(UsageError, match=r"expected its answer in \\boxed"):
        none.size("test")


def test_a_small_file_is_taken_whole_and_the_run_says_so(tmp_path: Path) -> None:
    rows = [{"question": f"{number}+1?", "answer": str(number + 1)} for number in range(6)]
    data = written(tmp_path / "mine.jsonl", rows)
    task = find_task("qa", data)
    assert Plan.fitting("m", task).problems == 6
    assert Plan.fitting("m", task, problems=3).problems == 3
    assert Plan.fitting("m", task, problems=7).problems == 7, "asked for, and refused by the task"
    run = strop.gap("ladder/25k", task, samples=2, verifiers=["logprob"], out=tmp_path / "run")
    assert run.document["problems"] == 6
    assert "the data have 6 problems, all of which were taken; the default is 200" in run.notes
    with pytest.raises(UsageError, match="asked for 7 test problems of qa, but there are 6"):
        strop.gap("ladder/25k", task, problems=7, samples=2, out=tmp_path / "more")
