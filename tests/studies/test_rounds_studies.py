"""The studies of rounds: what they make of courses' documents, and that a stored course is never run again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import strop.studies.frame.courses as courses_module
from strop.records import Estimate
from strop.studies.diversity import PLAIN, Changes, DiversityStudy
from strop.studies.forecast import CELLS, Came, ForecastStudy
from strop.studies.frame.base import Finding
from strop.studies.frame.courses import Courses, over
from strop.studies.improvement import ImprovementStudy


def document(
    accuracies: Sequence[float],
    passes: Sequence[float],
    gaps: Sequence[float],
    base_gap: float = 0.1,
) -> dict[str, Any]:
    """A course with these numbers, round by round."""
    rounds = [
        {
            "round": n,
            "accuracy": {"value": a},
            "greedy": {"value": a},
            "train_accuracy": {"value": a},
            "gap": {"value": g},
            "gap_base_verifier": {"value": base_gap},
            "gap_filter": {"value": g},
            "pass_at_k": {"1": {"value": a}, "8": {"value": p}},
        }
        for n, (a, p, g) in enumerate(zip(accuracies, passes, gaps, strict=True))
    ]
    for before, one in pairwise(rounds):
        gain = one["accuracy"]["value"] - before["accuracy"]["value"]  # type: ignore[index]
        one |= {name: {"value": gain} for name in ("gain", "gain_flexible")}
        one |= {
            name: {"value": before["gap"]["value"] - gain}
            for name in ("eps_update", "eps_update_flexible")
        }  # type: ignore[index]
        one |= {"gain_in_format": {"value": 0.0}}
        for name, key in (
            ("accuracy_since_base", "accuracy"),
            ("pass_at_k_since_base", "pass_at_k"),
        ):
            now, was = (
                (r[key]["8"] if key == "pass_at_k" else r[key])["value"] for r in (one, rounds[0])
            )  # type: ignore[index]
            one[name] = {"value": now - was, "low": now - was - 0.05, "high": now - was + 0.05}
    return {"rounds": rounds}


def saturating(shift: float) -> dict[str, Any]:
    return document(
        (0.5 + shift, 0.6 + shift, 0.62 + 1.5 * shift),
        (0.9, 0.86 - shift, 0.8 - shift),
        (0.2, 0.05, 0.01 - shift),
    )


def test_over_seeds_is_students_interval() -> None:
    found = over([0.1, 0.2, 0.3], "x")
    assert found.value == pytest.approx(0.2) and found.high == pytest.approx(
        0.2 + 4.302653 * 0.1 / 3**0.5
    )
    assert (
        over([0.1, float("nan")], "x").low is None
        and over([0.2, 0.2], "x").low is None
        and over([], "x").value is None
    )


def test_the_improvement_study_says_when_the_gap_is_gone() -> None:
    study = ImprovementStudy(tasks=("arithmetic",), alone=("signs",), rounds=2, seeds=2)
    flat = [document((0.2, 0.2, 0.2), (0.5, 0.5, 0.5), (0.3, 0.3, 0.29)) for _ in range(2)]
    own = [saturating(0.0), saturating(0.01)]
    better = [
        document((0.5, 0.7, 0.8), (0.9, 0.95, 0.97), (0.2, 0.15, 0.1)),
        document((0.51, 0.7, 0.82), (0.9, 0.95, 0.98), (0.2, 0.1, 0.1)),
    ]
    found = list(
        study.findings_of(
            {("arithmetic", "own"): own, ("arithmetic", "oracle"): better, ("signs", "own"): flat}
        )
    )
    assert [one.name for one in found] == [
        "improvement",
        "improvement-pass-at-k",
        "improvement-controls",
    ]
    assert (
        "below a tenth of its start on arithmetic (round 2), and not within 2 rounds on signs"
        in found[0].holds
    )
    assert (
        "points in 2 rounds (paired over problems: 2 of 2 seeds above zero, 0 below). signs: "
        in found[0].seen
    )
    assert (
        "pass@1 rises on arithmetic and pass@8 falls on arithmetic in each of 2 seeds"
        in found[1].holds
    )
    assert found[0].data.filter(pl.col("quantity") == "gap").height == 9
    assert "arithmetic, oracle: accuracy +1" in found[2].seen


def test_an_option_wins_by_gain_and_by_loss() -> None:
    def changes(gain: float, loss: float) -> Changes:
        return Changes.of(
            [
                document((0.5, 0.5 + gain + n), (0.9, 0.9 - loss - n), (0.1, 0.1))
                for n in (0.0, 0.001)
            ],
            1,
        )

    plain = changes(0.1, 0.1)
    assert (
        changes(0.09, 0.03).wins(plain)
        and not changes(0.07, 0.03).wins(plain)
        and not changes(0.09, 0.06).wins(plain)
    )
    assert not changes(0.09, 0.0).wins(changes(-0.1, 0.1)) and not changes(0.09, 0.0).wins(
        changes(0.1, -0.1)
    )


def test_a_winner_is_judged_on_fresh_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = DiversityStudy(options=(PLAIN, "cap", "base"), rounds=1, seeds=2)

    def stored(self: Courses, course: Any, like: Any = None) -> dict[str, Any]:
        loss = 0.1 if not course.replay else 0.02 if course.seed < 2 else 0.09
        return document(
            (0.5, 0.6 + course.seed / 100), (0.9, 0.9 - loss - course.seed / 100), (0.1, 0.0)
        )

    monkeypatch.setattr(Courses, "document", stored)
    text = study.run(tmp_path / "diversity", lambda line: None).read_text()
    assert "base (30% of the weight: unfiltered base samples) does not win there: pass@1" in text
    assert "fresh seeds 2 to 3" in text and (tmp_path / "diversity" / "diversity.svg").exists()
    fresh, first = (
        {course.seed for course in study.courses("base", flag)} for flag in (True, False)
    )
    assert not fresh & first


def test_forecasts_are_of_other_cells(tmp_path: Path) -> None:
    study, cells = ForecastStudy(), CELLS[:4]
    rng = np.random.default_rng(0)
    documents = [
        [
            document((0.5, 0.5 + gain + rng.normal(0, 0.01)), (0.9, 0.9), (0.2, 0.1))
            for _ in range(3)
        ]
        for gain in (0.1, 0.12, 0.0, 0.2)
    ]
    came = [Came.of(cell, own) for cell, own in zip(cells, documents, strict=True)]
    updates = [one.update(study.courses()[one.cell][0]) for one in came]
    rows = list(study._rows(came, updates, {cell: [] for cell in cells}))
    others = [one.eps_update for one in updates[1:]]
    assert rows[0]["forecast_gain_all_cells"] == pytest.approx(0.2 - np.mean(others))
    ahead = {
        cell: [Estimate(0.6, 0.55, high, 0.95, 20, "") for high in (0.9, 0.9, None)]
        for cell in cells
    }
    [finding] = study._findings(came, updates, ahead)
    assert (
        isinstance(finding, Finding)
        and "over 4 cells" in finding.seen
        and "6 of 8 95% intervals" in finding.seen
    )


def test_a_stored_course_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = ForecastStudy.quick().courses()[("ladder/25k", "recall", "majority")][0]
    stored, ran = Courses(tmp_path, lambda line: None), []

    def improve(course: Any, out: Path) -> Any:
        ran.append(course)
        raise RuntimeError("ran")

    monkeypatch.setattr(courses_module, "improve", improve)
    with pytest.raises(RuntimeError):
        stored.document(course)
    folder = stored.folder(course)
    folder.mkdir()
    made = {"asked": course.as_record(), "stopped": "2 rounds were asked for"} | document(
        (0.1, 0.2, 0.3), (0.5, 0.5, 0.5), (0.1, 0.1, 0.1)
    )
    (folder / "improve.json").write_text(json.dumps(made))
    assert len(stored.document(course)["rounds"]) == 2 and len(ran) == 1
    (folder / "improve.json").write_text(json.dumps(made | {"rounds": made["rounds"][:1]}))
    with pytest.raises(RuntimeError):
        stored.document(course)


SMALLEST = {"train_problems": 6, "train_samples": 2, "problems": 5, "samples": 2}


@pytest.mark.parametrize("name", ["improvement", "forecast", "diversity"])
def test_a_study_of_rounds_runs_on_a_fresh_llama_and_says_that_nothing_was_kept(
    name: str, fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study: Any = {
        "improvement": ImprovementStudy(
            fresh, ("recall",), (), "ladder/25k", rounds=2, seeds=1, sizes=SMALLEST
        ),
        "forecast": ForecastStudy(
            seeds=1, models=(fresh,), tasks=("recall", "signs"), sizes=SMALLEST
        ),
        "diversity": DiversityStudy(
            fresh, "recall", ("plain", "base"), rounds=1, seeds=1, sizes=SMALLEST
        ),
    }[name]
    page = study.run(tmp_path / name, lambda line: None)
    text = page.read_text(encoding="utf-8")
    assert (
        "- Holds? " in text
        and "kept no response of 6 problems: there was nothing to train on" in text
    )
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    monkeypatch.setattr(
        "strop.run.executors.load_engine", lambda *_, **__: pytest.fail("a model was loaded")
    )
    study.run(tmp_path / name, lambda line: pytest.fail(f"something was made again: {line}"))
    assert page.read_text(encoding="utf-8") == text
