"""The accuracy to expect after one round: J(f[w]) on held-out problems minus a predicted eps_update ("Mind the Gap", section 2.1).

The spread of eps_update comes from other cells (model, task, verifier) than the one forecast: its own would be the answer.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from strop.measure.intervals import LEVEL, Floats, Ratio
from strop.measure.student import t_quantile
from strop.records import Estimate

UPPER_FIGURE = "J(f[w]), an upper figure: assumes a faithful update (eps_update = 0)"
_UNKNOWN_EPS = "eps_update is unknown: fewer than three other cells have been trained, so the realised accuracy has no interval"
FEWEST = 3
"""With two other cells the intervals held a new cell in 90 of 100 simulated cases: their spread is too uncertain to go by."""


def forecast(kept: Ratio, eps_observed: Floats, level: float = LEVEL) -> Estimate:
    """Expected accuracy after distillation, with a prediction interval: t, Welch-Satterthwaite degrees of freedom, se^2 + s^2 (1 + 1/n)."""
    observed = np.asarray(eps_observed, dtype=float)
    observed = observed[~np.isnan(observed)]
    cells, problems, value = len(observed), int((kept.below_P != 0).sum()), kept.value
    if np.isnan(value):
        return Estimate(None, None, None, level, 0, UPPER_FIGURE, kept.why)
    if cells < FEWEST:
        return Estimate(value, None, None, level, problems, UPPER_FIGURE, _UNKNOWN_EPS)
    definition = f"J(f[w]) minus the mean eps_update of {cells} other cells; the interval is for the realised accuracy of one new cell"
    expected = float(np.clip(value - observed.mean(), *kept.bounds))
    if problems < 2:
        return Estimate(
            expected,
            None,
            None,
            level,
            problems,
            definition,
            "a standard error needs at least two problems",
        )
    sampling = (
        float((kept.influence_P**2).sum()) / len(kept.below_P) ** 2 * problems / (problems - 1)
    )
    update = float(observed.var(ddof=1)) * (1 + 1 / cells)
    if sampling + update == 0:
        return Estimate(
            expected,
            None,
            None,
            level,
            problems,
            definition,
            "neither problems nor cells differ: no spread to predict from",
        )
    df = (sampling + update) ** 2 / (sampling**2 / (problems - 1) + update**2 / (cells - 1))
    reach = t_quantile(0.5 + level / 2, df) * np.sqrt(sampling + update)
    low, high = np.clip([expected - reach, expected + reach], *kept.bounds)
    return Estimate(expected, float(low), float(high), level, problems, definition)


def forecast_selection(at_n: Estimate, n: int) -> Estimate:
    """After best-of-N selection nothing is trained: the forecast is the selection curve at N itself."""
    return replace(
        at_n,
        definition=f"accuracy of best-of-{n} selection: the selection curve at {n}, no training ({at_n.definition})",
    )
