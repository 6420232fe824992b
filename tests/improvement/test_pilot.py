"""Pilots: pilot.py, gap_pilot.py and the pilot of runner.py, with a real model and real fits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

pytest.importorskip("trl", reason="the extra 'train' is not installed")

import strop
from strop.engines import model_folder
from strop.errors import UsageError
from strop.improvement.course import Course
from strop.improvement.gap_pilot import add_pilot
from strop.improvement.pilot import PILOT_SHARE, Pilot, log_probability_change, pilot_problems
from strop.improvement.rounds import improve
from strop.progress import Silent
from strop.run.executors import Threads
from strop.run.run import Run
from strop.tasks import Recall, find_task

SETTINGS = {"steps": 6, "batch_size": 8}


def course(**changes: object) -> Course:
    fields: dict[str, object] = {
        "filter_by": "mc",
        "train_problems": 64,
        "problems": 32,
        "samples": 8,
        "settings": SETTINGS,
    }
    return Course("ladder/25k", Recall(), **(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def with_pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pilot") / "course"
    improve(course(), out=out, pilot=True)
    return out


@pytest.mark.parametrize(
    ("train_problems", "expected"), [(800, 192), (400, 96), (64, 16), (10, 10), (1, 1)]
)
def test_a_pilot_takes_a_quarter_in_whole_parts(train_problems: int, expected: int) -> None:
    assert pilot_problems(train_problems) == expected
    assert expected <= max(16, PILOT_SHARE * train_problems)


def test_the_round_uses_the_samples_and_checks_of_its_pilot(with_pilot: Path) -> None:
    base = with_pilot / "round-0"
    for stage in ("responses", "scores/mc"):
        part = Path(stage) / "part-00000.parquet"
        assert (base / "pilot" / "train" / part).read_bytes() == (
            base / "train" / part
        ).read_bytes()


def test_a_pilot_changes_nothing_of_the_round(with_pilot: Path, tmp_path: Path) -> None:
    improve(course(), out=tmp_path / "plain")
    weights = [
        load_file(out / "round-1" / "model" / "model.safetensors")
        for out in (with_pilot, tmp_path / "plain")
    ]
    for name, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][name])


def test_the_pilot_stands_in_the_document_with_its_cost_and_forecast(with_pilot: Path) -> None:
    base = json.loads((with_pilot / "improve.json").read_text())["rounds"][0]
    pilot = Pilot.from_json(base["pilot"])
    assert pilot.filter == "mc@quantile:0.7" and pilot.problems == 16 and pilot.rows > 0
    assert 1 <= pilot.effective_samples <= 8 and 0 < pilot.share_of_round < 1.5
    assert base["forecast_source"] == "pilot" and base["forecast"]["low"] is not None
    assert base["usage_by_stage"]["pilot fit"]["flops"] > 0


def test_a_stored_pilot_is_read_and_not_made_again(with_pilot: Path) -> None:
    file = with_pilot / "round-0" / "pilot" / "pilot.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"rows": 12345}))
    again = improve(course(), out=with_pilot, pilot=True)
    assert again.document["rounds"][0]["pilot"]["rows"] == 12345
    file.write_text(json.dumps(document))


def test_a_model_does_not_differ_from_itself(with_pilot: Path) -> None:
    held_out = Run(with_pilot / "round-0" / "held-out", (), Recall())
    base = model_folder("ladder/25k")
    change = log_probability_change(base, base, held_out)
    assert np.nanmax(np.abs(change.value_PK)) == 0 and change.tokens > 0
    fitted = with_pilot / "round-1" / "model"
    assert np.nanmax(np.abs(log_probability_change(base, fitted, held_out).value_PK)) > 0.01


def test_the_stored_log_probabilities_are_those_of_the_scoring(with_pilot: Path) -> None:
    """At temperature 1 the torch model and the engine that drew must agree."""
    from strop.distill.scoring import score_at_temperature
    from strop.improvement.training_rows import first_responses

    held_out = Run(with_pilot / "round-0" / "held-out", (), Recall())
    indices, rows = first_responses(held_out, 8)
    scores = score_at_temperature(model_folder("ladder/25k"), rows, 1.0)
    problem_N, response_N = np.array(indices).T
    stored_N = held_out.evidence.logprob_PK[problem_N, response_N]
    known_N = np.isfinite(stored_N)
    np.testing.assert_allclose(scores.logprob_N[known_N], stored_N[known_N], atol=1e-3)


def test_an_online_method_has_no_pilot(tmp_path: Path) -> None:
    online = course(method="xpo", filter_by=None, settings={})
    with pytest.raises(UsageError, match="leave --pilot out"):
        improve(online, out=tmp_path / "course", pilot=True)


def test_a_gap_run_gets_a_pilot_and_its_round_uses_the_run(tmp_path: Path) -> None:
    run = strop.gap(
        "ladder/40k",
        "signs",
        verifiers=["cot-binary"],
        problems=48,
        samples=8,
        out=tmp_path / "run",
    )
    piloted = add_pilot(run, Threads(1), Silent())
    verdict = piloted.document["verdict"]
    assert verdict["source"] == "pilot" and verdict["pilot"]["value"] is not None
    assert (run.path / "pilot.json").is_file()
    wanted = Course("ladder/40k", find_task("signs"), problems=48, samples=8, settings=SETTINGS)
    improve(wanted, out=run.path / "improve")
    part = Path("responses") / "part-00000.parquet"
    held_out = run.path / "improve" / "round-0" / "held-out"
    assert (held_out / part).read_bytes() == (run.path / part).read_bytes()
