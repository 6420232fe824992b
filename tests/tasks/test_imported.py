"""Problems of an imported run."""

from __future__ import annotations

from strop.records import Problem
from strop.tasks.base import Grade
from strop.tasks.imported import Imported


def test_an_imported_answer_is_the_whole_text() -> None:
    assert Imported().grade("\n x y ", Problem("p", "test", "?", "x y")) == Grade(
        "x y", "x y", 1.0, 1.0, "whole response", 2
    )
    assert Imported().grade(" ", Problem("p", "test", "?", "")) == Grade(None, None, 0.0, 0.0)
