"""Tests of run/plan: the limits of responses and verifications, and what a record says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import strop
from strop.run.plan import Plan
from strop.run.presets import PRESETS
from strop.tasks import Recall
from strop.verify import find_verifier

SMALL: dict[str, Any] = {"problems": 4, "samples": 2, "verifiers": ["cot-binary"]}
CHECKS = Recall.verification_max_tokens


def limits(plan: Plan, verifier: str = "cot-binary") -> tuple[int, int]:
    """Return the limits of a response and of a verification."""
    verification = plan.verification_sampling(find_verifier(verifier))
    return plan.sampling().max_tokens, verification.max_tokens


def longest_check(run: strop.Run) -> int:
    """Return the most tokens that a verification of the run has, on average over a part."""
    usage = run.usage_by_stage["scores/cot-binary"]
    return round(usage.generated_tokens / run.scores["cot-binary"].height)


def test_a_limit_of_answers_does_not_bound_verifications() -> None:
    assert limits(Plan("m", Recall())) == (Recall.max_tokens, CHECKS)
    assert limits(Plan("m", Recall(), max_tokens=3)) == (3, CHECKS)
    assert limits(Plan("m", Recall(), max_tokens=3), "tournament") == (3, 2 * CHECKS)
    assert limits(Plan("m", Recall(), verify_max_tokens=5)) == (Recall.max_tokens, 5)
    assert limits(Plan("m", Recall(), verify_max_tokens=5), "tournament") == (Recall.max_tokens, 5)


@pytest.mark.parametrize("options", [preset.options for preset in PRESETS.values()])
def test_records_of_default_runs_and_of_presets_do_not_change(options: dict[str, Any]) -> None:
    for plan in (Plan("m", Recall()), Plan("m", Recall(), **options)):
        assert "verify_max_tokens" not in plan.as_record()
        assert Plan.from_record(plan.as_record()) == plan


@pytest.mark.parametrize("limit", [None, 3, 7])
def test_a_record_gives_its_plan_back(limit: int | None) -> None:
    plan = Plan("m", Recall(), max_tokens=3, verify_max_tokens=limit)
    assert Plan.from_record(json.loads(json.dumps(plan.as_record()))) == plan


def test_a_record_of_before_has_one_limit_for_both() -> None:
    record = Plan("m", Recall(), max_tokens=3).as_record()
    del record["verify_max_tokens"]
    assert limits(Plan.from_record(record)) == (3, 3)


@pytest.mark.parametrize("name", ["max_tokens", "verify_max_tokens"])
def test_a_limit_below_one_is_refused(name: str) -> None:
    with pytest.raises(strop.StropError, match=f"--{name.replace('_', '-')} 0: expected 1 or more"):
        Plan("m", Recall(), **{name: 0})


def test_a_run_of_before_goes_on_with_the_limit_it_had(tmp_path: Path) -> None:
    """The same command meets a folder whose record has one limit."""
    run = strop.gap(
        "ladder/40k", "recall", max_tokens=3, verify_max_tokens=3, out=tmp_path / "run", **SMALL
    )
    assert "verify_max_tokens" not in run.record["asked"]  # as a record of before
    folder = run.path / "scores" / "cot-binary"
    for part in folder.iterdir():
        part.unlink()
    resumed = strop.gap("ladder/40k", "recall", max_tokens=3, out=tmp_path / "run", **SMALL)
    assert longest_check(resumed) <= 3
    assert resumed.plan.verify_max_tokens == 3
    new = strop.gap("ladder/40k", "recall", max_tokens=3, out=tmp_path / "new", **SMALL)
    assert longest_check(new) > 3
    with pytest.raises(strop.StropError, match="verify_max_tokens None there, 9 asked"):
        strop.gap(
            "ladder/40k", "recall", max_tokens=3, verify_max_tokens=9, out=tmp_path / "new", **SMALL
        )


def test_a_verifier_is_added_with_a_limit_of_its_own(tmp_path: Path) -> None:
    settings = SMALL | {"verifiers": ["mc"]}
    for name in ("run", "other"):
        strop.gap("ladder/40k", "recall", out=tmp_path / name, **settings)
    run = strop.add_verifier(tmp_path / "run", "cot-binary", verify_max_tokens=2)
    assert longest_check(run) <= 2
    assert run.record["verifiers"]["cot-binary"]["max_tokens"] == 2
    with pytest.raises(strop.StropError, match="max_tokens 2, and max_tokens None"):
        strop.add_verifier(tmp_path / "run", "cot-binary")
    usual = strop.add_verifier(tmp_path / "other", "cot-binary")
    assert "max_tokens" not in usual.record["verifiers"]["cot-binary"]
    assert longest_check(usual) > 2
    with pytest.raises(strop.StropError, match="--verify-max-tokens 0: expected 1 or more"):
        strop.add_verifier(tmp_path / "other", "cot-score", verify_max_tokens=0)
