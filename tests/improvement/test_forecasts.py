"""Forecasts of a course's rounds, and rounds that are refused because they are hopeless."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from strop.errors import HopelessError
from strop.improvement.course import Course
from strop.improvement.forecasts import SITUATIONS, forecast_document, forecast_of, hopeless
from strop.improvement.rounds import improve
from strop.run.updates import Update, default_trainer_label, trainer_label
from strop.tasks import Recall, Signs, Sudoku4

FILTER = "cot-binary@threshold:0.5"
DOCUMENT: dict[str, Any] = {
    "accuracy": {"value": 0.4},
    "gap_filter": {"value": 0.3, "low": 0.25, "high": 0.35, "level": 0.95, "n": 200},
}


def past(share: float) -> list[Update]:
    return [
        Update(f"ladder/{name}", "signs", FILTER, "rft", 0.3, share * 0.3, (1 - share) * 0.3)
        for name in "abcdef"
    ]


def test_the_label_of_the_default_trainer_is_that_of_a_course() -> None:
    for model, embedded in (("ladder/25k", True), ("./folder", False)):
        settings = Course(model, Recall()).trainer.settings()
        assert trainer_label(settings) == default_trainer_label(embedded)


def test_a_later_round_learns_from_the_rounds_before_it() -> None:
    course = Course("ladder/25k", Signs())
    alone = forecast_of(course, DOCUMENT, past(0.9), [])
    own = [Update("ladder/25k", "signs", FILTER, "rft", 0.3, 0.0, 0.3)] * 2
    after = forecast_of(course, DOCUMENT, past(0.9), own)
    assert alone.forecast is not None and after.forecast is not None
    assert after.forecast.gain.value is not None and alone.forecast.gain.value is not None
    assert after.forecast.gain.value < alone.forecast.gain.value


def test_without_past_rounds_the_size_is_unknown_and_says_why() -> None:
    sourced = forecast_of(Course("ladder/25k", Signs()), DOCUMENT, [], [])
    document = forecast_document(sourced, 0.4)
    assert document["forecast_source"] == "run" and document["forecast"]["value"] is None
    assert "pilot" in document["forecast"]["why"]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_special_cases_are_hopeless(situation: str) -> None:
    verdict = {"situation": situation, "why": "the reason"}
    assert hopeless(Course("ladder/25k", Signs()), verdict, {}) == "the reason"


def test_an_improbable_gain_is_hopeless_and_a_control_never_is() -> None:
    document = {"probability_worth": 0.03, "forecast_words": "a pilot"}
    why = hopeless(Course("ladder/25k", Signs()), {}, document)
    assert why is not None and "only 3% probable" in why
    for control in ("oracle", "chance"):
        course = Course("ladder/25k", Signs(), filter_by=control)
        assert hopeless(course, {"situation": "all_wrong", "why": "x"}, document) is None
    assert hopeless(Course("ladder/25k", Signs()), {}, {"probability_worth": 0.5}) is None


def test_a_model_that_is_never_right_is_not_trained(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="the extra 'train' is not installed")
    course = Course("ladder/25k", Sudoku4.at("hard"), train_problems=16, problems=16, samples=4)
    with pytest.raises(HopelessError, match=r"none of 64 responses is right.*--anyway"):
        improve(course, out=tmp_path / "course", refuse_hopeless=True)
    assert not (tmp_path / "course" / "round-0" / "train").exists(), "nothing more was sampled"
    assert json.loads((tmp_path / "course" / "improve.json").read_text())["asked"]
