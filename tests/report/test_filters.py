"""Filters by name: what a weight keeps, and that it is the weight's own rule."""

from __future__ import annotations

import numpy as np
import pytest

from strop.report.filters import is_filter, kept, parameter_title
from strop.weigh import WEIGHTS, parse_weight


@pytest.mark.parametrize(
    ("weigh", "expected"),
    [
        ("threshold:0.5", [True, True, False, None]),
        ("quantile:0.7", [True, False, False, None]),
        ("quantile:0.5", [True, True, False, None]),
        ("quantile:0", [True, True, True, None]),
        ("best-of:4", [None] * 4),
    ],
)
def test_kept(weigh: str, expected: list[bool | None]) -> None:
    assert kept([0.9, 0.5, 0.1, None], weigh) == expected


def test_ties_are_kept() -> None:
    assert kept([1.0, 1.0, 0.0, 0.0], "quantile:0.7") == [True, True, False, False]


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_filter_gives_weights_0_and_1_and_has_a_title(name: str) -> None:
    spec = "best-of:2" if name == "best-of" else f"{name}:{0.5 if name == 'quantile' else 1}"
    score_PK = np.array([[0.25, 1.0, 1.5, 3.0]])
    weight_PK = parse_weight(spec)(score_PK, np.ones_like(score_PK, dtype=bool))
    assert is_filter(spec) == (set(weight_PK.ravel()) == {0.0, 1.0})
    assert parameter_title(spec)


def test_no_weight_keeps_nothing_for_certain() -> None:
    assert kept([1.0, 2.0], "") == [None, None]
