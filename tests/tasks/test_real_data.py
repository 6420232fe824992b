"""Every gold answer of the papers' real data is right by its own task's grade.

The data are not part of the project. The folder is that of the environment variable
STROP_REAL_DATA, or else ``../shared/data`` beside the repository. Without it all are skipped.
"""

from __future__ import annotations

import ast
import csv
import importlib.util
import json
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from strop.records import Problem
from strop.run.gap import import_samples
from strop.tasks import Task, find_task
from strop.tasks.math_boxes import has_empty_box

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("STROP_REAL_DATA") or ROOT.parent / "shared" / "data")
pytestmark = pytest.mark.skipif(
    not (DATA / "gsm8k-test.jsonl").is_file(),
    reason="the papers' data are in neither STROP_REAL_DATA nor ../shared/data",
)


def problems_of(task: Task) -> list[Problem]:
    size = task.size("test")
    assert size is not None
    return task.problems("test", size, 0)


def wrong_golds(task: Task) -> list[str]:
    """Return the ids of the problems whose gold response is not right, strictly or flexibly."""
    wrong = []
    for problem in problems_of(task):
        grade = task.grade(task.gold_response(problem), problem)
        if not grade.utility_strict == grade.utility_flexible == 1.0:
            wrong.append(problem.id)
    return wrong


@pytest.mark.parametrize(
    ("name", "file", "count"),
    [
        ("gsm8k", "gsm8k-test.jsonl", 1_319),
        ("gsm8k", "gsm8k-train.jsonl", 7_473),
        ("mmlu-biology", "mmlu-college-biology-test.csv", 144),
        ("mmlu-biology", "mmlu-college-biology-dev.csv", 5),
        ("mmlu-chemistry", "mmlu-college-chemistry-test.csv", 100),
        ("mmlu-chemistry", "mmlu-college-chemistry-dev.csv", 5),
        ("mmlu-physics", "mmlu-college-physics-test.csv", 102),
        ("mmlu-physics", "mmlu-college-physics-dev.csv", 5),
        ("prontoqa", "prontoqa-dev.json", 500),
        ("game24", "game24.csv", 1_362),
        ("math", "math-1000.jsonl", 1_000),
        ("math", "math500.jsonl", 500),
    ],
)
def test_every_gold_response_is_right(name: str, file: str, count: int) -> None:
    task = find_task(name, DATA / file)
    left_out = sum(task.source().get("left_out", {}).values())
    assert len(problems_of(task)) + left_out == count
    assert wrong_golds(task) == []


def test_every_accepted_answer_of_natural_questions_is_right() -> None:
    task = find_task("natural-questions", DATA / "nq-open-dev.jsonl")
    answers = [
        (problem, answer)
        for problem in problems_of(task)
        for answer in (problem.reference or "").split("\n")
    ]
    assert len(answers) == 6_490
    for problem, answer in answers:
        grade = task.grade(answer, problem)
        assert grade.utility_strict == grade.utility_flexible == 1.0, answer


def test_math_rows_are_left_out_for_an_empty_box_alone() -> None:
    rows = [json.loads(line) for line in (DATA / "math-1000.jsonl").open(encoding="utf-8")]
    empty = sum(has_empty_box(row["solution"]) for row in rows)
    left_out = find_task("math", DATA / "math-1000.jsonl").source().get("left_out", {})
    assert sum(left_out.values()) == empty


@pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None, reason="MATH-500's answers need math-verify"
)
def test_math_500_s_answers_are_those_of_its_solutions() -> None:
    task = find_task("math", DATA / "math500.jsonl")
    rows = [json.loads(line) for line in (DATA / "math500.jsonl").open(encoding="utf-8")]
    for row in rows:
        problem = Problem("p", "test", row["problem"], row["solution"])
        assert task.answer_is_right(row["answer"], problem), row["answer"]
        bare = task.read_gold(row["answer"], row["problem"])
        again = Problem("p", "test", row["problem"], bare)
        alone = task.grade(row["answer"], problem)
        assert alone.utility_flexible == 1.0, (row["answer"], alone.answer_flexible)
        assert task.grade(row["solution"], again).utility_strict == 1.0, row["answer"]


def test_bare_golds_are_the_golds_of_the_solutions() -> None:
    """A file of final answers alone grades as the original rows do."""
    task = find_task("gsm8k", DATA / "gsm8k-test.jsonl")
    for problem in problems_of(task):
        final = (problem.reference or "").rsplit("#### ", 1)[1]
        bare = Problem(problem.id, "test", problem.question, task.read_gold(final, ""))
        assert task.grade(task.gold_response(problem), bare).utility_strict == 1.0


def test_gpt_4_s_samples_of_the_game_of_24_are_graded_as_an_exact_check_grades_them(
    tmp_path: Path,
) -> None:
    """All 10,000 agree with the authors' grades, and with Python's own arithmetic."""
    with (DATA / "game24.csv").open(newline="", encoding="utf-8") as file:
        hands = [row["Puzzles"] for row in csv.DictReader(file)]
    puzzles = json.loads((DATA / "game24-gpt4-samples.json").read_text(encoding="utf-8"))
    lines, expected, authors = [], [], []
    for puzzle in puzzles:
        hand = hands[puzzle["idx"]]
        for response, accepted in zip(puzzle["ys"], puzzle["accs"], strict=True):
            text = response.strip().removeprefix("Answer:").strip()
            lines.append(json.dumps({"problem": hand, "question": hand, "text": text}))
            expected.append(float(makes_24(text, hand)))
            authors.append(float(accepted))
    samples = tmp_path / "samples.jsonl"
    samples.write_text("\n".join(lines), encoding="utf-8")
    run = import_samples(samples, tmp_path / "run", model="gpt-4", task="game24")
    utilities = run.responses["utility_strict"].to_list()
    assert len(utilities) == 10_000 and sum(utilities) == 734
    assert utilities == expected == authors
    assert run.responses["utility_flexible"].to_list() == expected
    assert run.document["accuracy"]["value"] == pytest.approx(0.0734)


def makes_24(text: str, hand: str) -> bool:
    """Evaluate with exact fractions: an independent reading, by Python's own parser."""

    operations: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
        ast.Add: Fraction.__add__,
        ast.Sub: Fraction.__sub__,
        ast.Mult: Fraction.__mul__,
        ast.Div: Fraction.__truediv__,
    }
    used = []

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return operations[type(node.op)](value(node.left), value(node.right))
        if not isinstance(node, ast.Constant) or type(node.value) is not int:
            raise ValueError(ast.dump(node))
        used.append(node.value)
        return Fraction(node.value)

    expression, _, result = text.partition("=")
    try:
        made = value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError):
        return False
    return (
        made == 24
        and result.strip() in ("", "24")
        and sorted(used) == sorted(map(int, hand.split()))
    )
