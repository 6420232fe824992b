"""Forecasts stay within what is possible, and say what is not known."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.forecast import UPPER_FIGURE, WORTH, Forecast, upper_figure
from strop.measure.intervals import Ratio
from strop.measure.pooling import Prediction


def law(mean: float, sd: float) -> Prediction:
    return Prediction(np.ones(1), np.array([mean]), np.array([sd]))


def test_an_ordinary_forecast_is_the_predictive_law() -> None:
    forecast = Forecast.of(law(0.1, 0.02), 0.5, 200, "test")
    gain = forecast.gain
    assert gain.low is not None and gain.high is not None
    assert (gain.value, gain.low, gain.high) == (
        pytest.approx(0.1),
        pytest.approx(0.1 - 1.96 * 0.02, abs=1e-4),
        pytest.approx(0.1 + 1.96 * 0.02, abs=1e-4),
    )
    assert forecast.worth == pytest.approx(1.0, abs=1e-3)
    after = forecast.accuracy_after(0.5)
    assert (after.value, after.n) == (pytest.approx(0.6), 200)


@pytest.mark.parametrize("accuracy", [0.0, 0.01, 0.99, 1.0])
def test_no_forecast_leaves_what_is_possible(accuracy: float) -> None:
    forecast = Forecast.of(law(0.3, 0.5), accuracy, 200, "test")
    after = forecast.accuracy_after(accuracy)
    assert after.low is not None and after.high is not None and after.value is not None
    assert 0 <= after.low <= after.value <= after.high <= 1 + 1e-12
    if 1 - accuracy <= WORTH:
        assert forecast.worth == 0.0


def test_the_upper_figure_has_no_interval() -> None:
    kept = Ratio(np.array([0.2, 0.6]), np.ones(2), "J(f[w])")
    figure = upper_figure(kept)
    assert (figure.value, figure.low, figure.definition) == (pytest.approx(0.4), None, UPPER_FIGURE)
    assert figure.why
    assert upper_figure(Ratio(np.zeros(2), np.zeros(2), "x")).value is None
