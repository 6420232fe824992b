"""frame/cost.py: costs before anything is sampled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from strop.cli.main import app
from strop.errors import UsageError
from strop.improvement.course import Course
from strop.studies import STUDIES
from strop.studies.frame.cost import (
    Sketch,
    cost_of,
    cost_of_course,
    cost_of_fit,
    parameters_of,
    stand_in,
)
from strop.studies.frame.runs import RunSpec
from strop.tasks import find_task
from tests.studies.frame.tiny_study import SMALL, Tiny


def test_a_dry_run_counts_shared_runs_once_and_stores_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in STUDIES.copy():
        monkeypatch.delitem(STUDIES, name)
    monkeypatch.setitem(STUDIES, "tiny", Tiny)
    monkeypatch.setitem(STUDIES, "again", Tiny)
    result = CliRunner().invoke(
        app, ["study", "all", "--dry-run", "--json", "--model", "7B", "--out", str(tmp_path)]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    own, together = document["dry_run"]["tiny"], document["together"]
    assert together == own == document["dry_run"]["again"] and own["runs"] == 1
    assert (
        own["responses"] == 5 * 4 and own["verifications"] == 15 and own["seconds_at_most"] is None
    )
    assert not list(tmp_path.iterdir())


def test_a_size_alone_costs_by_its_parameters() -> None:
    assert (
        parameters_of("7B") == 7_000_000_000
        and parameters_of("1.5e9") == 1_500_000_000
        and parameters_of("ladder/25k") is None
    )
    known = stand_in("Qwen/Qwen2-7B")
    assert isinstance(known, Sketch) and known.parameters == 7_615_616_512
    with pytest.raises(UsageError, match="its size is not known"):
        stand_in("nobody/nothing")
    one, two = (
        cost_of([RunSpec(size, "signs", ("mc", "cot-binary"), **SMALL)]) for size in ("1B", "2B")
    )
    assert (
        two.flops_at_most == pytest.approx(2 * one.flops_at_most)
        and two.prompt_tokens == one.prompt_tokens
    )
    tokens = one.prompt_tokens + one.generated_at_most
    assert one.flops_at_most == pytest.approx(2e9 * tokens, rel=0.02)


def test_judging_by_another_model_costs_that_models_flops() -> None:
    alone = cost_of([RunSpec("1B", "signs", ("cot-binary",), **SMALL)])
    both = cost_of([RunSpec("1B", "signs", ("cot-binary",), ("9B",), **SMALL)])
    drawn = cost_of([RunSpec("1B", "signs", **SMALL)])
    assert both.flops_at_most - alone.flops_at_most == pytest.approx(
        9 * (alone.flops_at_most - drawn.flops_at_most)
    )
    assert both.verifications == 2 * alone.verifications == 30


def test_a_course_costs_its_rounds_and_its_fits() -> None:
    course = Course(
        "1B", find_task("signs"), "rft", 1, train_problems=6, train_samples=3, problems=5, samples=2
    )
    once, twice = cost_of_course(course), cost_of_course(replace(course, rounds=2))
    assert once.fits == 1 and once.responses == 2 * 5 * (2 + 1) + 6 * (3 + 1)
    assert once.verifications == 2 * 5 * 2 + 5 * 2 + 6 * 3, (
        "the base model's and the first model's own, the base verifier's, the training ones"
    )
    first = cost_of([RunSpec("1B", "signs", ("cot-binary",), problems=5, samples=2)])
    for name in (
        "responses",
        "verifications",
        "prompt_tokens",
        "generated_at_most",
        "flops_at_most",
        "trained_tokens_at_most",
        "fits",
    ):
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name) - getattr(first, name))
    fit = cost_of_fit(RunSpec("1B", "signs", **SMALL), rows=6 * 3)
    assert (
        fit.trained_tokens_at_most
        == once.trained_tokens_at_most
        >= 6 * 3 * find_task("signs").max_tokens
    )
    assert fit.flops_at_most == pytest.approx(6e9 * fit.trained_tokens_at_most)


@pytest.mark.parametrize("name", ["improvement", "forecast", "diversity", "sft", "seeds"])
def test_a_study_that_trains_counts_what_it_makes(name: str) -> None:
    result = CliRunner().invoke(
        app, ["study", name, "--quick", "--dry-run", "--json", "--model", "7B"]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert document["dry_run"][name]["fits"] > 0 and not document["not_counted"]
    assert document["dry_run"][name]["seconds_at_most"] is None
