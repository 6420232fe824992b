"""Write the record of a run, run.json: the settings, resolved, and the verifiers."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from strop.engines import Engine
from strop.errors import RunMismatchError
from strop.measure import GAP_DEFINITION
from strop.run.plan import Plan
from strop.run.store import FORMAT_VERSION, RunFolder, differences
from strop.run.verification import Verification
from strop.tasks import Dataset

SCORES_DEPEND_ON = ("draws", "settings", "model", "fingerprint")


def new_record(
    plan: Plan, engine: Engine, judge: Engine, verifications: Sequence[Verification], draws: int
) -> dict[str, Any]:
    """Return the record of a new run. A folder whose "asked" differs holds another run."""
    verifiers = {
        verification.stage(plan.model): verification.record() for verification in verifications
    }
    asked = plan.as_record()
    source = plan.task.source()
    if source:
        asked["data"] = source
    asked["verifiers"] = {stage: record["settings"] for stage, record in verifiers.items()}
    asked["draws"] = draws
    asked["verifier_model"] = judge.name
    asked["fingerprints"] = [engine.fingerprint, judge.fingerprint]
    return {
        "format_version": FORMAT_VERSION,
        **_whole_data(plan),
        "design": "fixed" if plan.adaptive is None else "adaptive",
        "asked": asked,
        "model": engine.describe(),
        "verifier_model": judge.name,
        "verifiers": verifiers,
        "problems_per_part": plan.part_problems,
        "bootstrap_seed": plan.bootstrap_seed,
        "versions": {
            "strop": version("strop"),
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "polars": version("polars"),
        },
        "definitions": {"gap": GAP_DEFINITION},
    }


def _whole_data(plan: Plan) -> dict[str, Any]:
    """Return the number of problems of a data set that has fewer than the default number."""
    if not isinstance(plan.task, Dataset) or plan.split != "test":
        return {}
    is_whole = plan.problems < Plan.problems and plan.problems == plan.task.size("test")
    return {"all_problems_of_data": plan.problems} if is_whole else {}


def begin_verifier(folder: RunFolder, stage: str, verifier: dict[str, Any]) -> None:
    """Note in run.json that scores of an added verifier are being made.

    The entry stands under "begun", apart from the "verifiers" that the run's own command compares.
    Raises RunMismatchError if the folder has scores of the same name with other settings.
    """
    _register_verifier(folder, "begun", stage, verifier)


def finish_verifier(folder: RunFolder, stage: str, verifier: dict[str, Any]) -> None:
    """Note in run.json that an added verifier has scored all responses."""
    _register_verifier(folder, "verifiers", stage, verifier)


def _register_verifier(
    folder: RunFolder, section: str, stage: str, verifier: dict[str, Any]
) -> None:
    record = folder.record()
    begun = record.setdefault("begun", {})
    has_scores = any((folder.path / "scores" / stage).glob("part-*"))
    stored = record["verifiers"].get(stage) or (begun.get(stage) if has_scores else None) or {}
    _check_same_verifier(folder, stage, stored, verifier)
    begun.pop(stage, None)
    if stage not in record["verifiers"]:
        record[section][stage] = verifier
    if not begun:
        del record["begun"]
    folder.write_json("run.json", record)


def _check_same_verifier(
    folder: RunFolder, stage: str, stored: dict[str, Any], verifier: dict[str, Any]
) -> None:
    known = [key for key in SCORES_DEPEND_ON if key in stored]
    there = {key: stored[key] for key in known}
    here = {key: verifier[key] for key in known}
    if stored:
        there["max_tokens"] = stored.get("max_tokens")
        here["max_tokens"] = verifier.get("max_tokens")
    for name, stored_value, new_value in differences(there, here):
        raise RunMismatchError(
            f"{folder.path} has scores of {stage} with {name} {stored_value}, and {name} "
            f"{new_value} was asked for; a run holds one set of scores a verifier: "
            "ask for the same, or start another run"
        )
