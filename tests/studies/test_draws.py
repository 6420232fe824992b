"""Tests of the study of several verifications of each response."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.gap import gap
from strop.run.run import Run
from strop.studies.draws import gaps_by_draws
from strop.studies.frame.numbers import gaps, scores_PKM


def test_the_gap_by_draws_is_the_gap_of_each_draw_and_of_their_mean(verified_run: Run) -> None:
    samples = verified_run.evidence.samples
    weight = verified_run.default_weight("cot-binary")
    score_PKM = scores_PKM(verified_run, "cot-binary")
    assert score_PKM.shape == (12, 6, 3) and set(np.unique(score_PKM)) <= {0.0, 1.0}

    def gap_of(score_PK: np.ndarray) -> float:
        weight_PK = weight(score_PK, samples.mask_PK)
        return gap(samples.utility_PK, weight_PK, samples.mask_PK).value

    by_draws = gaps_by_draws(verified_run, "cot-binary")
    assert len(by_draws) == 3
    single = [gap_of(score_PKM[:, :, draw]) for draw in range(3)]
    assert by_draws[1].value == pytest.approx(np.mean(single))
    # Three draws have one disjoint pair: the first two.
    assert by_draws[2].value == pytest.approx(gap_of(score_PKM[:, :, :2].mean(axis=2)))
    # The stored score is the mean of all draws.
    stored = gaps(verified_run, "cot-binary")["gap"]
    assert by_draws[3].value == pytest.approx(stored.value)
