"""All estimates of one verifier under one weight, from stored scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from strop.measure.gap import Mask, accuracy_P, gap, has_survivor_P, kept_accuracy, kept_share, relative_gap
from strop.measure.intervals import Floats, estimate
from strop.measure.verdicts import auroc_pooled, auroc_within, false_positive_rate, true_positive_rate
from strop.records import Estimate


@dataclass(frozen=True)
class Samples:
    """What was sampled from one model on one task: strict and flexible utilities (P, K), and which entries exist."""

    utility_PK: Floats
    flexible_PK: Floats
    mask_PK: Mask


@dataclass(frozen=True)
class Summary:
    """Estimates by name, and the counts of what conventions decided."""

    estimates: dict[str, Estimate]
    no_survivor: int
    no_room: int


def summarise(samples: Samples, score_PK: Floats, weigh: Callable[[Floats, Mask], Floats], counts_BP: Floats) -> Summary:
    """Gap, relative gap, kept accuracy, and how well the scores tell right from wrong."""
    utility_PK, mask_PK = samples.utility_PK, samples.mask_PK
    weight_PK = weigh(score_PK, mask_PK)
    ratios = {
        "gap": gap(utility_PK, weight_PK, mask_PK),
        "gap_flexible": gap(samples.flexible_PK, weight_PK, mask_PK),
        "relative_gap": relative_gap(utility_PK, weight_PK, mask_PK),
        "relative_gap_with_zeros": relative_gap(utility_PK, weight_PK, mask_PK, zeros=True),
        "accuracy_kept": kept_accuracy(utility_PK, weight_PK, mask_PK),
        "kept_share": kept_share(weight_PK, mask_PK),
        "auroc": auroc_within(score_PK, utility_PK, mask_PK),
        "tpr": true_positive_rate(weight_PK, utility_PK, mask_PK),
        "fpr": false_positive_rate(weight_PK, utility_PK, mask_PK),
    }
    estimates = {name: estimate(ratio, counts_BP) for name, ratio in ratios.items()}
    estimates["auroc_pooled"] = auroc_pooled(score_PK, utility_PK, mask_PK, counts_BP)
    return Summary(
        estimates,
        no_survivor=int((~has_survivor_P(weight_PK, mask_PK)).sum()),
        no_room=int((accuracy_P(utility_PK, mask_PK) > 1 - 1e-12).sum()),
    )


def sweep(
    samples: Samples, score_PK: Floats, weights: list[Callable[[Floats, Mask], Floats]], counts_BP: Floats
) -> list[tuple[Estimate, Estimate]]:
    """Gap and kept share under each weight."""
    weighed = [weigh(score_PK, samples.mask_PK) for weigh in weights]
    return [
        (
            estimate(gap(samples.utility_PK, weight_PK, samples.mask_PK), counts_BP),
            estimate(kept_share(weight_PK, samples.mask_PK), counts_BP),
        )
        for weight_PK in weighed
    ]


def fill_grid(problem: np.ndarray, sample: np.ndarray, value: Floats, problems: int, fill: float = np.nan) -> Floats:
    """Rows (problem number, sample number, value) as an array (P, K); entries without a row are ``fill``."""
    width = int(sample.max()) + 1 if len(sample) else 0
    grid_PK = np.full((problems, width), fill)
    grid_PK[problem, sample] = value
    return grid_PK
