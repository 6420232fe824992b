"""Settings of a course: each one runs and has an effect, or is refused in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from strop.errors import UsageError
from strop.improvement.course import Course
from strop.improvement.replay import Replay
from strop.improvement.rounds import improve
from strop.improvement.training_rows import Keeping
from strop.tasks import Recall

MODEL = "ladder/25k"
SMALL: dict[str, Any] = {
    "train_problems": 24,
    "problems": 16,
    "samples": 8,
    "settings": {"steps": 3, "batch_size": 8},
}


@pytest.mark.parametrize(
    "change",
    [
        {"filter_by": "chance"},
        {"filter_by": "mc@quantile:0.5&majority@quantile:0.5"},
        {"filter_by": "mc@tilt:1"},
        {"verify_with": "ladder/40k"},
        {"keeping": Keeping(cap=1)},
        {"train_temperature": 1.3},
        {"train_samples": 4},
        {"replay": (Replay("base", 0.3), Replay("verification", 0.2))},
        {"settings": {"steps": 3, "batch_size": 8, "base_kl": 2.0}},
    ],
)
def test_every_option_runs_a_round_and_changes_the_model(
    change: dict[str, Any], tmp_path: Path
) -> None:
    usual = SMALL | {"filter_by": "mc"}
    plain = improve(Course(MODEL, Recall(), **usual), out=tmp_path / "plain")
    found = improve(Course(MODEL, Recall(), **usual | change), out=tmp_path / "changed")
    first, last = found.document["rounds"]
    weights = [
        load_file(one.rounds[1].held_out.path.parent / "model" / "model.safetensors")
        for one in (plain, found)
    ]
    assert any(not np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert {"gap", "gap_base_verifier", "gap_filter"} <= last.keys()
    assert (first["trained_on"]["replayed"] > 0) == ("replay" in change)
    if change.get("filter_by") == "chance":
        assert found.document["verifier"] == "cot-binary@threshold:0.5"
        assert first["gap"] != first["gap_filter"]


def test_a_fixed_verifier_filters_every_round(tmp_path: Path) -> None:
    course = replace(
        Course(MODEL, Recall(), filter_by="mc", verify_with="ladder/40k", **SMALL), rounds=2
    )
    found = improve(course, out=tmp_path / "run")
    for one in found.rounds[:2]:
        assert one.train.record["verifiers"].keys() == {"mc--ladder-40k"}
    assert found.rounds[2].train.record["verifiers"] == {}
    assert found.rounds[1].held_out.record["verifiers"].keys() == {
        "mc",
        "mc--ladder-25k",
        "mc--ladder-40k",
    }


def test_the_base_models_log_probability_is_the_frozen_self_reward(tmp_path: Path) -> None:
    found = improve(Course(MODEL, Recall(), "sft-sharpen", **SMALL), out=tmp_path / "run")
    last = found.rounds[1].held_out.record["verifiers"]
    assert set(last) == {"logprob", "likelihood--ladder-25k"}
    assert found.document["rounds"][1]["gap_base_verifier"]["value"] is not None


def test_usage_tells_what_the_fit_cost(tmp_path: Path) -> None:
    found = improve(
        Course(MODEL, Recall(), filter_by="mc", **SMALL), out=tmp_path / "run"
    ).document["rounds"]
    fit = found[0]["usage_by_stage"]["fit"]
    assert (
        fit["flops"] > 0 and fit["generated_tokens"] > 0 and "fit" not in found[1]["usage_by_stage"]
    )
    assert found[0]["usage"]["flops"] == pytest.approx(
        sum(part["flops"] for part in found[0]["usage_by_stage"].values())
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"filter_by": "mc@quantile:0.5&mc@quantile:0.7"},
            "a verifier is named twice; name each once",
        ),
        ({"filter_by": "mc@"}, "is not a verifier with its weight"),
        ({"filter_by": "logprob@best-of:50"}, "ask for best-of:8 or less"),
        (
            {"filter_by": "majority", "verify_with": "ladder/40k"},
            "asks no model; leave one of them out",
        ),
        (
            {"filter_by": "mc@quantile:0.5&majority@best-of:K", "verify_with": "ladder/40k"},
            "asks no model; leave one of them out",
        ),
        (
            {"method": "rpo", "keeping": Keeping(cap=1)},
            "--cap, --distinct and --balance are for rft and sft-sharpen",
        ),
        (
            {"method": "sft-sharpen", "train_temperature": 1.0},
            "is defined at temperature 1; leave it out",
        ),
        (
            {"replay": (Replay("base", 0.5), Replay("earlier", 0.5))},
            "the shares add up to 1; expected less than 1",
        ),
        ({"train_samples": 0}, "--train-samples 0: expected 1 or more"),
    ],
)
def test_what_cannot_be_asked_is_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Course(**({"model": MODEL, "task": Recall(), "samples": 8} | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"method": "xpo", "filter_by": "oracle"},
            "its reward is the base model's log-probability; leave --filter-by",
        ),
        (
            {"method": "reward-dpo", "samples": 1},
            "compares two responses to a problem; ask for 2 or more",
        ),
        ({"filter_by": "nonsense"}, "there is no verifier 'nonsense'"),
        (
            {"method": "magic"},
            "there is no method 'magic'; there are rft, rpo, sft-sharpen, reward-dpo, xpo",
        ),
        ({"rounds": 0}, "--rounds 0: expected 1 or more"),
        ({"settings": {"warmth": 1}}, "its trainer has no such setting"),
        (
            {"settings": {"learning_rate": -1.0}},
            "learning_rate is -1.0; expected a finite number, at least 0",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_at_once(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Course(**({"model": MODEL, "task": Recall()} | change))


@pytest.mark.parametrize(("batch_size", "parts"), [(64, 8), (12, 2), (7, 1), (13, 13), (1, 1)])
def test_a_step_of_a_real_model_is_computed_in_parts(batch_size: int, parts: int) -> None:
    """The whole step of 64 rows took 22 GB with a model of 135 million parameters."""
    settings = {"batch_size": batch_size}
    assert Course("./m", Recall(), settings=settings).trainer.gradient_accumulation == parts
    assert Course(MODEL, Recall(), settings=settings).trainer.gradient_accumulation == 1
    asked = Course("./m", Recall(), settings={"gradient_accumulation": 4})
    assert asked.trainer.gradient_accumulation == 4
