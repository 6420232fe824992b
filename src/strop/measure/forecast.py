"""The accuracy to expect after one round of training ("Mind the Gap", section 2.1).

It is J(f[w]) on held-out problems minus a predicted eps_update. The spread of eps_update comes from
other cells (model, task, verifier). The forecast cell itself is excluded: it would leak the
outcome.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from strop.measure.intervals import (
    LEVEL,
    Floats,
    Ratio,
    interval_around,
    no_interval,
    no_value,
)
from strop.measure.student import t_quantile
from strop.records import Estimate

UPPER_FIGURE = "J(f[w]), an upper figure: assumes a faithful update (eps_update = 0)"
FEWEST = 3
"""Other cells needed for an interval. With two, it held a new cell in 90 of 100 simulated cases:
their spread is too uncertain to go by."""
_UNKNOWN_EPS = (
    "eps_update is unknown: fewer than three other cells have been trained, "
    "so the realised accuracy has no interval"
)


def forecast(kept: Ratio, eps_observed: Floats, level: float = LEVEL) -> Estimate:
    """Return the expected accuracy after distillation, with a prediction interval.

    The interval is Student's with se^2 + s^2 (1 + 1/n): se is the standard error of ``kept``, s the
    spread of ``eps_observed`` over n other cells. The degrees of freedom are those of Welch and
    Satterthwaite.
    """
    observed = np.asarray(eps_observed, dtype=float)
    observed = observed[~np.isnan(observed)]
    cells = len(observed)
    problems = int((kept.below_P != 0).sum())
    if np.isnan(kept.value):
        return no_value(UPPER_FIGURE, kept.why, level)
    if cells < FEWEST:
        return no_interval(kept.value, problems, UPPER_FIGURE, _UNKNOWN_EPS, level)
    definition = (
        f"J(f[w]) minus the mean eps_update of {cells} other cells; "
        "the interval is for the realised accuracy of one new cell"
    )
    expected = float(np.clip(kept.value - observed.mean(), *kept.bounds))
    if problems < 2:
        why = "a standard error needs at least two problems"
        return no_interval(expected, problems, definition, why, level)
    # The influence is scaled to all problems, but only the counted ones are independent draws.
    squares = float((kept.influence_P**2).sum())
    sampling = squares / len(kept.below_P) ** 2 * problems / (problems - 1)
    # 1 for the spread of the new cell, 1 / n for that of the mean of the others.
    update = float(observed.var(ddof=1)) * (1 + 1 / cells)
    variance = sampling + update
    if variance == 0:
        why = "neither problems nor cells differ: their spread is unknown"
        return no_interval(expected, problems, definition, why, level)
    freedom = variance**2 / (sampling**2 / (problems - 1) + update**2 / (cells - 1))
    reach = t_quantile(0.5 + level / 2, freedom) * np.sqrt(variance)
    low, high = interval_around(expected, reach, kept.bounds)
    return Estimate(expected, low, high, level, problems, definition)


def forecast_selection(at_n: Estimate, n: int) -> Estimate:
    """Return the forecast for best-of-N selection: the selection curve at N, with no training."""
    definition = (
        f"accuracy of best-of-{n} selection: the selection curve at {n}, "
        f"no training ({at_n.definition})"
    )
    return replace(at_n, definition=definition)
