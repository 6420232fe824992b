"""studies/cross.py: which verifying model gives a generator its largest gap."""

from __future__ import annotations

from strop.records import Estimate
from strop.studies.cross import CrossStudy


def gap(value: float | None) -> Estimate:
    return Estimate(value, None, None, 0.95, 10, "gap")


def test_a_gap_of_zero_is_larger_than_a_negative_one_and_an_unknown_one_is_left_out() -> None:
    study = CrossStudy(models=("ladder/a", "ladder/b"))
    values = {
        ("ladder/a", "ladder/a"): gap(-0.2),
        ("ladder/a", "ladder/b"): gap(0.0),
        ("ladder/b", "ladder/a"): gap(None),
        ("ladder/b", "ladder/b"): gap(-0.1),
    }
    assert study._better_judges(values) == ["b for a"]
