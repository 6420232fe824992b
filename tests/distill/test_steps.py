"""The plan of a fit: which rows each step reads."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from strop.distill import Sft
from strop.distill.steps import plan


def test_the_plan_reads_every_row_equally_often_in_full_batches() -> None:
    for rows, batch, epochs in ((11, 4, 4), (3, 8, 8), (16, 4, 1)):
        steps = plan(rows, Sft(batch_size=batch, epochs=epochs))
        assert steps.shape == (-(-rows * epochs // batch), batch)
        assert np.ptp(np.bincount(steps.ravel(), minlength=rows)) <= 1
    one, other = (plan(11, Sft(batch_size=4, steps=9, seed=seed)) for seed in (0, 1))
    assert (
        one.shape == (9, 4)
        and (one != other).any()
        and (one == plan(11, Sft(batch_size=4, steps=9))).all()
    )
