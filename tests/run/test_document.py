"""The document of a run: the probability that a verifier's options hold together."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import strop
from strop.engines.base import plain_text
from strop.engines.tabular import TabularEngine
from strop.prompts import CORRECT, INCORRECT, solution_prompt, verification_prompt
from strop.run.run import Run
from strop.tasks import Recall

PROBLEMS = 4
SAMPLES = 2
MASSES = (0.05, 0.3, 0.5, 1.0)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run in which the options hold another probability for each problem."""
    task = Recall()
    table = {}
    for problem, mass in zip(
        strop.Plan("tabular", task, problems=PROBLEMS).draw_problems(), MASSES, strict=True
    ):
        table[plain_text(solution_prompt(task, problem, []))] = {" a": 1.0}
        question = verification_prompt("multiple_choice", task, problem, " a", [])
        options = {CORRECT: mass / 4, INCORRECT: 3 * mass / 4}
        rest = {" Well": 1 - mass} if mass < 1 else {}
        table[plain_text(question)] = options | rest
    return strop.gap(
        TabularEngine(table),
        task,
        problems=PROBLEMS,
        samples=SAMPLES,
        verifiers=["mc"],
        out=tmp_path / "run",
    )


def test_the_mass_of_options_is_a_number_and_a_note(run: Run) -> None:
    mass = run.document["verifiers"]["mc"]["option_mass"]
    assert mass == {
        "mean": pytest.approx(sum(MASSES) / PROBLEMS),
        "questions": PROBLEMS * SAMPLES,
        "below": SAMPLES,
        "limit": 0.1,
    }
    assert run.document["estimates"][0]["option_mass"] == mass
    (note,) = [note for note in run.notes if "options" in note]
    assert "hold 46.2% of the model's probability on average" in note
    assert "less than 10% in 2 of 8 questions" in note
    assert "option_mass" not in run.document["usage"]


def test_a_folder_of_a_version_that_did_not_keep_it_is_read(run: Run) -> None:
    for part in run.path.rglob("part-*.parquet"):
        usage = json.loads(pl.read_parquet_metadata(part)["strop_usage"])
        for name in ("options", "option_mass", "low_mass"):
            del usage[name]
        pl.read_parquet(part).write_parquet(part, metadata={"strop_usage": json.dumps(usage)})
    earlier = Run(run.path)
    assert "option_mass" not in earlier.document["verifiers"]["mc"]
    assert not [note for note in earlier.notes if "options" in note]
