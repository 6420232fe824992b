"""Tests of the study of options that may keep diversity, on made-up documents of courses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from strop.studies.diversity import PLAIN, Changes, DiversityStudy
from strop.studies.frame.courses import Courses
from tests.studies.shared import course_document, quiet


def test_an_option_wins_by_gain_and_by_loss() -> None:
    def changes(gain: float, loss: float) -> Changes:
        documents = []
        for shift in (0.0, 0.001):
            accuracies = (0.5, 0.5 + gain + shift)
            documents.append(course_document(accuracies, (0.9, 0.9 - loss - shift), (0.1, 0.1)))
        return Changes.of(documents, 1)

    plain = changes(gain=0.1, loss=0.1)
    assert changes(gain=0.09, loss=0.03).wins(plain)
    assert not changes(gain=0.07, loss=0.03).wins(plain)
    assert not changes(gain=0.09, loss=0.06).wins(plain)
    # If plain rft gains nothing or loses nothing, no option wins.
    assert not changes(gain=0.09, loss=0.0).wins(changes(gain=-0.1, loss=0.1))
    assert not changes(gain=0.09, loss=0.0).wins(changes(gain=0.1, loss=-0.1))


def test_a_winner_is_judged_on_fresh_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = DiversityStudy(options=(PLAIN, "cap", "base"), rounds=1, seeds=2)

    def stored(self: Courses, course: Any, like: Any = None) -> dict[str, Any]:
        # The option with replay loses little, but only on the first seeds.
        loss = 0.1
        if course.replay:
            loss = 0.02 if course.seed < 2 else 0.09
        shift = course.seed / 100
        return course_document((0.5, 0.6 + shift), (0.9, 0.9 - loss - shift), (0.1, 0.0))

    monkeypatch.setattr(Courses, "document", stored)
    text = study.run(tmp_path / "diversity", quiet).read_text()
    assert "base (30% of the weight: unfiltered base samples) does not win there: pass@1" in text
    assert "fresh seeds 2 to 3" in text and (tmp_path / "diversity" / "diversity.svg").exists()
    fresh = {course.seed for course in study.courses("base", fresh=True)}
    assert not fresh & {course.seed for course in study.courses("base")}
