"""Tests of the study of rounds of self-improvement, on made-up documents of courses."""

from __future__ import annotations

from typing import Any

import polars as pl

from strop.studies.improvement import ImprovementStudy
from tests.studies.shared import course_document


def saturating(shift: float) -> dict[str, Any]:
    """Return a course whose gap vanishes while accuracy rises and pass@8 falls."""
    return course_document(
        (0.5 + shift, 0.6 + shift, 0.62 + 1.5 * shift),
        (0.9, 0.86 - shift, 0.8 - shift),
        (0.2, 0.05, 0.01 - shift),
    )


def test_the_improvement_study_says_when_the_gap_is_gone() -> None:
    study = ImprovementStudy(tasks=("arithmetic",), alone=("signs",), rounds=2, seeds=2)
    flat = course_document((0.2, 0.2, 0.2), (0.5, 0.5, 0.5), (0.3, 0.3, 0.29))
    better = [
        course_document((0.5, 0.7, 0.8), (0.9, 0.95, 0.97), (0.2, 0.15, 0.1)),
        course_document((0.51, 0.7, 0.82), (0.9, 0.95, 0.98), (0.2, 0.1, 0.1)),
    ]
    documents = {
        ("arithmetic", "own"): [saturating(0.0), saturating(0.01)],
        ("arithmetic", "oracle"): better,
        ("signs", "own"): [flat, flat],
    }
    gap, diversity, controls = study.findings_of(documents)
    names = [finding.name for finding in (gap, diversity, controls)]
    assert names == ["improvement", "improvement-pass-at-k", "improvement-controls"]
    assert (
        "below a tenth of its start on arithmetic (round 2), and not within 2 rounds on signs"
        in gap.holds
    )
    assert (
        "points in 2 rounds (paired over problems: 2 of 2 seeds above zero, 0 below). signs: "
        in gap.seen
    )
    assert gap.data.filter(pl.col("quantity") == "gap").height == 9
    assert (
        "pass@1 rises on arithmetic and pass@8 falls on arithmetic in each of 2 seeds"
        in diversity.holds
    )
    assert "arithmetic, oracle: accuracy +1" in controls.seen
