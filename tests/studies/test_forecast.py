"""The study of forecasts: forecast.py, forecast_cells.py, forecast_scores.py, forecast_later.py."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from strop.improvement.pilot import Pilot
from strop.records import Estimate
from strop.run.updates import Update
from strop.studies.forecast import ForecastStudy
from strop.studies.forecast_cells import (
    FIT_MODELS,
    JUDGE_MODELS,
    UNSEEN_TASK,
    ForecastCell,
    Outcome,
    listed_cells,
)
from strop.studies.forecast_later import later_finding
from strop.studies.forecast_scores import judge_all, score
from strop.studies.frame.courses import Courses
from tests.studies.shared import course_document

FILTER = "cot-binary@threshold:0.5"


def outcome(model: str, gap: float, gain: float, fits: bool = False) -> Outcome:
    """Return a made-up outcome on signs, whose pilot gained half of what the round gained."""
    cell = ForecastCell(model, "signs", "cot-binary", fits)
    pilot = Estimate(gain / 2, gain / 2 - 0.01, gain / 2 + 0.01, 0.95, 200, "pilot")
    update = Update(
        model, "signs", FILTER, "rft", gap, gain, gap - gain, 0.02, 0.01, gain / 2, 0.005, "t"
    )
    measured = Estimate(gap, gap - 0.04, gap + 0.04, 0.95, 200, "gap")
    return Outcome(
        cell, update, measured, 0.4, 0.01, 0.5, 0.0, Pilot(pilot, FILTER, 192, 500, 12.0, 0.3)
    )


def test_the_listed_cells_are_divided_by_task_and_by_model() -> None:
    cells = listed_cells()
    assert len(cells) == 120 and len(set(cells)) == 120
    fitting = [cell for cell in cells if cell.fits]
    assert len(fitting) == 45
    assert {cell.model for cell in fitting} == set(FIT_MODELS)
    assert not any(cell.task.startswith(UNSEEN_TASK) for cell in fitting)
    assert {cell.model for cell in cells} == {*FIT_MODELS, *JUDGE_MODELS}


def test_courses_ask_for_no_more_training_problems_than_there_are() -> None:
    sizes = ForecastStudy().sizes
    for cell in listed_cells():
        course = cell.course(sizes, 0)
        assert (
            course.train_problems <= course.task.size("train") if course.task.size("train") else 1
        )


def test_sources_are_judged_on_cells_that_no_forecast_saw() -> None:
    shares = {"a": 0.9, "b": 0.0, "c": 0.5, "d": 0.7, "e": 0.2}
    past = [outcome(f"ladder/{name}", 0.3, share * 0.3).update for name, share in shares.items()]
    judged = judge_all([outcome("ladder/x", 0.3, 0.27), outcome("ladder/y", 0.3, 0.0)], past)
    assert [round(one.predicted, 6) for one in judged["whole gap"]] == [0.3, 0.3]
    assert [one.predicted for one in judged["no change"]] == [0.0, 0.0]
    # The pilots tell the two cells apart; past rounds on the task cannot.
    pilots = [one.predicted for one in judged["pilot"]]
    assert pilots[0] > 0.2 and abs(pilots[1]) < 0.02
    assert judged["past"][0].predicted == pytest.approx(judged["past"][1].predicted)


def test_a_score_counts_errors_intervals_and_decisions() -> None:
    shares = {"a": 0.9, "b": 0.1, "c": 0.5, "d": 0.7, "e": 0.2}
    past = [outcome(f"ladder/{name}", 0.3, share * 0.3).update for name, share in shares.items()]
    cells = [outcome("ladder/x", 0.3, 0.27), outcome("ladder/y", 0.3, 0.0)]
    found = score(judge_all(cells, past)["pilot"])
    assert found.cells == 2 and found.right == 1.0 and found.held == 1.0
    assert found.correlation == pytest.approx(1.0)
    nothing = score(judge_all(cells, past)["no change"])
    assert nothing.error.value == pytest.approx(0.135) and math.isnan(nothing.correlation)
    assert math.isnan(nothing.held) and nothing.right == 0.5


def test_later_rounds_are_forecast_from_the_rounds_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = course_document(
        (0.5, 0.6, 0.65, 0.67, 0.67), (0.9, 0.9, 0.88, 0.87, 0.85), (0.2, 0.1, 0.05, 0.02, 0.01)
    )
    document |= {"model": "ladder/25k", "task": "signs", "filter_by": FILTER, "method": "rft"}
    for entry in document["rounds"]:
        gap = entry["gap_filter"]["value"]
        entry["gap_filter"] = {"value": gap, "low": gap - 0.02, "high": gap + 0.02, "n": 200}
    monkeypatch.setattr(Courses, "document", lambda self, course, like=None: document)
    cell = ForecastCell("ladder/25k", "signs", "cot-binary", False)
    past = [outcome(f"ladder/{name}", 0.3, 0.2).update for name in "abc"]
    sizes = {"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8}
    found = later_finding([cell], sizes, 0, Courses(tmp_path, print), past)
    assert found.data.height == 3 and "over 3 later rounds" in found.seen
    assert found.data["gain"].to_list() == pytest.approx([5.0, 2.0, 0.0])
