"""Exponents with intervals from repeated runs, and a comparison of two laws of growth.

Axes: R runs, S points of a curve, B bootstrap resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import threadpoolctl

from strop.measure.intervals import Floats
from strop.measure.student import t_quantile

T = TypeVar("T")
RESAMPLES = 2_000


@dataclass(frozen=True)
class Fitted:
    """A mean over runs with Student's 95% interval.

    The ends are NaN for fewer than two runs, whose spread is unknown.
    """

    value: float
    low: float
    high: float
    runs: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def holds(self, number: float) -> bool:
        """Return whether the interval contains a number."""
        return self.low <= number <= self.high


def mean_over_runs(value_R: Floats) -> Fitted:
    """Return the mean over the runs that have a value (not NaN); ``runs`` counts these."""
    known_R = value_R[np.isfinite(value_R)]
    runs = len(known_R)
    if runs == 0:
        return Fitted(np.nan, np.nan, np.nan, 0)
    if runs == 1:
        # One run says nothing about the spread.
        return Fitted(float(known_R[0]), np.nan, np.nan, 1)
    mean = float(known_R.mean())
    deviation = float(known_R.std(ddof=1))
    quantile = t_quantile(0.975, runs - 1)
    reach = quantile * deviation / runs**0.5
    return Fitted(mean, mean - reach, mean + reach, runs)


def slope(x_S: Floats, y_RS: Floats) -> Fitted:
    """Return the mean of the runs' least-squares slopes.

    ``y_RS`` holds one curve a run, over the points ``x_S``.
    """
    centred_RS = y_RS - y_RS.mean(axis=1, keepdims=True)
    slope_R = centred_RS @ _direction(x_S)
    return mean_over_runs(slope_R)


def exponent(x_S: Floats, y_RS: Floats) -> Fitted:
    """Return the slope in logarithms: y is of order x^exponent."""
    return slope(np.log(x_S), np.log(y_RS))


def exponent_of(x_S: Floats, y_S: Floats) -> float:
    """Return the exponent of one curve, such as a formula over the range of the runs."""
    log_S = np.log(y_S)
    centred_S = log_S - log_S.mean()
    return float(centred_S @ _direction(np.log(x_S)))


def geometric_mean(y_R: Floats) -> Fitted:
    """Return exp of the mean logarithm, with its interval."""
    logs = mean_over_runs(np.log(y_R))
    return Fitted(
        value=float(np.exp(logs.value)),
        low=float(np.exp(logs.low)),
        high=float(np.exp(logs.high)),
        runs=logs.runs,
    )


def exponential_over_power(x_S: Floats, y_RS: Floats, seed: int) -> Fitted:
    """Return how much worse a power of x fits the mean log y than an exponential does.

    The number is the difference of root mean squared residuals: above 0 the growth is rather
    exponential, below 0 rather polynomial. The interval is a percentile bootstrap over whole runs.
    """
    log_RS = np.log(y_RS)
    runs = len(log_RS)
    # A run is one curve over all x, so whole runs are drawn: its points are not independent.
    rng = np.random.default_rng(seed)
    chosen_BR = rng.integers(runs, size=(RESAMPLES, runs))
    mean_BS = log_RS[chosen_BR].mean(axis=1)
    difference_B = np.array([_power_minus_exponential(x_S, mean_S) for mean_S in mean_BS])
    low, high = np.quantile(difference_B, [0.025, 0.975])
    value = _power_minus_exponential(x_S, log_RS.mean(axis=0))
    return Fitted(value, float(low), float(high), runs)


def _power_minus_exponential(x_S: Floats, log_y_S: Floats) -> float:
    # log y is linear in log x for a power, and linear in x for an exponential.
    return _residual(np.log(x_S), log_y_S) - _residual(x_S, log_y_S)


def _residual(x_S: Floats, y_S: Floats) -> float:
    """Return the root mean squared residual of a least-squares line."""
    centred_S = y_S - y_S.mean()
    slope_of_line = centred_S @ _direction(x_S)
    line_S = (x_S - x_S.mean()) * slope_of_line
    residual_S = centred_S - line_S
    return float(np.sqrt((residual_S**2).mean()))


def _direction(x_S: Floats) -> Floats:
    """Return the vector whose product with centred y is the least-squares slope."""
    centred_S = x_S - x_S.mean()
    return np.asarray(centred_S / (centred_S @ centred_S))


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95% interval of a share.

    With s successes of n trials: (s + z^2 / 2 -+ z sqrt(s (n - s) / n + z^2 / 4)) / (n + z^2).
    """
    z = 1.959964
    variance = successes * (trials - successes) / trials
    centre = successes + z**2 / 2
    reach = z * (variance + z**2 / 4) ** 0.5
    weight = trials + z**2
    return (centre - reach) / weight, (centre + reach) / weight


def over_runs(work: Callable[[int], T], runs: int, workers: int) -> list[T]:
    """Return ``work(0)``, ..., ``work(runs - 1)``, computed by ``workers`` processes.

    The results do not depend on the number of processes.
    """
    if workers == 1:
        return [work(run) for run in range(runs)]
    with ProcessPoolExecutor(workers) as pool:
        results = pool.map(partial(_single_threaded, work), range(runs))
        return list(results)


def _single_threaded(work: Callable[[int], T], run: int) -> T:
    # One process runs on each core already: threads of BLAS would only compete with the others.
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        return work(run)
