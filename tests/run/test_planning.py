"""How much to sample: from a pilot run, and from assumed numbers."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.cli.main import main
from strop.errors import UsageError
from strop.run.planning import SAMPLES, Needed, plan_from_assumptions, plan_from_run
from strop.run.run import Run
from tests.run.test_run import tabular


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("planning") / "run"
    return strop.gap(
        "ladder/40k",
        "recall",
        problems=40,
        samples=8,
        verifiers=["mc", "cot-binary", "majority"],
        out=out,
    )


def problems_at(needed: Needed, samples: int) -> int:
    (need,) = [need for need in needed.plan.needs if need.samples == samples]
    assert need.problems is not None, need.why
    return need.problems


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["strop", "plan", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_a_pilot_plans_accuracy_and_the_gap_of_each_verifier(pilot: Run) -> None:
    needs = plan_from_run(pilot, 0.02)
    labels = [
        "accuracy",
        "gap of mc@quantile:0.7",
        "gap of cot-binary@threshold:0.5",
        "gap of majority@best-of:K",
    ]
    assert [one.quantity for one in needs] == labels
    for one in needs[:3]:
        counts = [problems_at(one, samples) for samples in SAMPLES]
        assert counts == sorted(counts, reverse=True), (
            "more samples a problem never need more problems"
        )
        assert one.plan.cheapest is not None and one.plan.cheapest.responses == min(
            k * p for k, p in zip(SAMPLES, counts, strict=True)
        )
    assert needs[3].plan.cheapest is None and "depend on all" in (needs[3].plan.why or "")
    assert all(need.problems is None and need.why for need in needs[3].plan.needs)


def test_the_need_at_the_pilots_own_size_is_the_interval_it_has(pilot: Run) -> None:
    """A plan for the half-width of the pilot needs about as many problems as the pilot."""
    accuracy = pilot.accuracies["accuracy"]
    assert accuracy.low is not None and accuracy.high is not None
    needed = plan_from_run(pilot, (accuracy.high - accuracy.low) / 2)[0]
    assert math.sqrt(problems_at(needed, 8) / 40) == pytest.approx(1, rel=0.3)


def test_half_the_width_takes_four_times_the_problems(pilot: Run) -> None:
    for wide, narrow in zip(
        plan_from_run(pilot, 0.04)[:3], plan_from_run(pilot, 0.02)[:3], strict=True
    ):
        assert problems_at(narrow, 8) == pytest.approx(4 * problems_at(wide, 8), abs=4)


def test_costs_are_those_of_the_run(pilot: Run) -> None:
    usage = pilot.document["usage"]
    row = plan_from_run(pilot, 0.02)[0].as_json()["cheapest"]
    each = row["generated_tokens"] / row["responses"]
    assert each == pytest.approx(pilot.cost_of_a_response()["generated_tokens"], rel=0.01)
    assert (
        0 < each * pilot.responses.height <= usage["generated_tokens"]
        and 0 < row["flops"] / row["responses"] * 320 <= usage["flops"]
    )


def test_what_lies_outside_the_pilot_is_noted(pilot: Run) -> None:
    _, gap, *_ = plan_from_run(pilot, 0.02)
    assert any(
        "K = 16, 32, 64, 128: outside the pilot's" in note and "to 8" in note
        for note in gap.plan.notes
    )
    inside = plan_from_run(pilot, 0.02, samples=(4, 8))[1]
    assert not any("outside" in note for note in inside.plan.notes)
    assert not any("outside" in note for note in plan_from_run(pilot, 0.02)[0].plan.notes), (
        "accuracy's law is exact at every K"
    )


def test_no_more_problems_than_there_are(pilot: Run) -> None:
    needed = plan_from_run(pilot, 0.01, available=3)[0]
    assert needed.plan.cheapest is None and needed.as_json()["cheapest"] == {
        "value": None,
        "why": "needs more than the 3 problems there are",
    }


@pytest.mark.parametrize(("problems", "samples"), [(6, 1), (6, 2), (2, 8)])
def test_pilots_too_small_for_something_say_so(problems: int, samples: int, tmp_path: Path) -> None:
    run = strop.gap(
        tabular(problems=problems),
        "recall",
        problems=problems,
        samples=samples,
        temperature=1.0,
        out=tmp_path / "run",
    )
    documents = [needed.as_json() for needed in plan_from_run(run, 0.05)]
    json.dumps(documents, allow_nan=False)
    for document in documents:
        for need in [*document["needs"], document["cheapest"]]:
            assert need.get("problems") or need["why"]


def test_one_problem_is_no_pilot(tmp_path: Path) -> None:
    run = strop.gap(tabular(problems=1), "recall", problems=1, samples=8, out=tmp_path / "run")
    with pytest.raises(UsageError, match="has one problem; a pilot needs at least 2"):
        plan_from_run(run, 0.05)


def test_a_pilot_without_spread_says_so(tmp_path: Path) -> None:
    run = strop.gap(
        tabular(1.0), "recall", problems=6, samples=8, temperature=1.0, out=tmp_path / "run"
    )
    for needed in plan_from_run(run, 0.05):
        assert needed.plan.cheapest is None and "no spread" in (needed.plan.why or "")


def test_what_elsewhere_cost_is_unknown_not_zero(tmp_path: Path) -> None:
    rows = [
        {"problem": f"p{n // 8}", "text": "t", "utility": n * n % 3 == 1, "scores": {"own": n % 5}}
        for n in range(80)
    ]
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    for needed in plan_from_run(strop.import_samples(path, tmp_path / "run"), 0.05):
        assert not {"flops", "prompt_tokens", "generated_tokens"} & set(
            needed.as_json()["cheapest"]
        )


def test_assumptions_give_the_known_law_of_accuracy() -> None:
    accuracy, gap = plan_from_assumptions(0.02, 0.4, auroc=0.8, rho=0.5)
    for samples in SAMPLES:
        variance = 0.24 * (0.5 + 0.5 / samples)
        assert problems_at(accuracy, samples) == math.ceil((1.959964 / 0.02) ** 2 * variance)
    assert [problems_at(gap, samples) for samples in SAMPLES] == sorted(
        (problems_at(gap, k) for k in SAMPLES), reverse=True
    )
    assert any("assumed, not measured" in note for note in gap.plan.notes)
    assert "flops" not in accuracy.as_json()["cheapest"]


def test_assumptions_agree_with_intervals_in_that_world() -> None:
    """Draw what was planned: the intervals come out about as wide as was asked for."""
    from strop.measure import gap, resample_counts
    from strop.measure.budget import Assumed
    from strop.measure.intervals import estimate
    from strop.weigh import parse_weight

    needed = plan_from_assumptions(0.05, 0.4)[1]
    problems = problems_at(needed, 16)
    utility_PK, score_PK = Assumed(0.4).responses(16, seed=7, problems=problems)
    mask_PK = np.ones(utility_PK.shape, bool)
    found = estimate(
        gap(utility_PK, parse_weight("quantile:0.7")(score_PK, mask_PK), mask_PK),
        resample_counts(problems, 0),
    )
    assert found.low is not None and found.high is not None
    assert (found.high - found.low) / 2 == pytest.approx(0.05, rel=0.3)


def test_best_of_n_is_planned_from_n_samples_on() -> None:
    needs = plan_from_assumptions(0.02, 0.5, weigh="best-of:16")[1].plan.needs
    assert [need.problems is not None for need in needs] == [samples >= 16 for samples in SAMPLES]
    assert needs[0].why == "best-of:16 needs at least 16 samples"


@pytest.mark.parametrize("half_width", [0, -0.01, 1, 2, math.nan, math.inf])
def test_a_half_width_is_a_fraction(half_width: float, pilot: Run) -> None:
    for ask in (
        lambda: plan_from_run(pilot, half_width),
        lambda: plan_from_assumptions(half_width, 0.5),
    ):
        with pytest.raises(UsageError, match="expected a number between 0 and 1"):
            ask()


@pytest.mark.parametrize(
    "numbers",
    [
        {"accuracy": 0},
        {"accuracy": 1},
        {"accuracy": -1},
        {"auroc": 1},
        {"auroc": 0},
        {"rho": 1.5},
        {"rho": -1},
    ],
)
def test_impossible_worlds_are_refused(numbers: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--accuracy, --auroc and --rho"):
        plan_from_assumptions(0.02, **({"accuracy": 0.5} | numbers))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "needs a pilot run's folder, or --accuracy; got neither"),
        (["PILOT", "--accuracy", "0.5"], "got both"),
        (["nowhere"], "holds no run"),
        (["PILOT", "--half-width", "0"], "--half-width 0: expected"),
        (["PILOT", "--half-width", "1"], "--half-width 1: expected"),
        (["--accuracy", "0"], "must lie in (0, 1)"),
        (["--accuracy", "1"], "must lie in (0, 1)"),
        (["--accuracy", "nan"], "must lie in (0, 1)"),
        (["--accuracy", "0.5", "--weigh", "best"], "unknown weight 'best'"),
    ],
    ids=str,
)
def test_wrong_input_is_one_line(
    arguments: list[str], message: str, pilot: Run, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert (
        command(
            monkeypatch,
            *(str(pilot.path) if argument == "PILOT" else argument for argument in arguments),
        )
        == 2
    )
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and message in err


def test_the_command_prints_a_table_or_one_document(
    pilot: Run, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert command(monkeypatch, str(pilot.path), "--json") == 0
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [plan["quantity"] for plan in plans] == [
        one.quantity for one in plan_from_run(pilot, 0.02)
    ]
    assert command(monkeypatch, str(pilot.path)) == 0
    text = capsys.readouterr().out
    assert "fewest responses" in text and "FLOPs" in text and "K = 128" in text
