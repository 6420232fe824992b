"""All numbers of one verifier, or ensemble, under one weight, from stored scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from strop.measure.gap import (
    Mask,
    accuracy_P,
    gap,
    has_survivor_P,
    kept_accuracy,
    kept_share,
    relative_gap,
)
from strop.measure.intervals import LEVEL, Floats, Groups, Ratio, estimate_all, undefined
from strop.measure.rates import auroc_pooled, auroc_within, false_positive_rate, true_positive_rate
from strop.records import Estimate


@dataclass(frozen=True)
class Samples:
    """What was sampled from one model on one task: strict and flexible utilities (P, K), and which entries exist."""

    utility_PK: Floats
    flexible_PK: Floats
    mask_PK: Mask


@dataclass(frozen=True)
class Weighed:
    """Responses under one weight. ``score_PK`` is None for an ensemble: it has weights, but no score of its own."""

    score_PK: Floats | None
    weight_PK: Floats


@dataclass(frozen=True)
class Summary:
    """Estimates by name, and the counts of what conventions decided."""

    estimates: dict[str, Estimate]
    no_survivor: int
    no_room: int


def summarise(
    samples: Samples,
    weighed: Mapping[str, Weighed],
    counts_BP: Floats,
    group_P: Groups | None = None,
) -> dict[str, Summary]:
    """Gap, relative gap, kept accuracy, and how well scores tell right from wrong, for each of many weights at once."""
    ratios = {
        (name, quantity): ratio
        for name, one in weighed.items()
        for quantity, ratio in summary_ratios(samples, one).items()
    }
    estimates = estimate_all(ratios, counts_BP, group_P=group_P)
    no_room = int((accuracy_P(samples.utility_PK, samples.mask_PK) > 1 - 1e-12).sum())
    return {
        name: Summary(
            {quantity: value for (owner, quantity), value in estimates.items() if owner == name},
            no_survivor=int((~has_survivor_P(one.weight_PK, samples.mask_PK)).sum()),
            no_room=no_room,
        )
        for name, one in weighed.items()
    }


def undefined_summary(why: str) -> Summary:
    """Every quantity unknown, for one reason."""
    one = np.ones((1, 1))
    names = summary_ratios(Samples(one, one, one > 0), Weighed(one, one))
    return Summary(
        {
            name: Estimate(None, None, None, LEVEL, 0, ratio.definition, why)
            for name, ratio in names.items()
        },
        0,
        0,
    )


def summary_ratios(samples: Samples, weighed: Weighed) -> dict[str, Ratio]:
    """The ratios behind a summary."""
    utility_PK, mask_PK, weight_PK, score_PK = (
        samples.utility_PK,
        samples.mask_PK,
        weighed.weight_PK,
        weighed.score_PK,
    )
    no_effect = nothing_to_filter(samples, weight_PK)
    nothing_P = np.zeros(len(mask_PK))
    no_score = undefined(len(mask_PK), "", "an ensemble has weights, but no score")
    ratios = {
        "gap": gap(utility_PK, weight_PK, mask_PK),
        "gap_flexible": gap(samples.flexible_PK, weight_PK, mask_PK),
        "relative_gap": relative_gap(utility_PK, weight_PK, mask_PK),
        "relative_gap_with_zeros": relative_gap(utility_PK, weight_PK, mask_PK, zeros=True),
        "accuracy_kept": kept_accuracy(utility_PK, weight_PK, mask_PK),
        "kept_share": kept_share(weight_PK, mask_PK),
        "auroc": no_score if score_PK is None else auroc_within(score_PK, utility_PK, mask_PK),
        "tpr": true_positive_rate(weight_PK, utility_PK, mask_PK),
        "fpr": false_positive_rate(weight_PK, utility_PK, mask_PK),
        "auroc_pooled": no_score
        if score_PK is None
        else auroc_pooled(score_PK, utility_PK, mask_PK),
    }
    filtered = (
        ("gap", "gap_flexible", "relative_gap", "relative_gap_with_zeros", "accuracy_kept")
        if no_effect
        else ()
    )
    return ratios | {
        name: replace(ratios[name], below_P=nothing_P, why=str(no_effect)) for name in filtered
    }


def nothing_to_filter(samples: Samples, weight_PK: Floats) -> str | None:
    """Why a filter has no effect that could be measured, or None: gaps are then undefined, not 0."""
    if samples.mask_PK.sum(axis=1).max(initial=0) < 2:
        return "one response to a problem: there is nothing to choose among"
    if not has_survivor_P(weight_PK, samples.mask_PK).any():
        return "no response to any problem was kept"
    return None


def fill_grid(
    problem: np.ndarray, sample: np.ndarray, value: Floats, problems: int, fill: float = np.nan
) -> Floats:
    """Rows (problem number, sample number, value) as an array (P, K); entries without a row are ``fill``."""
    width = int(sample.max()) + 1 if len(sample) else 0
    grid_PK = np.full((problems, width), fill)
    grid_PK[problem, sample] = value
    return grid_PK
