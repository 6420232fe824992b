"""Forecasts: coverage of the realised accuracy, and no interval without evidence."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.forecast import UPPER_FIGURE, forecast
from strop.measure.intervals import Ratio


def test_prediction_interval_covers_the_realised_accuracy() -> None:
    """600 worlds: 40 problems, 6 other cells; the band is four standard errors."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(600):
        eps = rng.normal(0.02, 0.03, 7)
        kept = Ratio(rng.normal(0.6, 0.2, 40), np.ones(40), "J(f[w])")
        result = forecast(kept, eps[:6])
        assert result.low is not None and result.high is not None
        covered += result.low <= 0.6 - eps[6] <= result.high
    assert 0.915 <= covered / 600 <= 0.985


def test_with_fewer_than_three_cells_it_is_an_upper_figure_without_interval() -> None:
    kept = Ratio(np.array([0.2, 0.6]), np.ones(2), "J(f[w])")
    for eps in ([], [0.1], [0.1, 0.2, np.nan]):
        result = forecast(kept, np.array(eps))
        assert (result.value, result.low, result.high, result.definition) == (
            pytest.approx(0.4),
            None,
            None,
            UPPER_FIGURE,
        ) and result.why
    assert forecast(Ratio(np.zeros(2), np.zeros(2), "x"), np.zeros(3)).value is None
