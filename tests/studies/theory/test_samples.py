"""theory/samples.py: cost formulas agree with runs."""

from __future__ import annotations

import numpy as np
import pytest

from strop.studies.theory.samples import ADAPTIVE, DPO, SFT, Cell, repeated
from strop.theory.hard_instance import with_coverage


@pytest.mark.parametrize("learner", [SFT, ADAPTIVE, DPO])
def test_the_cost_formula_meets_the_runs(learner: str) -> None:
    """They agree within 15%.

    The formula leaves out that a best of N is sometimes wrong, and a learner is checked in steps.
    """
    cell = Cell(learner, with_coverage(16, 0.3, 4.0), 0.05)
    needed_R = repeated([cell], 40, "test")[:, 0]
    assert np.isfinite(needed_R).all() and needed_R.mean() == pytest.approx(cell.formula, rel=0.15)


def test_the_number_of_processes_changes_nothing() -> None:
    cells = [Cell(learner, with_coverage(4, 0.4, 2.0), 0.1) for learner in (SFT, DPO)]
    assert np.array_equal(
        repeated(cells, 3, "test", workers=1), repeated(cells, 3, "test", workers=2)
    )
