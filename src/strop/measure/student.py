"""Student's t and the normal law: distribution functions and quantiles, without scipy.

P(T <= t) with d degrees of freedom comes from the regularised incomplete beta function
I_x(d/2, 1/2) at x = d / (d + t^2), which Lentz's continued fraction gives; the quantile comes from
Newton's method. Everything is vectorised; ``inf`` degrees of freedom is the normal law.

Axes: N elements, of any shape where the function says so; D distinct degrees of freedom.
"""

from __future__ import annotations

from math import lgamma
from statistics import NormalDist
from typing import overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_TINY = 1e-300
"""Stands for 0 where a logarithm or a divisor needs a number above 0."""
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

    ``df`` is a number or an array of any shape, and the result has its shape. It need not be whole
    (Satterthwaite's is not). Raises ValueError unless p lies between 0 and 1.
    """
    if not 0 < p < 1:
        raise ValueError(f"a quantile needs a probability between 0 and 1; got {p}")
    df_N = np.atleast_1d(np.asarray(df, dtype=float))
    # Thousands of estimates share a few numbers of problems: each is solved for once.
    distinct_D, index_N = np.unique(df_N.ravel(), return_inverse=True)
    quantile_D = np.full(len(distinct_D), np.nan)
    normal_D = distinct_D >= _NEARLY_NORMAL
    quantile_D[normal_D] = _nearly_normal_quantile(p, distinct_D[normal_D])
    student_D = (distinct_D > 0) & ~normal_D
    if student_D.any():
        # The law is symmetric: the smaller tail alone is solved for.
        tail = min(p, 1 - p)
        upper_D = _upper_quantile(tail, distinct_D[student_D])
        quantile_D[student_D] = np.sign(p - 0.5) * upper_D
    quantile_N = quantile_D[index_N].reshape(df_N.shape)
    if np.ndim(df) == 0:
        return float(quantile_N[0])
    return quantile_N


def _nearly_normal_quantile(p: float, df_D: Floats) -> Floats:
    """Return the quantiles at many degrees of freedom, by the expansion of Cornish and Fisher.

    t = z + (z^3 + z) / (4 df) + (5 z^5 + 16 z^3 + 3 z) / (96 df^2) + O(1 / df^3), where z is the
    quantile of the normal law.
    """
    z = NormalDist().inv_cdf(p)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    # Infinite df gives z itself: both terms are then 0.
    return np.asarray(z + first / df_D + second / df_D**2)


def _upper_quantile(tail: float, df_D: Floats) -> Floats:
    """Return t >= 0 with P(T > t) = tail.

    Newton's method on log P(T > t) against log t. The curve is concave, so after one step the
    iterates come from above and cannot run away.
    """
    if tail == 0.5:
        return np.zeros(len(df_D))
    # The normal quantile is a start on the right side for every df: Student's lies further out.
    normal = -NormalDist().inv_cdf(tail)
    log_t_D = np.full(len(df_D), np.log(normal))
    # The density is Gamma((df + 1) / 2) / (Gamma(df / 2) sqrt(pi df)), the scale, times
    # (1 + t^2 / df)^(-(df + 1) / 2). In logarithms, since both gammas overflow.
    log_scale_D = _lgamma((df_D + 1) / 2) - _lgamma(df_D / 2)
    log_scale_D -= np.log(df_D * np.pi) / 2
    for _ in range(100):
        t_D = np.exp(log_t_D)
        tail_D = _two_tails(t_D, df_D) / 2
        log_shape_D = (df_D + 1) / 2 * np.log1p(t_D**2 / df_D)
        density_D = np.exp(log_scale_D - log_shape_D)
        # d log P(T > t) / d log t = -t density / P(T > t), so the step is the error in log P over
        # the size of this slope.
        log_error_D = np.log(tail_D / tail)
        step_D = log_error_D * tail_D / (t_D * density_D)
        log_t_D = log_t_D + step_D
        if (np.abs(step_D) < 1e-13).all():
            break
    return np.asarray(np.exp(log_t_D))


def _two_tails(t_N: Floats, df_N: Floats) -> Floats:
    """P(|T| > t) = I_x(df / 2, 1 / 2) at x = df / (df + t^2)."""
    # x = 1 / (1 + s) and 1 - x = s / (1 + s), with s = t^2 / df: no digits cancel in either.
    with np.errstate(over="ignore"):
        square_N = t_N**2 / df_N
    x_N = 1 / (1 + square_N)
    rest_N = square_N / (1 + square_N)
    half_N = np.full_like(df_N, 0.5)
    return incomplete_beta(x_N, rest_N, df_N / 2, half_N)


def incomplete_beta(x_N: Floats, rest_N: Floats, a_N: Floats, b_N: Floats) -> Floats:
    """Return the regularised incomplete beta function I_x(a, b), element by element.

    It is the probability that a Beta(a, b) variable is at most x. All arrays have one shape; a and
    b are above 0. ``rest_N`` is 1 - x; it is an argument so that an x close to 1 loses no digits.
    """
    # The fraction converges fast below about the mean of the law, a / (a + b). Above it the
    # symmetry I_x(a, b) = 1 - I_{1-x}(b, a) is used: x and 1 - x change places, and a and b too.
    swap_N = x_N > (a_N + 1) / (a_N + b_N + 2)
    # t^2 / df overflowed to inf, and inf / inf is NaN: then x is 0 and its rest 1.
    rest_N = np.where(np.isnan(rest_N), 1.0, rest_N)
    small_x_N = np.where(swap_N, rest_N, x_N)
    large_rest_N = np.where(swap_N, x_N, rest_N)
    first_N = np.where(swap_N, b_N, a_N)
    second_N = np.where(swap_N, a_N, b_N)
    # The factor x^a (1 - x)^b / B(a, b) in logarithms, since its parts leave a double's range.
    log_x_N = np.log(np.maximum(small_x_N, _TINY))
    log_rest_N = np.log(np.maximum(large_rest_N, _TINY))
    log_front_N = _lgamma(first_N + second_N) - _lgamma(first_N) - _lgamma(second_N)
    log_front_N += first_N * log_x_N + second_N * log_rest_N
    fraction_N = _continued_fraction(small_x_N, first_N, second_N)
    part_N = np.exp(log_front_N) * fraction_N / first_N
    # log 0 was read as log 1e-300 above; the integral up to 0 is 0.
    part_N = np.where(small_x_N <= 0, 0.0, part_N)
    return np.asarray(np.where(swap_N, 1 - part_N, part_N))


def _continued_fraction(x_N: Floats, a_N: Floats, b_N: Floats) -> Floats:
    """Evaluate the fraction 1 / (1 + d_1 / (1 + d_2 / (1 + ...))) by Lentz's method.

    Numerical Recipes, section 6.4:

        d_2m    =  m (b - m) x / ((a + 2m - 1) (a + 2m))
        d_2m+1  = -(a + m) (a + b + m) x / ((a + 2m) (a + 2m + 1))

    Lentz's method keeps the ratios of successive numerators (``above_N``) and of successive
    denominators (``below_N``, inverted) in place of numerators and denominators, which overflow.
    """
    above_N = np.ones_like(x_N)
    first_term_N = (a_N + b_N) * x_N / (a_N + 1)
    below_N = 1 / _away_from_zero(1 - first_term_N)
    value_N = below_N.copy()
    for m in range(1, 1_000):
        twice_N = a_N + 2 * m
        even_N = m * (b_N - m) * x_N
        even_N = even_N / ((twice_N - 1) * twice_N)
        odd_N = -(a_N + m) * (a_N + b_N + m) * x_N
        odd_N = odd_N / (twice_N * (twice_N + 1))
        for term_N in (even_N, odd_N):
            below_N = 1 / _away_from_zero(1 + term_N * below_N)
            above_N = _away_from_zero(1 + term_N / above_N)
            value_N = value_N * below_N * above_N
        # The last factor is 1 to a double's precision: further terms change nothing.
        if (np.abs(below_N * above_N - 1) < 1e-15).all():
            break
    return value_N


def _away_from_zero(value_N: Floats) -> Floats:
    """Return the values, with a tiny number in place of 0.

    Lentz's method divides by them; the tiny number cancels in the product.
    """
    is_zero_N = np.abs(value_N) < _TINY
    return np.where(is_zero_N, _TINY, value_N)
