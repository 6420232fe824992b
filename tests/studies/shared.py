"""Helpers of the studies' tests: made-up ratios and made-up documents of courses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from strop.measure import Ratio
from strop.measure.gap import mean_over_problems


def quiet(_: str) -> None:
    """Ignore a line about progress."""


def mean_gap(value_P: np.ndarray) -> Ratio:
    """Return the mean over problems of made-up gaps."""
    return mean_over_problems(value_P, "gap", (-1.0, 1.0))


def course_document(
    accuracies: Sequence[float],
    passes: Sequence[float],
    gaps: Sequence[float],
    base_gap: float = 0.1,
) -> dict[str, Any]:
    """Return the document of a course with these numbers of each round; ``passes`` are pass@8."""
    rounds: list[dict[str, Any]] = []
    for number, (accuracy, passed, gap) in enumerate(zip(accuracies, passes, gaps, strict=True)):
        entry: dict[str, Any] = {"round": number}
        for name in ("accuracy", "greedy", "train_accuracy"):
            entry[name] = {"value": accuracy}
        entry["gap"] = {"value": gap}
        entry["gap_base_verifier"] = {"value": base_gap}
        entry["gap_filter"] = {"value": gap}
        entry["pass_at_k"] = {"1": {"value": accuracy}, "8": {"value": passed}}
        rounds.append(entry)
    for before, entry in pairwise(rounds):
        gain = entry["accuracy"]["value"] - before["accuracy"]["value"]
        loss = before["gap"]["value"] - gain
        entry |= {"gain": {"value": gain}, "gain_flexible": {"value": gain}}
        entry |= {"eps_update": {"value": loss}, "eps_update_flexible": {"value": loss}}
        entry["gain_in_format"] = {"value": 0.0}
        entry["accuracy_since_base"] = _change(entry["accuracy"], rounds[0]["accuracy"])
        passed_before = rounds[0]["pass_at_k"]["8"]
        entry["pass_at_k_since_base"] = _change(entry["pass_at_k"]["8"], passed_before)
    return {"rounds": rounds}


def _change(now: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    value = now["value"] - before["value"]
    return {"value": value, "low": value - 0.05, "high": value + 0.05}
