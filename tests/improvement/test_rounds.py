"""Rounds: the JSON document, what may not move the weights, resuming. Covers runner and outcome."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import strop
from strop.engines import model_folder
from strop.errors import CorruptPartError, RunMismatchError, UsageError
from strop.improvement.rounds import METHODS, Course, improve
from strop.tasks import Recall
from strop.tasks.base import Grade
from strop.tasks.gsm8k import Gsm8k
from tests.own_rows import on_own_rows

SMALL: dict[str, Any] = {
    "train_problems": 24,
    "problems": 16,
    "samples": 8,
    "settings": {"steps": 3, "batch_size": 8},
}
MODEL = "ladder/25k"


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_a_round(method: str, tmp_path: Path) -> None:
    filter_by = (
        "majority" if method == "rpo" else None
    )  # 25k's own verdicts keep all or nothing of most problems
    course = Course(MODEL, Recall(), method, filter_by=filter_by, pairs=2, **SMALL)
    found = improve(course, out=tmp_path / "run")
    document = json.loads(json.dumps(found.document, allow_nan=False))
    assert [one["round"] for one in document["rounds"]] == [0, 1] and document[
        "stopped"
    ] == "1 rounds were asked for"
    for one in document["rounds"]:
        assert one["accuracy"]["n"] == 16 and set(one["pass_at_k"]) == {str(k) for k in range(1, 9)}
        assert {
            "accuracy_flexible",
            "greedy",
            "gap",
            "gap_base_verifier",
            "relative_gap",
            "forecast",
            "usage",
        } <= one.keys()
    assert {"gain", "eps_update"} <= document["rounds"][1].keys()
    trained = "xpo/round-1" if method == "xpo" else "model"
    assert not same(model_folder(MODEL), tmp_path / "run" / "round-1" / trained)
    again = improve(course, out=tmp_path / "run")
    assert again.document == found.document


class Scrambled(Recall):
    """Nothing that is right is right any more."""

    def problems(self, split: str, count: int, seed: int) -> list[strop.Problem]:
        return [
            replace(problem, reference="??") for problem in super().problems(split, count, seed)
        ]

    def grade(self, text: str, problem: strop.Problem) -> Grade:
        grade = super().grade(text, problem)
        return replace(grade, utility_strict=1 - grade.utility_strict, utility_flexible=1.0)


@pytest.mark.parametrize("filter_by", ["logprob", "cot-binary", "oracle"])
def test_references_move_the_weights_of_the_oracle_alone(filter_by: str, tmp_path: Path) -> None:
    for name, task in (("honest", Recall()), ("scrambled", Scrambled())):
        improve(Course(MODEL, task, "rft", filter_by=filter_by, **SMALL), out=tmp_path / name)
    assert same(
        tmp_path / "honest" / "round-1" / "model", tmp_path / "scrambled" / "round-1" / "model"
    ) == (filter_by != "oracle")


def test_training_problems_are_none_of_those_held_out(tmp_path: Path) -> None:
    found = improve(Course(MODEL, Recall(), "sft-sharpen", **SMALL), out=tmp_path / "run")
    train, held_out = found.rounds[0].train, found.rounds[0].held_out
    assert train is not None
    assert not set(train.problems["problem"]) & set(held_out.problems["problem"])
    assert set(train.problems["split"]) == {"train"} and set(held_out.problems["split"]) == {"test"}


def test_the_base_verifier_stays_the_base(tmp_path: Path) -> None:
    found = improve(Course(MODEL, Recall(), "rft", **SMALL), out=tmp_path / "run")
    run = found.rounds[1].held_out
    assert run.record["verifiers"]["cot-binary--ladder-25k"]["model"] == MODEL
    assert run.record["verifiers"]["cot-binary"]["model"].startswith("llama:")


def test_it_ends_where_the_gap_does(tmp_path: Path) -> None:
    """A verifier that keeps everything has no gap."""
    course = replace(Course(MODEL, Recall(), "rft", filter_by="mc", **SMALL), rounds=5)
    found = improve(course, stop_at_zero=True, out=tmp_path / "run")
    gap = found.rounds[-1].held_out.document["verifiers"]["mc"]["gap"]
    assert len(found.rounds) < 6 and gap["low"] <= 0 <= gap["high"]
    assert (
        found.stopped
        == f"the held-out gap's interval includes zero at round {len(found.rounds) - 1}"
    )


def test_another_course_does_not_go_on_in_the_same_folder(tmp_path: Path) -> None:
    course = Course(MODEL, Recall(), "sft-sharpen", **SMALL)
    improve(course, out=tmp_path / "run")
    with pytest.raises(
        RunMismatchError,
        match=r"is of a course with other settings \(seed, trainer\); choose another --out",
    ):
        improve(replace(course, seed=1), out=tmp_path / "run")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"rounds": []}'])
def test_a_broken_record_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "improve.json").write_text(text)
    with pytest.raises(CorruptPartError, match=r"improve.json cannot be read; it was changed"):
        improve(Course(MODEL, Recall(), **SMALL), out=tmp_path)
    with pytest.raises(UsageError, match="that is a file, or below one; choose another --out"):
        improve(Course(MODEL, Recall(), **SMALL), out=tmp_path / "improve.json" / "x")


def test_no_prompt_shows_the_answer_of_a_training_problem() -> None:
    """Shots and training problems come from the same rows, and share none."""
    task = on_own_rows(Gsm8k)
    for seed in range(5):
        plan = strop.Plan(MODEL, task, problems=6, shots=4, seed=seed, split="train")
        train = {problem.question for problem in plan.draw_problems()}
        assert len(train) == 6 and not train & {shot.question for shot in plan.draw_shots()}
        assert not train & {
            problem.question for problem in task.problems("test", task.size("test"), 0)
        }


def test_training_rows_that_ask_a_test_question_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"question": f"{n % 7}?", "answer": f"#### {n % 7}", "split": "test" if n < 3 else "train"}
        for n in range(10)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = Gsm8k(data=str(tmp_path / "rows.jsonl"))
    assert {problem.question for problem in task.problems("train", task.size("train"), 0)} == {
        "3?",
        "4?",
        "5?",
        "6?",
    }


def test_a_file_without_training_rows_trains_nothing(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "1?", "answer": "#### 1"}\n')
    task = Gsm8k(data=str(tmp_path / "rows.jsonl"))
    assert len(task.shots(4, 0)) == 4
    with pytest.raises(UsageError, match="asked for 1 train problems of gsm8k, but there are 0"):
        task.problems("train", 1, 0)


def test_a_course_that_keeps_nothing_ends_and_says_so(tmp_path: Path) -> None:
    asked = Course(
        MODEL,
        Recall(),
        filter_by="oracle",
        rounds=2,
        train_problems=6,
        problems=5,
        samples=1,
        train_temperature=10.0,
    )
    found = improve(asked, out=tmp_path / "run").document
    assert [one["round"] for one in found["rounds"]] == [0]
    assert (
        found["stopped"] == "round 0 kept no response of 6 problems: there was nothing to train on"
    )
    assert (
        json.loads((tmp_path / "run" / "improve.json").read_text())["stopped"] == found["stopped"]
    )
