"""Student's t and the normal law: distribution functions and quantiles, without scipy.

P(T <= t) with d degrees of freedom comes from the regularised incomplete beta function
I_x(d/2, 1/2) at x = d / (d + t^2), which Lentz's continued fraction gives; the quantile comes from
Newton's method. Everything is vectorised; ``inf`` degrees of freedom is the normal law.
"""

from __future__ import annotations

from math import lgamma
from statistics import NormalDist
from typing import overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_TINY = 1e-300
_NEARLY_NORMAL = 1e5
"""From here on t is the normal quantile with two terms of its expansion in 1 / df, exact to 1e-13.
The continued fraction would need ever more terms."""
_lgamma = np.vectorize(lgamma, otypes=[float])


@overload
def t_quantile(p: float, df: float) -> float: ...
@overload
def t_quantile(p: float, df: Floats) -> Floats: ...
def t_quantile(p: float, df: float | Floats) -> float | Floats:
    """Return t with P(T <= t) = p for each number of degrees of freedom; NaN where it is not > 0.

    Raises ValueError unless p lies between 0 and 1.
    """
    if not 0 < p < 1:
        raise ValueError(f"a quantile needs a probability between 0 and 1; got {p}")
    df_N = np.atleast_1d(np.asarray(df, dtype=float))
    distinct_D, index_N = np.unique(df_N.ravel(), return_inverse=True)
    quantile_D = np.full(len(distinct_D), np.nan)
    normal_D = distinct_D >= _NEARLY_NORMAL
    quantile_D[normal_D] = _nearly_normal_quantile(p, distinct_D[normal_D])
    student_D = (distinct_D > 0) & ~normal_D
    if student_D.any():
        # The law is symmetric: the smaller tail alone is solved for.
        upper_D = _upper_quantile(min(p, 1 - p), distinct_D[student_D])
        quantile_D[student_D] = np.sign(p - 0.5) * upper_D
    quantile_N = quantile_D[index_N].reshape(df_N.shape)
    return float(quantile_N[0]) if np.ndim(df) == 0 else quantile_N


def _nearly_normal_quantile(p: float, df_D: Floats) -> Floats:
    """Return the quantiles at many degrees of freedom, by the expansion of Cornish and Fisher."""
    z = NormalDist().inv_cdf(p)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return np.asarray(z + first / df_D + second / df_D**2)


def _upper_quantile(tail: float, df_D: Floats) -> Floats:
    """Return t >= 0 with P(T > t) = tail.

    Newton's method on log P(T > t) against log t. The curve is concave, so after one step the
    iterates come from above and cannot run away.
    """
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
    half_N = np.full_like(df_N, 0.5)
    return incomplete_beta(1 / (1 + square_N), square_N / (1 + square_N), df_N / 2, half_N)


def incomplete_beta(x_N: Floats, rest_N: Floats, a_N: Floats, b_N: Floats) -> Floats:
    """Regularised I_x(a, b).

    ``rest_N`` is 1 - x; it is an argument so that an x close to 1 loses no digits.
    """
    # The fraction converges fast below the mean of the law; above it I_x(a, b) is taken as
    # 1 - I_{1-x}(b, a).
    swap_N = x_N > (a_N + 1) / (a_N + b_N + 2)
    # t^2 / df overflowed to inf, and inf / inf is NaN: then x is 0 and its rest 1.
    rest_N = np.where(np.isnan(rest_N), 1.0, rest_N)
    x_N, rest_N = np.where(swap_N, rest_N, x_N), np.where(swap_N, x_N, rest_N)
    a_N, b_N = np.where(swap_N, b_N, a_N), np.where(swap_N, a_N, b_N)
    # The factor x^a (1 - x)^b / B(a, b) in logarithms, since its parts leave a double's range.
    log_x_N = np.log(np.maximum(x_N, _TINY))
    log_rest_N = np.log(np.maximum(rest_N, _TINY))
    log_front_N = _lgamma(a_N + b_N) - _lgamma(a_N) - _lgamma(b_N)
    log_front_N += a_N * log_x_N + b_N * log_rest_N
    part_N = np.exp(log_front_N) * _continued_fraction(x_N, a_N, b_N) / a_N
    part_N = np.where(x_N <= 0, 0.0, part_N)
    return np.asarray(np.where(swap_N, 1 - part_N, part_N))


def _continued_fraction(x_N: Floats, a_N: Floats, b_N: Floats) -> Floats:
    """Evaluate the fraction of Numerical Recipes section 6.4 by Lentz's method."""
    above_N = np.ones_like(x_N)
    below_N = 1 / _away_from_zero(1 - (a_N + b_N) * x_N / (a_N + 1))
    value_N = below_N.copy()
    for m in range(1, 1_000):
        twice_N = a_N + 2 * m
        even_N = m * (b_N - m) * x_N / ((twice_N - 1) * twice_N)
        odd_N = -(a_N + m) * (a_N + b_N + m) * x_N / (twice_N * (twice_N + 1))
        for term_N in (even_N, odd_N):
            below_N = 1 / _away_from_zero(1 + term_N * below_N)
            above_N = _away_from_zero(1 + term_N / above_N)
            value_N = value_N * below_N * above_N
        if (np.abs(below_N * above_N - 1) < 1e-15).all():
            break
    return value_N


def _away_from_zero(value_N: Floats) -> Floats:
    """Lentz's method divides by these; a tiny number in place of 0 cancels in the product."""
    return np.where(np.abs(value_N) < _TINY, _TINY, value_N)
