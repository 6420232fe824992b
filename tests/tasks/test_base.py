"""A grade from a strict and a flexible extraction.

The contracts of all tasks are tested in ``tests/contracts/test_tasks.py``.
"""

from __future__ import annotations

import pytest

from strop.tasks.base import Grade
from strop.tasks.extraction import Found

STRICT, FLEXIBLE = Found("a b", "strict", 0), Found("B", "flexible", 2)


@pytest.mark.parametrize(
    ("strict", "flexible", "expected"),
    [
        (STRICT, FLEXIBLE, Grade("a b", "B", 0.0, 1.0, "flexible", 2)),
        (None, FLEXIBLE, Grade(None, "B", 0.0, 1.0, "flexible", 2)),
        (STRICT, None, Grade("a b", "a b", 0.0, 0.0, "strict", 0)),
        (STRICT, Found("a b", "flexible", 0), Grade("a b", "a b", 0.0, 0.0, "strict", 0)),
        (FLEXIBLE, STRICT, Grade("B", "a b", 1.0, 1.0, "strict", 0)),
        (None, None, Grade(None, None, 0.0, 0.0)),
    ],
)
def test_a_grade_of_what_was_found(
    strict: Found | None, flexible: Found | None, expected: Grade
) -> None:
    assert Grade.of(strict, flexible, "B".__eq__) == expected


def test_a_grade_is_of_answers_in_their_one_spelling() -> None:
    assert Grade.of(STRICT, FLEXIBLE, "b".__eq__, str.lower) == Grade(
        "a b", "b", 0.0, 1.0, "flexible", 2
    )
    assert Grade.of(STRICT, FLEXIBLE, "".__eq__, lambda _: "") == Grade(None, None, 0.0, 0.0), (
        "what has no spelling is no answer"
    )
