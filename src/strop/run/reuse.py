"""Copy parts from another run if this run would make the same parts.

The rows of a part depend on the model, the task, the sampling settings and the problems, and on
nothing else. So a larger run can copy the parts of its first problems from a smaller run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from strop.run.store import RunFolder

OTHER_SETTINGS = ("problems", "verifiers", "draws", "verifier_model", "fingerprints")
"""Settings that a run's responses do not depend on. The generator's fingerprint is compared
separately."""


def reuse_responses(folder: RunFolder, other: Path | None) -> None:
    """Copy the parts of responses that both runs have in common and this folder lacks."""
    for number in _common_parts(folder, other):
        assert other is not None
        for stage in ("responses", "greedy"):
            _copy(folder, RunFolder(other), stage, number)


def reuse_scores(
    folder: RunFolder, other: Path | None, stage: str, verifier: dict[str, Any]
) -> None:
    """Copy the parts of scores that a verifier with the same record made in the other run."""
    for number in _common_parts(folder, other):
        assert other is not None
        record = RunFolder(other).record()
        made = record["verifiers"].get(stage) or record.get("begun", {}).get(stage)
        if made == verifier:
            _copy(folder, RunFolder(other), f"scores/{stage}", number)


def _common_parts(folder: RunFolder, other: Path | None) -> Iterator[int]:
    """Yield the parts whose problems, prompts and sampling settings are the same in both runs."""
    if other is None or not (other / "run.json").is_file():
        return
    source = RunFolder(other)
    if _drawn_by(folder.record()) != _drawn_by(source.record()):
        return
    size = source.part_problems
    if folder.part_problems != size:
        return
    here, there = folder.problems(), source.problems()
    for number in range(-(-there.height // size)):
        start = number * size
        if here.slice(start, size).equals(there.slice(start, size)):
            yield number


def _drawn_by(record: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that a run's responses depend on."""
    asked = record["asked"]
    settings = {name: value for name, value in asked.items() if name not in OTHER_SETTINGS}
    return settings | {"fingerprint": asked["fingerprints"][0]}


def _copy(folder: RunFolder, source: RunFolder, stage: str, number: int) -> None:
    if source.has_part(stage, number) and not folder.has_part(stage, number):
        folder.copy_part(stage, number, source.part_path(stage, number))
