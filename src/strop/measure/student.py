"""Student's t and the normal law: distribution functions and quantiles, without scipy.

P(T <= t) with d degrees of freedom comes from the regularised incomplete beta function I_x(d/2, 1/2) at x = d / (d + t^2), and that from
Lentz's continued fraction; the quantile by Newton's method. All vectorised; ``inf`` degrees of freedom is the normal law.
"""

from __future__ import annotations

from math import lgamma
from statistics import NormalDist
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
_TINY = 1e-300
_NEARLY_NORMAL = 1e5
"""From here on t is the normal quantile with two terms of its expansion in 1 / df, exact to 1e-13; the fraction would need ever more."""
_lgamma = np.vectorize(lgamma, otypes=[float])


@overload
def t_quantile(p: float, df: float) -> float: ...
@overload
def t_quantile(p: float, df: Floats) -> Floats: ...
def t_quantile(p: float, df: float | Floats) -> float | Floats:
    """t with P(T <= t) = p, for each number of degrees of freedom; NaN where these are not above 0."""
    if not 0 < p < 1:
        raise ValueError(f"a quantile needs a probability between 0 and 1; got {p}")
    df_N = np.atleast_1d(np.asarray(df, dtype=float))
    distinct_D, place_N = np.unique(df_N.ravel(), return_inverse=True)
    quantile_D = np.full(len(distinct_D), np.nan)
    normal_D = distinct_D >= _NEARLY_NORMAL
    z = NormalDist().inv_cdf(p)
    with np.errstate(invalid="ignore"):
        quantile_D[normal_D] = (
            z
            + (z**3 + z) / 4 / distinct_D[normal_D]
            + (5 * z**5 + 16 * z**3 + 3 * z) / 96 / distinct_D[normal_D] ** 2
        )
    student_D = (distinct_D > 0) & ~normal_D
    if student_D.any():
        quantile_D[student_D] = np.sign(p - 0.5) * _upper_quantile(
            min(p, 1 - p), distinct_D[student_D]
        )
    quantile_N = quantile_D[place_N].reshape(df_N.shape)
    return float(quantile_N[0]) if np.ndim(df) == 0 else quantile_N


def t_cdf(t: ArrayLike, df: ArrayLike) -> Floats:
    """P(T <= t) for a finite number of degrees of freedom."""
    t_N, df_N = np.broadcast_arrays(np.asarray(t, dtype=float), np.asarray(df, dtype=float))
    tail_N = _two_tails(np.abs(t_N).ravel(), df_N.ravel()).reshape(t_N.shape) / 2
    return np.asarray(np.where(t_N > 0, 1 - tail_N, tail_N))


def _upper_quantile(tail: float, df_D: Floats) -> Floats:
    """t >= 0 with P(T > t) = tail, by Newton's method on log P(T > t) against log t, which is concave: soon it comes from above."""
    if tail == 0.5:
        return np.zeros(len(df_D))
    log_t_D = np.full(len(df_D), np.log(-NormalDist().inv_cdf(tail)))
    log_scale_D = _lgamma((df_D + 1) / 2) - _lgamma(df_D / 2) - np.log(df_D * np.pi) / 2
    for _ in range(100):
        t_D = np.exp(log_t_D)
        tail_D = _two_tails(t_D, df_D) / 2
        density_D = np.exp(log_scale_D - (df_D + 1) / 2 * np.log1p(t_D**2 / df_D))
        step_D = np.log(tail_D / tail) * tail_D / (t_D * density_D)
        log_t_D = log_t_D + step_D
        if (np.abs(step_D) < 1e-13).all():
            break
    return np.asarray(np.exp(log_t_D))


def _two_tails(t_N: Floats, df_N: Floats) -> Floats:
    """P(|T| > t) = I_x(df / 2, 1 / 2)."""
    with np.errstate(over="ignore"):
        square_N = t_N**2 / df_N
    return incomplete_beta(
        1 / (1 + square_N), square_N / (1 + square_N), df_N / 2, np.full_like(df_N, 0.5)
    )


def incomplete_beta(x_N: Floats, rest_N: Floats, a_N: Floats, b_N: Floats) -> Floats:
    """Regularised I_x(a, b). ``rest_N`` is 1 - x, handed in so that an x close to 1 loses no digits."""
    swap_N = x_N > (a_N + 1) / (a_N + b_N + 2)
    rest_N = np.where(np.isnan(rest_N), 1.0, rest_N)
    x_N, rest_N = np.where(swap_N, rest_N, x_N), np.where(swap_N, x_N, rest_N)
    a_N, b_N = np.where(swap_N, b_N, a_N), np.where(swap_N, a_N, b_N)
    log_front_N = _lgamma(a_N + b_N) - _lgamma(a_N) - _lgamma(b_N)
    log_front_N += a_N * np.log(np.maximum(x_N, _TINY)) + b_N * np.log(np.maximum(rest_N, _TINY))
    part_N = np.where(x_N <= 0, 0.0, np.exp(log_front_N) * _continued_fraction(x_N, a_N, b_N) / a_N)
    return np.asarray(np.where(swap_N, 1 - part_N, part_N))


def _continued_fraction(x_N: Floats, a_N: Floats, b_N: Floats) -> Floats:
    """The fraction of Numerical Recipes section 6.4, by Lentz's method."""

    def away_from_zero(value_N: Floats) -> Floats:
        return np.where(np.abs(value_N) < _TINY, _TINY, value_N)

    above_N = np.ones_like(x_N)
    below_N = 1 / away_from_zero(1 - (a_N + b_N) * x_N / (a_N + 1))
    value_N = below_N.copy()
    for m in range(1, 1_000):
        even_N = m * (b_N - m) * x_N / ((a_N + 2 * m - 1) * (a_N + 2 * m))
        odd_N = -(a_N + m) * (a_N + b_N + m) * x_N / ((a_N + 2 * m) * (a_N + 2 * m + 1))
        for term_N in (even_N, odd_N):
            below_N = 1 / away_from_zero(1 + term_N * below_N)
            above_N = away_from_zero(1 + term_N / above_N)
            value_N = value_N * below_N * above_N
        if (np.abs(below_N * above_N - 1) < 1e-15).all():
            break
    return value_N
