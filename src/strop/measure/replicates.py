"""One number from several training seeds, with an interval over seeds and over problems.

Models of one recipe and other seeds answer the same problems. Their mean varies for two reasons: another draw of seeds, and another draw
of problems. The two variances are added, and Satterthwaite's degrees of freedom say how little three seeds tell of their own spread. What
sampling adds to the spread between seeds is counted in both, which widens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strop.measure.intervals import ANYTHING, LEVEL, Floats, Ratio, undefined
from strop.measure.student import t_quantile
from strop.records import Estimate

ONE_SEED = "one training seed: the interval speaks of problems only"


def spread(ratios: Sequence[Ratio]) -> float | None:
    """The standard deviation between seeds (n - 1); None below two seeds with a value."""
    value_M = [ratio.value for ratio in ratios if np.isfinite(ratio.value)]
    return float(np.std(value_M, ddof=1)) if len(value_M) > 1 else None


def over_seeds(ratios: Sequence[Ratio]) -> Estimate:
    """The mean over seeds, each a ratio on the same problems. A seed without a value is left out; ``n`` counts problems."""
    known = [ratio for ratio in ratios if np.isfinite(ratio.value)]
    if not known:
        return Estimate(None, None, None, LEVEL, 0, ratios[0].definition, ratios[0].why)
    seeds, problems = len(known), len(known[0].above_P)
    value = float(np.mean([ratio.value for ratio in known]))
    rests_on = max(ratio.rests_on for ratio in known)
    definition = f"{known[0].definition}; mean over {seeds} training seeds"
    if rests_on < 2:
        return Estimate(
            value,
            None,
            None,
            LEVEL,
            rests_on,
            definition,
            "one problem alone says nothing of others",
        )
    influence_P = np.mean([ratio.influence_P for ratio in known], axis=0)
    parts = [(float(np.var(influence_P, ddof=1)) / problems, rests_on - 1)]
    parts += [((spread(known) or 0.0) ** 2 / seeds, seeds - 1)] if seeds > 1 else []
    variance = sum(part for part, _ in parts)
    if variance == 0:
        return Estimate(
            value,
            None,
            None,
            LEVEL,
            rests_on,
            definition,
            "seeds and problems all give the same value",
        )
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    reach = t_quantile(0.5 + LEVEL / 2, freedom) * variance**0.5
    low, high = (float(np.clip(value + sign * reach, *known[0].bounds)) for sign in (-1, 1))
    return Estimate(
        value, low, high, LEVEL, rests_on, definition, caution=ONE_SEED if seeds == 1 else None
    )


def over_draws(
    value_M: Floats, definition: str, bounds: tuple[float, float] = ANYTHING
) -> Estimate:
    """The mean of independent values of one number, each from problems and a training of its own; Student's interval. ``n`` counts them.

    Unknown values (NaN) are left out.
    """
    known_M = value_M[~np.isnan(value_M)]
    if not len(known_M):
        return Estimate(None, None, None, LEVEL, 0, definition, "no seed has a value")
    value = float(known_M.mean())
    if len(known_M) < 2:
        return Estimate(
            value, None, None, LEVEL, 1, definition, "one seed alone says nothing of others"
        )
    if np.ptp(known_M) == 0:
        return Estimate(
            value,
            None,
            None,
            LEVEL,
            len(known_M),
            definition,
            "all seeds give the same value: no spread to go by",
        )
    reach = (
        t_quantile(0.5 + LEVEL / 2, len(known_M) - 1.0)
        * float(known_M.std(ddof=1))
        / len(known_M) ** 0.5
    )
    low, high = np.clip([value - reach, value + reach], *bounds)
    return Estimate(value, float(low), float(high), LEVEL, len(known_M), definition)


def mean_of_cells(cells: Sequence[Ratio], definition: str) -> Ratio:
    """The mean of several ratios on different problems, every cell weighing the same, as one ratio over all their problems.

    Its sums are linear in each cell's problems, so that resampling within cells gives its spread. Cells without a value are left out, so
    their number belongs beside the result.
    """
    known = [cell for cell in cells if np.isfinite(cell.value)]
    problems = sum(len(cell.above_P) for cell in cells)
    if not known:
        return undefined(problems, definition, "no cell has a value")
    value = float(np.mean([cell.value for cell in known]))
    moved_P = np.concatenate(
        [
            value
            + (
                cell.influence_P * problems / (len(known) * len(cell.above_P))
                if np.isfinite(cell.value)
                else np.zeros(len(cell.above_P))
            )
            for cell in cells
        ]
    )
    return Ratio(
        moved_P,
        np.ones(problems),
        definition,
        bounds=known[0].bounds,
        problems=sum(cell.rests_on for cell in known),
    )
