"""Does one kind of response have higher log-probabilities than another at every level (first-order stochastic dominance)?

Right responses dominate wrong ones if at every level x no larger share of them lies below it: F_right(x) <= F_wrong(x) for all x
("Sharpening", Figures 1c and 6 show the two distributions). How far that fails is the largest F_right(x) - F_wrong(x); its p-value is
the share of resamples, of whole problems and centred on what was seen, in which it fails further. Both directions are tested: "dominates"
is said only where the other direction is rejected and this one is not.

Pooled, a problem with likely responses of all kinds weighs on both sides; ``within`` compares each response with its own problem's mean.

Axes: P problems, K responses, B resamples, X levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strop.measure.gap import Mask, check_shapes
from strop.measure.intervals import Floats

LEVELS = 200
ALPHA = 0.05


@dataclass(frozen=True)
class Dominance:
    """``right_fails``: the largest F_right - F_wrong, with the p-value of "right dominates wrong"; ``wrong_fails`` the other way round.

    None, with ``why``, where there are not both kinds. ``problems`` have at least one response of either kind.
    """

    right_fails: float | None
    right_p: float | None
    wrong_fails: float | None
    wrong_p: float | None
    problems: int
    verdict: str
    why: str | None = None


def within_problem_PK(value_PK: Floats, mask_PK: Mask) -> Floats:
    """Values less their problem's mean, over known ones."""
    known_PK = mask_PK & np.isfinite(value_PK)
    count_P1 = np.maximum(known_PK.sum(axis=1, keepdims=True), 1)
    return np.where(
        known_PK,
        value_PK - np.where(known_PK, value_PK, 0).sum(axis=1, keepdims=True) / count_P1,
        np.nan,
    )


def dominance(value_PK: Floats, utility_PK: Floats, mask_PK: Mask, counts_BP: Floats) -> Dominance:
    """Of the values of right responses (utility 1) over those of all others; unknown values (NaN) are left out."""
    check_shapes(value_PK, utility_PK, mask_PK)
    known_PK = mask_PK & np.isfinite(value_PK)
    kinds = (known_PK & (utility_PK == 1), known_PK & (utility_PK != 1))
    problems = int(known_PK.any(axis=1).sum())
    if not all(kind_PK.any() for kind_PK in kinds):
        return Dominance(
            None, None, None, None, problems, "unknown", "no response is right, or none is wrong"
        )
    levels_X = np.unique(np.quantile(value_PK[known_PK], np.linspace(0, 1, LEVELS)))
    seen_X, drawn_BX = (
        _difference(value_PK, kinds, levels_X, counts)
        for counts in (np.ones((1, len(mask_PK))), counts_BP)
    )
    drawn_BX = drawn_BX[np.isfinite(drawn_BX).all(axis=1)]
    fails, chances = [], []
    for sign in (1, -1):
        fails.append(max(float((sign * seen_X[0]).max()), 0.0))
        further_B = (sign * (drawn_BX - seen_X[0])).max(axis=1) >= fails[-1]
        chances.append(float((1 + further_B.sum()) / (1 + len(further_B))))
    return Dominance(fails[0], chances[0], fails[1], chances[1], problems, _verdict(*chances))


def _difference(
    value_PK: Floats, kinds: tuple[Mask, Mask], levels_X: Floats, counts_BP: Floats
) -> Floats:
    """F_right - F_wrong at every level, (B, X), in each resample."""
    shares = []
    for kind_PK in kinds:
        below_PX = np.stack(
            [(kind_PK & (value_PK <= level)).sum(axis=1) for level in levels_X], axis=1
        ).astype(float)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares.append(
                (counts_BP @ below_PX) / (counts_BP @ kind_PK.sum(axis=1).astype(float))[:, None]
            )
    result: Floats = shares[0] - shares[1]
    return result


def _verdict(right_p: float, wrong_p: float) -> str:
    if right_p > ALPHA >= wrong_p:
        return "right dominates"
    if wrong_p > ALPHA >= right_p:
        return "wrong dominates"
    return "neither dominates" if max(right_p, wrong_p) <= ALPHA else "not told apart"
