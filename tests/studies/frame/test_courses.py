"""Tests of the courses that studies share: means over seeds, and stored courses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import strop.studies.frame.courses as courses_module
from strop.studies.frame.courses import (
    Courses,
    mean_at_round,
    mean_change,
    mean_difference,
    mean_over_seeds,
)
from strop.studies.improvement import PLAIN, ImprovementStudy
from tests.studies.shared import course_document, quiet


def test_the_interval_over_seeds_is_students() -> None:
    mean = mean_over_seeds([0.1, 0.2, 0.3], "x")
    assert mean.value == pytest.approx(0.2)
    assert mean.high == pytest.approx(0.2 + 4.302653 * 0.1 / 3**0.5)
    assert mean_over_seeds([0.1, float("nan")], "x").low is None
    assert mean_over_seeds([0.2, 0.2], "x").low is None
    assert mean_over_seeds([], "x").value is None


def test_numbers_of_a_round_are_means_over_seeds() -> None:
    def document(before: float, after: float) -> dict[str, Any]:
        rounds = [{"pass_at_k": {"8": {"value": value}}} for value in (before, after)]
        return {"rounds": rounds}

    documents = [document(0.1, 0.3), document(0.3, 0.7)]
    others = [document(0.0, 0.2), document(0.0, 0.4)]
    path = ("pass_at_k", "8")
    assert mean_at_round(documents, 1, *path).value == pytest.approx(0.5)
    assert mean_change(documents, 1, *path).value == pytest.approx(0.3)
    assert mean_difference(documents, others, 1, *path).value == pytest.approx(0.2)
    bounded = mean_at_round(documents, 1, *path, bounds=(0.0, 1.0))
    assert bounded.high == 1.0, "Student's interval of two seeds is cut at the bound"


def test_a_stored_course_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = replace(ImprovementStudy.quick().courses()["recall", PLAIN][0], rounds=1)
    stored = Courses(tmp_path, quiet)
    ran = []

    def improve(course: Any, out: Path) -> Any:
        ran.append(course)
        raise RuntimeError("ran")

    monkeypatch.setattr(courses_module, "improve", improve)
    with pytest.raises(RuntimeError):
        stored.document(course)
    folder = stored.folder(course)
    folder.mkdir()
    document = {"asked": course.as_record(), "stopped": "2 rounds were asked for"}
    document |= course_document((0.1, 0.2, 0.3), (0.5, 0.5, 0.5), (0.1, 0.1, 0.1))
    (folder / "improve.json").write_text(json.dumps(document))
    assert len(stored.document(course)["rounds"]) == 2 and len(ran) == 1
    (folder / "improve.json").write_text(json.dumps(document | {"rounds": document["rounds"][:1]}))
    with pytest.raises(RuntimeError):
        stored.document(course)
    # It was stopped in its first round.
    (folder / "improve.json").write_text(json.dumps({"asked": course.as_record()}))
    with pytest.raises(RuntimeError):
        stored.document(course)
