"""Settings and problems of the embedded tasks.

Covers ``arithmetic.py``, ``signs.py`` and ``recall.py``. Their grading is tested in
``test_hard_cases.py``.
"""

from __future__ import annotations

import pytest

from strop.errors import UsageError
from strop.tasks import Arithmetic, Recall, Signs, Sudoku4
from strop.tasks.signs import choices


def test_signs_has_several_targets_and_a_reachable_one() -> None:
    for problem in Signs().problems("test", 40, seed=0):
        assert (
            problem.reference in choices(problem.question) and len(choices(problem.question)) == 16
        )


def test_difficulties_are_fields() -> None:
    assert Arithmetic(steps=6).problems("test", 1, 0)[0].question.count("=") == 0
    assert len(Arithmetic(steps=6).problems("test", 1, 0)[0].question) == 13
    with pytest.raises(UsageError, match="1 to 12"):
        Sudoku4(blanks=(14,))
    with pytest.raises(UsageError, match="ask for fewer"):
        Recall().problems("test", 1000, 0)
