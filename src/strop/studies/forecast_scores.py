"""Forecasts of the judging cells by every source, and how good they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from strop.measure.forecast import WORTH, Forecast
from strop.measure.intervals import Floats
from strop.records import Estimate
from strop.run.forecasting import Setting, forecast_round
from strop.run.updates import Update, relevant
from strop.run.verdict import METHOD, SURE
from strop.studies.forecast_cells import Outcome
from strop.studies.frame.courses import mean_over_seeds


@dataclass(frozen=True)
class Judged:
    """One predictor on one cell. ``low``, ``high`` and ``worth`` are None for mere points."""

    outcome: Outcome
    predicted: float
    low: float | None = None
    high: float | None = None
    worth: float | None = None

    @property
    def error(self) -> float:
        return abs(self.predicted - self.outcome.update.gain)

    @property
    def holds(self) -> bool | None:
        """Whether the interval holds the gain that came; None without an interval."""
        if self.low is None or self.high is None:
            return None
        return self.low <= self.outcome.update.gain <= self.high


SIMPLE: dict[str, Callable[[Outcome], float]] = {
    "no change": lambda outcome: 0.0,
    "whole gap": lambda outcome: outcome.update.gap,
    "min(gap, headroom)": lambda outcome: min(outcome.update.gap, max(outcome.headroom, 0.0)),
    "gap x (2 AUROC - 1)": lambda outcome: _by_likelihood(outcome),
}
"""Predictors from the run alone, without any fitted number."""


def _by_likelihood(outcome: Outcome) -> float:
    """The gap, as far as the model's own likelihood knows right from wrong."""
    if np.isnan(outcome.auroc):
        return 0.0
    return outcome.update.gap * max(0.0, 2 * outcome.auroc - 1)


def judge_all(outcomes: Sequence[Outcome], past: Sequence[Update]) -> dict[str, list[Judged]]:
    """Return every predictor's forecasts of the cells, from ``past`` rounds."""
    judged = {name: [Judged(o, rule(o)) for o in outcomes] for name, rule in SIMPLE.items()}
    judged["past"] = list(_by_source(outcomes, past, with_pilot=False))
    judged["pilot"] = list(_by_source(outcomes, past, with_pilot=True))
    return judged


def _by_source(
    outcomes: Sequence[Outcome], past: Sequence[Update], with_pilot: bool
) -> Iterator[Judged]:
    for outcome in outcomes:
        cell, update = outcome.cell, outcome.update
        setting = Setting(cell.model, cell.task, update.filter, update.trainer)
        pilot = outcome.pilot.gain if with_pilot and outcome.pilot is not None else None
        updates = relevant(past, cell.model, cell.task, METHOD)
        sourced = forecast_round(setting, outcome.accuracy, outcome.gap, updates, pilot)
        if sourced.forecast is not None and (pilot is not None or not with_pilot):
            yield _judged(outcome, sourced.forecast)


def _judged(outcome: Outcome, forecast: Forecast) -> Judged:
    gain = forecast.gain
    assert gain.value is not None
    return Judged(outcome, gain.value, gain.low, gain.high, forecast.worth)


@dataclass(frozen=True)
class Score:
    """How good one predictor was. Errors are mean absolute errors of the gain, shares of 1.

    ``right``: share of cells in which "gains more than two points" was forecast right. ``held``:
    share of 95% intervals that held the gain. ``decided``: share of cells in which the probability
    of such a gain was at least SURE or at most 1 - SURE; ``decided_right``: how often that was
    right.
    """

    cells: int
    error: Estimate
    correlation: float
    right: float
    held: float
    decided: float
    decided_right: float


def score(judged: Sequence[Judged]) -> Score:
    """Return the score of one predictor over cells."""
    predicted_N = np.array([one.predicted for one in judged])
    gain_N = np.array([one.outcome.update.gain for one in judged])
    is_right_N = (predicted_N > WORTH) == (gain_N > WORTH)
    held = [one.holds for one in judged if one.holds is not None]
    sure = [one for one in judged if one.worth is not None and abs(one.worth - 0.5) >= SURE - 0.5]
    sure_right = [(one.worth or 0) > 0.5 for one in sure]
    came = [one.outcome.update.gain > WORTH for one in sure]
    return Score(
        len(judged),
        mean_over_seeds(np.abs(predicted_N - gain_N), "mean absolute error of the gain"),
        _correlation(predicted_N, gain_N),
        float(is_right_N.mean()),
        _share(held),
        len(sure) / len(judged),
        _share([expected == happened for expected, happened in zip(sure_right, came, strict=True)]),
    )


def _correlation(predicted_N: Floats, gain_N: Floats) -> float:
    """Pearson's correlation; NaN for a predictor that never changes."""
    if np.ptp(predicted_N) == 0 or np.ptp(gain_N) == 0:
        return float("nan")
    return float(np.corrcoef(predicted_N, gain_N)[0, 1])


def _share(flags: Sequence[bool]) -> float:
    return float(np.mean(flags)) if flags else float("nan")
