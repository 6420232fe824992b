"""theory/fits.py: fits find the exponents of made-up growth, and separate its laws."""

from __future__ import annotations

import numpy as np
import pytest

from strop.studies.theory.fits import (
    exponent,
    exponent_of,
    exponential_over_power,
    geometric_mean,
    mean_over_runs,
    slope,
    wilson,
)


def test_fits_find_the_exponents_and_separate_laws_of_growth() -> None:
    rng, x_S = np.random.default_rng(0), np.arange(3.0, 11.0)
    noise_RS = np.exp(0.2 * rng.standard_normal((20, 8)))
    power_RS, exponential_RS = 5 * x_S**2.5 * noise_RS, np.exp(0.7 * x_S) * noise_RS
    assert exponent(x_S, power_RS).holds(2.5) and not exponent(x_S, power_RS).holds(2)
    assert slope(x_S, np.log(exponential_RS)).holds(0.7)
    assert exponent_of(x_S, 3 * x_S**-1.5) == pytest.approx(-1.5)
    assert (
        exponential_over_power(x_S, exponential_RS, 0).low
        > 0
        > exponential_over_power(x_S, power_RS, 0).high
    )


def test_means_leave_out_runs_without_a_value_and_count_the_others() -> None:
    found = mean_over_runs(np.array([1.0, 3.0, np.nan]))
    assert (found.value, found.runs) == (2.0, 2) and found.low == pytest.approx(
        2 - 12.7062, abs=1e-3
    )
    assert np.isnan(mean_over_runs(np.array([1.0])).low) and np.isnan(
        mean_over_runs(np.array([np.nan])).value
    )
    assert geometric_mean(np.array([1.0, 100.0])).value == pytest.approx(10)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4) and wilson(5, 10) == pytest.approx(
        (0.2366, 0.7634), abs=1e-4
    )
