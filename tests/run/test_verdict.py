"""The verdict of a gap, and the updates of other courses that it rests on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.errors import CorruptPartError, UsageError
from strop.report.verdict import unknown_line, verdict_lines
from strop.run.run import Run
from strop.run.updates import Update, of_courses, others, read, write
from strop.run.verdict import verdict

ONE = Update("ladder/40k", "arithmetic", "cot-binary@threshold:0.5", "rft", 0.1, 0.08, 0.02)


def past(*eps: float, task: str = "arithmetic") -> list[Update]:
    return [
        replace(ONE, model=f"m{number}", task=task, eps_update=value)
        for number, value in enumerate(eps)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A gap well above zero, a verifier that knows nothing, and one that knows everything."""
    out = tmp_path_factory.mktemp("verdict") / "run"
    return strop.gap(
        "ladder/125k",
        verifiers=["cot-binary", "mc", "chance", "oracle"],
        problems=80,
        samples=8,
        out=out,
    )


def told(run: Run, *eps: float) -> dict[str, Any]:
    return verdict(run.evidence, run.counts_BP, past(*eps))


def test_it_trains_where_the_gap_exceeds_what_training_lost_elsewhere(run: Run) -> None:
    found = told(run, 0.0, 0.01, 0.02, 0.01)
    assert found["train"] == "yes" and found["verifier"] == "cot-binary"
    gap, accuracy = found["gap"]["value"], run.document["accuracy"]["value"]
    assert found["gain"]["value"] == pytest.approx(gap - 0.01) and found["gain"]["low"] > 0
    assert found["expected_accuracy"]["value"] == pytest.approx(accuracy + gap - 0.01)


def test_it_does_not_where_training_lost_more(run: Run) -> None:
    assert told(run, 0.5, 0.51, 0.52, 0.51)["train"] == "no"
    assert told(run, -0.4, 0.5, 0.1, 0.3)["train"] == "unclear"


def test_without_other_courses_it_is_an_upper_figure(run: Run) -> None:
    found = told(run, 0.01, 0.01)
    assert (
        found["train"] == "unclear"
        and found["expected_accuracy"]["low"] is None
        and "--past" in found["why"]
    )


def test_controls_are_never_chosen(run: Run) -> None:
    assert set(run.evidence.blind) == {"cot-binary", "mc"}
    ignorant = replace(
        run.evidence, judges={name: run.evidence.judges[name] for name in ("chance", "oracle")}
    )
    assert verdict(ignorant, run.counts_BP, [])["why"] == "no verifier that could filter was asked"


def test_a_verifier_that_knows_nothing_earns_no_yes(run: Run) -> None:
    ignorant = replace(
        run.evidence, judges={"chance": replace(run.evidence.judges["chance"], control=False)}
    )
    found = verdict(ignorant, run.counts_BP, past(0.0, 0.0, 0.001))
    assert found["train"] in ("unclear", "no") and found["gap"]["low"] <= 0 <= found["gap"]["high"]


def test_nothing_to_choose_among_is_a_no(run: Run) -> None:
    samples = replace(
        run.evidence.samples, utility_PK=np.ones_like(run.evidence.samples.utility_PK)
    )
    found = verdict(replace(run.evidence, samples=samples), run.counts_BP, past(0.0, 0.01, 0.02))
    assert found["train"] == "no" and "nothing to choose among" in found["why"]


def test_it_is_told_in_80_columns_of_words(run: Run) -> None:
    lines = list(verdict_lines(run.document | {"verdict": told(run, 0.0, 0.01, 0.02)}))
    assert lines[0].startswith("arithmetic, ladder/125k: train. ") and "expected" in lines[-1]
    assert "training keeps" in unknown_line(run.document)
    assert not list(
        verdict_lines({name: value for name, value in run.document.items() if name != "verdict"})
    )


def test_the_same_task_goes_before_others() -> None:
    known = past(0.1, 0.2, 0.3) + past(0.9, task="signs")
    assert [one.eps_update for one in others(known, "m0", "arithmetic", "rft", 2)] == [0.2, 0.3]
    assert [one.eps_update for one in others(known, "m0", "arithmetic", "rft", 3)] == [
        0.2,
        0.3,
        0.9,
    ]
    assert others(known, "m0", "arithmetic", "rpo", 2) == []


def test_updates_are_written_and_read(tmp_path: Path) -> None:
    write([ONE], tmp_path / "updates.csv")
    assert read(tmp_path / "updates.csv") == (ONE,)
    (tmp_path / "updates.csv").write_text("model,task\nx,y\n")
    with pytest.raises(CorruptPartError, match="cannot be read; it was changed"):
        read(tmp_path / "updates.csv")


def test_courses_tell_their_updates(tmp_path: Path) -> None:
    rounds = [
        {"gap_filter": {"value": 0.1}},
        {"gain": {"value": 0.08}, "eps_update": {"value": 0.02}},
    ]
    document = {
        "model": ONE.model,
        "task": ONE.task,
        "filter_by": ONE.filter,
        "method": "rft",
        "rounds": rounds,
    }
    (tmp_path / "improve.json").write_text(json.dumps(document))
    assert of_courses([tmp_path]) == (ONE,)
    for broken in (
        "{",
        "[]",
        json.dumps(document | {"rounds": rounds[:1]}),
        json.dumps(document | {"rounds": [{}, {}]}),
    ):
        (tmp_path / "improve.json").write_text(broken)
        with pytest.raises(
            UsageError,
            match=f"--past {tmp_path}: expected a folder that strop improve has finished a",
        ):
            of_courses([tmp_path])


def test_named_courses_are_kept_with_the_run(tmp_path: Path) -> None:
    for number, eps in enumerate((0.01, 0.02, 0.03)):
        rounds = [
            {"gap_filter": {"value": 0.1}},
            {"gain": {"value": 0.1 - eps}, "eps_update": {"value": eps}},
        ]
        document = {
            "model": f"m{number}",
            "task": "arithmetic",
            "filter_by": ONE.filter,
            "method": "rft",
            "rounds": rounds,
        }
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "improve.json").write_text(json.dumps(document))
    folders = [tmp_path / str(number) for number in range(3)]
    options: dict[str, Any] = {
        "problems": 16,
        "samples": 4,
        "out": tmp_path / "run",
        "verifiers": ["mc"],
    }
    found = strop.gap("ladder/25k", "arithmetic", past=folders, **options)
    assert found.document["verdict"]["other_courses"] == 3
    assert Run(tmp_path / "run").document["verdict"] == found.document["verdict"]
