"""Rows are checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from strop.distill import Comparison, Preference, Weighted
from strop.errors import UsageError


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Weighted("p7", "Q", (1, 2), -0.5),
            "problem p7: the weight is -0.5; expected a finite number, at least 0",
        ),
        (lambda: Weighted("p7", "Q", (1, 2), math.nan), "problem p7: the weight is nan"),
        (lambda: Weighted("p7", "Q", ()), "problem p7: a row has an empty response"),
        (lambda: Preference("p7", "", (1,), (2,)), "problem p7: a row has an empty prompt"),
        (
            lambda: Comparison("p7", "Q", (1,), (2,), math.inf),
            "problem p7: the difference of rewards is inf",
        ),
    ],
)
def test_bad_rows_are_one_clear_line(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()
