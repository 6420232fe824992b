"""Exponents with intervals from repeated runs, and which of two laws of growth fits better."""

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
    """A mean over runs with Student's 95% interval; NaN ends where one run says nothing of its spread."""

    value: float
    low: float
    high: float
    runs: int

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"

    def holds(self, number: float) -> bool:
        return self.low <= number <= self.high


def mean_over_runs(value_R: Floats) -> Fitted:
    """Runs without a value (NaN) are left out; ``runs`` counts the others."""
    known_R = value_R[np.isfinite(value_R)]
    runs = len(known_R)
    if runs < 2:
        return Fitted(float(known_R[0]) if runs else np.nan, np.nan, np.nan, runs)
    reach = t_quantile(0.975, runs - 1) * float(known_R.std(ddof=1)) / runs**0.5
    mean = float(known_R.mean())
    return Fitted(mean, mean - reach, mean + reach, runs)


def slope(x_S: Floats, y_RS: Floats) -> Fitted:
    """Each run's least-squares slope, then their mean."""
    return mean_over_runs((y_RS - y_RS.mean(axis=1, keepdims=True)) @ _direction(x_S))


def exponent(x_S: Floats, y_RS: Floats) -> Fitted:
    """The slope in logarithms: y of order x^exponent."""
    return slope(np.log(x_S), np.log(y_RS))


def exponent_of(x_S: Floats, y_S: Floats) -> float:
    """The same of one curve, for a formula over the range of the runs."""
    return float((np.log(y_S) - np.log(y_S).mean()) @ _direction(np.log(x_S)))


def geometric_mean(y_R: Floats) -> Fitted:
    """exp of the mean logarithm, with its interval."""
    logs = mean_over_runs(np.log(y_R))
    return Fitted(
        float(np.exp(logs.value)), float(np.exp(logs.low)), float(np.exp(logs.high)), logs.runs
    )


def exponential_over_power(x_S: Floats, y_RS: Floats, seed: int) -> Fitted:
    """How much worse a power of x fits the mean log y than an exponential does: difference of root mean squared residuals.

    Above 0 the growth is rather exponential, below rather polynomial. The interval is a percentile bootstrap over runs, of the whole runs.
    """
    log_RS = np.log(y_RS)
    chosen_BR = np.random.default_rng(seed).integers(len(log_RS), size=(RESAMPLES, len(log_RS)))
    worse_B = np.array(
        [
            _residual(np.log(x_S), mean_S) - _residual(x_S, mean_S)
            for mean_S in log_RS[chosen_BR].mean(axis=1)
        ]
    )
    mean_S = log_RS.mean(axis=0)
    low, high = np.quantile(worse_B, [0.025, 0.975])
    return Fitted(
        _residual(np.log(x_S), mean_S) - _residual(x_S, mean_S),
        float(low),
        float(high),
        len(log_RS),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share."""
    z = 1.959964
    centre, spread = (
        successes + z**2 / 2,
        z * (successes * (trials - successes) / trials + z**2 / 4) ** 0.5,
    )
    return (centre - spread) / (trials + z**2), (centre + spread) / (trials + z**2)


def _direction(x_S: Floats) -> Floats:
    centred_S = x_S - x_S.mean()
    return np.asarray(centred_S / (centred_S @ centred_S))


def _residual(x_S: Floats, y_S: Floats) -> float:
    centred_S = y_S - y_S.mean()
    line_S = (x_S - x_S.mean()) * (centred_S @ _direction(x_S))
    return float(np.sqrt(((centred_S - line_S) ** 2).mean()))


def over_runs(work: Callable[[int], T], runs: int, workers: int) -> list[T]:
    """``work(0)``, ..., ``work(runs - 1)``, by so many processes; whatever their number, the same results."""
    if workers == 1:
        return [work(run) for run in range(runs)]
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(partial(_single_threaded, work), range(runs)))


def _single_threaded(work: Callable[[int], T], run: int) -> T:
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        return work(run)
