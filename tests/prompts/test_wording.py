"""A wording that cannot be used is refused.

Most refusals are tested through files, in ``test_file.py``.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

import strop
from strop.errors import UsageError
from strop.prompts import (
    Example,
)

RIGHT, WRONG = Example("2+3?", "5", "It is 5.", True), Example("2+3?", "6\n", "It is 5.\n", False)


def test_from_python_the_same_is_refused() -> None:
    with pytest.raises(UsageError, match="binary has no holes"):
        strop.Wording(binary="Check it.")
    with pytest.raises(UsageError, match="score is 0"):
        replace(RIGHT, score=0)
