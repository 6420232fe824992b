"""Tests of the columns found_by and found_at, across run/stages, importing and store.

They are null in runs of earlier versions.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import strop
from strop.records import Problem
from strop.report.reader import reader_data
from strop.run.gap import import_samples
from strop.run.run import Run
from strop.run.store import LATER
from strop.tasks import Grade, Recall
from strop.tasks.base import UNGRADED

SMALL = {"problems": 18, "samples": 4, "verifiers": ["oracle"], "temperature": 3.0, "top_p": 1.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return strop.gap("ladder/40k", "recall", out=tmp_path_factory.mktemp("found") / "run", **SMALL)


def test_every_response_says_where_its_answer_was_found(run: Run) -> None:
    problems = {problem.id: problem for problem in run.stored_problems()}
    for frame in (run.responses, run.greedy):
        for row in frame.iter_rows(named=True):
            grade = Recall().grade(row["text"], problems[row["problem"]])
            assert (row["found_by"], row["found_at"]) == (grade.found_by, grade.found_at)
            assert (row["answer_strict"], row["answer_flexible"]) == (
                grade.answer_strict,
                grade.answer_flexible,
            )
            assert (row["utility_strict"], row["utility_flexible"]) == (
                grade.utility_strict,
                grade.utility_flexible,
            )
    assert set(run.responses["found_by"]) >= {"first word", "whole response"}


class Silent(Recall):
    """A task that does not say where."""

    def grade(self, text: str, problem: Problem) -> Grade:
        return replace(super().grade(text, problem), found_by=None, found_at=None)


def test_a_task_need_not_say_where(run: Run, tmp_path: Path) -> None:
    silent = strop.gap("ladder/40k", Silent(), out=tmp_path / "run", **SMALL)
    assert silent.responses.drop(LATER).equals(run.responses.drop(LATER))
    assert silent.responses.select(LATER).null_count().row(0) == (len(silent.responses),) * len(
        LATER
    )


@pytest.fixture
def earlier(run: Run, tmp_path: Path) -> Path:
    """The same run as an earlier version left it: without the columns."""
    out = tmp_path / "earlier"
    shutil.copytree(run.path, out)
    for part in [*out.glob("responses/*.parquet"), *out.glob("greedy/*.parquet")]:
        usage = {"strop_usage": pl.read_parquet_metadata(part)["strop_usage"]}
        pl.read_parquet(part).drop(LATER).write_parquet(part, metadata=usage)
    return out


def test_a_run_of_an_earlier_version_opens_with_unknown_places(run: Run, earlier: Path) -> None:
    opened = Run(earlier)
    assert opened.responses.schema == run.responses.schema == opened.greedy.schema
    assert opened.responses.drop(LATER).equals(run.responses.drop(LATER))
    assert opened.responses.select(LATER).null_count().row(0) == (len(opened.responses),) * len(
        LATER
    )
    assert opened.document["verifiers"] == run.document["verifiers"]
    (content,) = reader_data([opened.material()])
    assert content["problems"][0]["responses"][0]["foundBy"] is None


def test_a_run_of_an_earlier_version_is_resumed(run: Run, earlier: Path) -> None:
    (earlier / "responses" / "part-00001.parquet").unlink()
    resumed = strop.gap("ladder/40k", "recall", out=earlier, **SMALL)
    assert resumed.responses.drop(LATER).equals(run.responses.drop(LATER))
    assert resumed.responses["found_at"].tail(8).equals(run.responses["found_at"].tail(8))
    assert resumed.responses["found_at"].head(64).is_null().all()


def test_imported_answers_keep_their_places_where_we_found_them(run: Run, tmp_path: Path) -> None:
    asked = {"question": "abc", "reference": "go"}
    lines = [
        {"problem": "p", "text": " Go. Yes"} | asked,
        {"problem": "p", "text": " Go. Yes", "utility": 0.5} | asked,
        {"problem": "p", "text": " Go. Yes", "answer": "go"} | asked,
        {"problem": "p", "text": " Go. Yes", "answer": "go", "utility": 1} | asked,
    ]
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    frame = import_samples(path, tmp_path / "run", task="recall").responses
    assert frame["found_by"].to_list() == ["first word", "first word", None, None] and frame[
        "found_at"
    ].to_list() == [1, 1, None, None]
    assert frame["answer_strict"].to_list() == ["Go. Yes", "Go. Yes", "go", "go"] and set(
        frame["answer_flexible"]
    ) == {"go"}
    assert frame["utility_flexible"].to_list() == [1, 0.5, 1, 1] and frame[
        "utility_strict"
    ].to_list() == [0, 0.5, 1, 1], "a given answer is graded in place of the text"


def test_the_report_shows_where(run: Run) -> None:
    (content,) = reader_data([run.material()])
    first = run.responses.filter(problem=content["problems"][0]["id"], sample=0).row(0, named=True)
    shown = content["problems"][0]["responses"][0]
    assert (shown["foundBy"], shown["foundAt"]) == (first["found_by"], first["found_at"]) and shown[
        "foundBy"
    ]


class Unfinished(Recall):
    """A task whose grader does not get through every other response."""

    def grade(self, text: str, problem: Problem) -> Grade:
        grade = super().grade(text, problem)
        return grade if len(text) % 2 else Grade(None, None, 0.0, 0.0, f"{UNGRADED}timed out")


def test_what_was_not_graded_is_counted(tmp_path: Path) -> None:
    run = strop.gap("ladder/40k", Unfinished(), out=tmp_path / "run", **SMALL)
    ungraded = sum(len(text) % 2 == 0 for text in run.responses["text"])
    assert ungraded > 0
    assert (
        f"{ungraded} responses could not be graded within the grader's bounds and count as wrong"
        in run.document["notes"]
    )
