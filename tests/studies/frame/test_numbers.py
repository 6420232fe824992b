"""frame/numbers.py: numbers in tables and sentences. test_numbers_of_runs.py has those of runs."""

from __future__ import annotations

import pytest

from strop.records import Estimate
from strop.studies.frame.numbers import (
    count_signs,
    estimate_columns,
    per_cent,
    points,
    share,
    short_name,
)
from strop.text import listed


def estimate(value: float | None, low: float | None = None, high: float | None = None) -> Estimate:
    return Estimate(value, low, high, 0.95, 10, "a definition", "a reason" if low is None else None)


def test_a_value_is_written_with_its_interval() -> None:
    gap = estimate(0.032, 0.01, 0.054)
    assert points(gap) == "+3.2 [1.0, 5.4]"
    assert per_cent(gap) == "3.2 [1.0, 5.4]"
    assert share(gap) == "0.03 [0.01, 0.05]"


def test_undefined_is_a_dash_and_no_interval_has_no_brackets() -> None:
    assert points(estimate(None)) == "–"
    assert points(estimate(0.5)) == "+50.0"
    assert points(estimate(-1e-17)) == "+0.0", "the rounding error of a sum has no sign"


def test_an_estimate_as_columns() -> None:
    assert estimate_columns(estimate(None)) == {
        "value": None,
        "low": None,
        "high": None,
        "n": 10,
        "why": "a reason",
    }


def test_intervals_are_counted_by_their_side_of_zero() -> None:
    estimates = [estimate(1, 0.5, 2), estimate(0, -1, 1), estimate(-1, -2, -0.5), estimate(None)]
    assert count_signs(estimates).startswith(
        "1 of 4 intervals lie above zero, 1 below (about 0.1 of"
    )


@pytest.mark.parametrize(
    ("names", "text"),
    [([], "none"), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_names_in_a_sentence(names: list[str], text: str) -> None:
    assert listed(iter(names)) == text


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("ladder/25k", "25k"),
        ("Qwen/Qwen2-7B", "Qwen2-7B"),
        ("/a/folder/of/models/", "models"),
        ("/a/model?dtype=float32", "model"),
    ],
)
def test_short_names_of_models(model: str, name: str) -> None:
    assert short_name(model) == name
