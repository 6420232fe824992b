"""Tests of the curves of gap against threshold, their shapes, and the transfer of a threshold."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure import estimate
from strop.run.run import Run
from strop.studies.threshold_curves import Curve, curve, shape, transfer
from tests.studies.shared import mean_gap


def made_up(
    run: Run, means: list[float], problems: int = 12, noise: float = 0.05, seed: int = 0
) -> Curve:
    """Return a curve with gaps around these means at thresholds 0.1, 0.2, ..."""
    rng = np.random.default_rng(seed)
    gap_PT = np.array(means) + noise * rng.standard_normal((problems, 1))
    gaps = [estimate(mean_gap(gap_P), run.counts_BP) for gap_P in gap_PT.T]
    return Curve(run, np.arange(1, len(means) + 1) / 10, gap_PT, gaps)


def test_shapes_of_curves(verified_run: Run) -> None:
    assert shape(made_up(verified_run, [0.1, 0.3, 0.5])) == "rising"
    assert shape(made_up(verified_run, [0.1, 0.5, 0.3])) == "concave"
    assert shape(made_up(verified_run, [0.5, 0.3, 0.1])) == "falling"
    assert shape(made_up(verified_run, [0.0, 0.001, 0.0], noise=0.2)) == "flat"
    assert shape(made_up(verified_run, [0.5, 0.6])) == "no curve"


def test_a_threshold_from_another_model_costs_the_difference_of_the_gaps(
    verified_run: Run,
) -> None:
    own = made_up(verified_run, [0.1, 0.5, 0.3])
    other = made_up(verified_run, [0.1, 0.3, 0.5], seed=1)
    loss, value = transfer(other, own)
    assert value.value == pytest.approx(own.gap_PT[:, 1].mean())
    assert loss.value == pytest.approx(0.3 - 0.5)
    assert loss.interval_sign == -1
    unknown, _ = transfer(made_up(verified_run, [0.1]), own)
    assert unknown.value is None and unknown.why == "too few thresholds to choose from"
    same, _ = transfer(own, own)
    assert same.value == same.low == same.high == 0


def test_a_curve_has_the_default_sweep(verified_run: Run) -> None:
    swept = curve(verified_run, "cot-binary")
    assert all(0 < threshold < 1 for threshold in swept.threshold_T)
    assert swept.gap_PT.shape == (12, len(swept.threshold_T))
