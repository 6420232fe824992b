"""One number from several training seeds, with an interval over seeds and over problems.

Models of one recipe and other seeds answer the same problems. Their mean varies for two reasons:
another draw of seeds, and another draw of problems. The two variances are added, and
Satterthwaite's degrees of freedom account for how uncertain the spread of three seeds is. The noise
of sampling is part of the spread between seeds and of that between problems; it is counted twice,
which widens.

Axes: P problems, M models (seeds).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strop.measure.intervals import (
    ANYTHING,
    LEVEL,
    Floats,
    Ratio,
    interval_around,
    no_interval,
    no_value,
    undefined,
)
from strop.measure.student import t_quantile
from strop.records import Estimate

ONE_SEED = "one training seed: the interval covers the draw of problems only, not that of seeds"


def spread(ratios: Sequence[Ratio]) -> float | None:
    """Return the standard deviation between seeds (n - 1); None below two seeds with a value."""
    value_M = [ratio.value for ratio in ratios if np.isfinite(ratio.value)]
    if len(value_M) < 2:
        return None
    return float(np.std(value_M, ddof=1))


def mean_over_seeds(ratios: Sequence[Ratio]) -> Estimate:
    """Return the mean over seeds, each a ratio on the same problems.

    A seed without a value is left out; ``n`` counts problems. The variance of the mean over S seeds
    and P problems is s_P^2 / P + s_S^2 / S, with s_P the spread of the mean influence over problems
    and s_S that of the values over seeds.
    """
    known = [ratio for ratio in ratios if np.isfinite(ratio.value)]
    if not known:
        return no_value(ratios[0].definition, ratios[0].why)
    seeds = len(known)
    problems = len(known[0].above_P)
    value = float(np.mean([ratio.value for ratio in known]))
    contributing = max(ratio.contributing for ratio in known)
    definition = f"{known[0].definition}; mean over {seeds} training seeds"
    if contributing < 2:
        return no_interval(
            value, contributing, definition, "an interval needs at least two problems"
        )
    # All seeds share the problems, so a problem moves the mean by the mean of its influences.
    influence_P = np.mean([ratio.influence_P for ratio in known], axis=0)
    over_problems = float(np.var(influence_P, ddof=1)) / problems
    # Pairs of (variance of the mean, degrees of freedom): over problems, and over seeds.
    parts = [(over_problems, contributing - 1)]
    caution: str | None = ONE_SEED
    if seeds > 1:
        caution = None
        over_seeds = (spread(known) or 0.0) ** 2 / seeds
        parts.append((over_seeds, seeds - 1))
    variance = sum(part for part, _ in parts)
    if variance == 0:
        why = "seeds and problems all give the same value"
        return no_interval(value, contributing, definition, why)
    # Satterthwaite: (sum of the variances)^2 / sum of variance^2 / df.
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    quantile = t_quantile(0.5 + LEVEL / 2, freedom)
    reach = quantile * variance**0.5
    low, high = interval_around(value, reach, known[0].bounds)
    return Estimate(value, low, high, LEVEL, contributing, definition, caution=caution)


def mean_over_draws(
    value_M: Floats, definition: str, bounds: tuple[float, float] = ANYTHING
) -> Estimate:
    """Return the mean of independent values of one number, with Student's interval.

    Each value has its own problems and its own training; ``n`` counts the values. Unknown ones
    (NaN) are left out.
    """
    known_M = value_M[~np.isnan(value_M)]
    count = len(known_M)
    if not count:
        return no_value(definition, "no seed has a value")
    value = float(known_M.mean())
    if count < 2:
        return no_interval(value, 1, definition, "an interval needs at least two seeds")
    if np.ptp(known_M) == 0:
        why = "all seeds give the same value: their spread is unknown"
        return no_interval(value, count, definition, why)
    quantile = t_quantile(0.5 + LEVEL / 2, count - 1.0)
    reach = quantile * float(known_M.std(ddof=1)) / count**0.5
    low, high = interval_around(value, reach, bounds)
    return Estimate(value, low, high, LEVEL, count, definition)


def mean_of_cells(cells: Sequence[Ratio], definition: str) -> Ratio:
    """Return the mean of ratios on different problems as one ratio over all their problems.

    Every cell has the same weight. The sums are linear in each cell's problems, so resampling
    within cells gives the spread. Cells without a value are left out; give their number beside the
    result.
    """
    known = [cell for cell in cells if np.isfinite(cell.value)]
    problems = sum(len(cell.above_P) for cell in cells)
    if not known:
        return undefined(problems, definition, "no cell has a value")
    value = float(np.mean([cell.value for cell in known]))
    parts = []
    for cell in cells:
        own_problems = len(cell.above_P)
        if np.isfinite(cell.value):
            # A problem moves its cell by influence / own_problems, and the mean by a share of
            # 1 / cells of that; the ratio divides by all problems.
            moved_P = cell.influence_P * problems / (len(known) * own_problems)
        else:
            moved_P = np.zeros(own_problems)
        parts.append(value + moved_P)
    return Ratio(
        np.concatenate(parts),
        np.ones(problems),
        definition,
        bounds=known[0].bounds,
        problems=sum(cell.contributing for cell in known),
    )
