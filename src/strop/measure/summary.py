"""All numbers of one verifier, or one ensemble, under one weight, from stored scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from strop.measure.gap import (
    ROOM,
    Mask,
    accuracy_P,
    gap,
    has_survivor_P,
    kept_accuracy,
    kept_share,
    relative_gap,
)
from strop.measure.intervals import Floats, Groups, Ratio, estimate_all, no_value, undefined
from strop.measure.rates import auroc_pooled, auroc_within, false_positive_rate, true_positive_rate
from strop.records import Estimate

NEEDS_A_FILTER = (
    "gap",
    "gap_flexible",
    "relative_gap",
    "relative_gap_with_zeros",
    "accuracy_kept",
)
"""Quantities that are undefined, not 0, where the filter has no effect that could be measured."""


@dataclass(frozen=True)
class Samples:
    """The samples of one model on one task.

    Strict and flexible utilities (P, K), and which entries exist.
    """

    utility_PK: Floats
    flexible_PK: Floats
    mask_PK: Mask


@dataclass(frozen=True)
class Weighed:
    """Responses under one weight.

    ``score_PK`` is None for an ensemble, which has weights but no score.
    """

    score_PK: Floats | None
    weight_PK: Floats


@dataclass(frozen=True)
class Summary:
    """Estimates by name, and the numbers of problems that a convention decided."""

    estimates: dict[str, Estimate]
    no_survivor: int
    no_room: int


def summarise(
    samples: Samples,
    weighed: Mapping[str, Weighed],
    counts_BP: Floats,
    group_P: Groups | None = None,
) -> dict[str, Summary]:
    """Return the summary of each of many weighings, all from the same resamples.

    ``weighed`` holds the weighings by name, and the result has these names. ``counts_BP`` and
    ``group_P`` are as for ``estimate_all``.
    """
    # All ratios go to one call, so that all weighings share the resamples and are paired.
    ratios = {}
    for name, weighing in weighed.items():
        for quantity, ratio in summary_ratios(samples, weighing).items():
            ratios[name, quantity] = ratio
    estimates = estimate_all(ratios, counts_BP, group_P=group_P)
    all_right_P = accuracy_P(samples.utility_PK, samples.mask_PK) > 1 - ROOM
    no_room = int(all_right_P.sum())
    by_name: dict[str, dict[str, Estimate]] = {name: {} for name in weighed}
    for (name, quantity), value in estimates.items():
        by_name[name][quantity] = value
    summaries = {}
    for name, weighing in weighed.items():
        survives_P = has_survivor_P(weighing.weight_PK, samples.mask_PK)
        no_survivor = int((~survives_P).sum())
        summaries[name] = Summary(by_name[name], no_survivor, no_room)
    return summaries


def undefined_summary(why: str) -> Summary:
    """Return a summary in which every quantity is unknown, for one reason."""
    # The names and definitions come from the ratios of one made-up response.
    value_11 = np.ones((1, 1))
    made_up = Samples(value_11, value_11, value_11 > 0)
    ratios = summary_ratios(made_up, Weighed(value_11, value_11))
    estimates = {name: no_value(ratio.definition, why) for name, ratio in ratios.items()}
    return Summary(estimates, no_survivor=0, no_room=0)


def summary_ratios(samples: Samples, weighed: Weighed) -> dict[str, Ratio]:
    """Return the ratios behind a summary, by the names of its estimates."""
    utility_PK = samples.utility_PK
    mask_PK = samples.mask_PK
    weight_PK = weighed.weight_PK
    score_PK = weighed.score_PK
    if score_PK is None:
        within = undefined(len(mask_PK), "", "an ensemble has weights, but no score")
        pooled = within
    else:
        within = auroc_within(score_PK, utility_PK, mask_PK)
        pooled = auroc_pooled(score_PK, utility_PK, mask_PK)
    ratios = {
        "gap": gap(utility_PK, weight_PK, mask_PK),
        "gap_flexible": gap(samples.flexible_PK, weight_PK, mask_PK),
        "relative_gap": relative_gap(utility_PK, weight_PK, mask_PK),
        "relative_gap_with_zeros": relative_gap(utility_PK, weight_PK, mask_PK, zeros=True),
        "accuracy_kept": kept_accuracy(utility_PK, weight_PK, mask_PK),
        "kept_share": kept_share(weight_PK, mask_PK),
        "auroc": within,
        "tpr": true_positive_rate(weight_PK, utility_PK, mask_PK),
        "fpr": false_positive_rate(weight_PK, utility_PK, mask_PK),
        "auroc_pooled": pooled,
    }
    no_effect = nothing_to_filter(samples, weight_PK)
    if no_effect:
        nothing_P = np.zeros(len(mask_PK))
        for name in NEEDS_A_FILTER:
            ratios[name] = replace(ratios[name], below_P=nothing_P, why=no_effect)
    return ratios


def nothing_to_filter(samples: Samples, weight_PK: Floats) -> str | None:
    """Return why a filter has no effect that could be measured, or None if it has one."""
    if samples.mask_PK.sum(axis=1).max(initial=0) < 2:
        return "one response to a problem: there is nothing to choose among"
    if not has_survivor_P(weight_PK, samples.mask_PK).any():
        return "no response to any problem was kept"
    return None


def fill_grid(
    problem: np.ndarray, sample: np.ndarray, value: Floats, problems: int, fill: float = np.nan
) -> Floats:
    """Return rows (problem number, sample number, value) as an array (P, K).

    Entries without a row are ``fill``.
    """
    width = 0
    if len(sample):
        width = int(sample.max()) + 1
    grid_PK = np.full((problems, width), fill)
    grid_PK[problem, sample] = value
    return grid_PK
