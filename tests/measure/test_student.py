"""Student's t against printed tables."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.student import incomplete_beta, t_quantile

TABLE = [
    (0.975, 1, 12.7062047362),
    (0.975, 2, 4.3026527297),
    (0.975, 10, 2.2281388520),
    (0.95, 5, 2.0150483733),
    (0.975, 30, 2.0422724563),
    (0.995, 4, 4.6040948713),
    (0.9, 120, 1.2886462336),
    (0.975, 1000, 1.9623390808),
    (0.975, np.inf, 1.9599639845),
]


def t_cdf(t: np.ndarray, df: np.ndarray) -> np.ndarray:
    """P(T <= t), from P(|T| > t) = I_x(df / 2, 1 / 2) with x = df / (df + t^2)."""
    x = df / (df + t**2)
    tail = incomplete_beta(x, t**2 / (df + t**2), df / 2, np.full_like(df, 0.5)) / 2
    return np.where(t > 0, 1 - tail, tail)


@pytest.mark.parametrize(("p", "df", "expected"), TABLE)
def test_quantiles_are_those_of_the_tables(p: float, df: float, expected: float) -> None:
    assert t_quantile(p, df) == pytest.approx(expected, abs=1e-9)
    assert t_quantile(1 - p, df) == pytest.approx(-expected, abs=1e-9)


@pytest.mark.parametrize("p", [1e-9, 0.01, 0.3, 0.5, 0.51, 0.999])
def test_the_distribution_function_undoes_the_quantile(p: float) -> None:
    df = np.array([0.3, 1, 2.5, 7, 60, 900, 4e4])
    assert t_cdf(t_quantile(p, df), df) == pytest.approx(np.full(len(df), p), rel=1e-9)


def test_one_and_two_degrees_have_closed_forms_and_large_ones_join_the_normal() -> None:
    for p in (0.6, 0.9, 0.999):
        assert t_quantile(p, 1.0) == pytest.approx(np.tan(np.pi * (p - 0.5)), rel=1e-12)
        assert t_quantile(p, 2.0) == pytest.approx(
            (2 * p - 1) / np.sqrt(2 * p * (1 - p)), rel=1e-12
        )
    assert t_quantile(0.975, 99_999.0) == pytest.approx(t_quantile(0.975, 100_001.0), abs=1e-8)


def test_shapes_and_what_is_undefined() -> None:
    assert t_quantile(0.975, np.array([[1.0, 2], [2, 1]])).shape == (2, 2)
    assert np.isnan(t_quantile(0.975, np.array([0.0, -1, np.nan]))).all()
    with pytest.raises(ValueError, match="between 0 and 1"):
        t_quantile(1.0, 3.0)
