"""Compare runs on the problems that they share, paired by problem.

Gaps are compared under the same verifier and weight, and only at an equal number of samples,
because a gap depends on K. Accuracies are compared at any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.measure import Ratio, estimate_all, resample_counts
from strop.measure.gap import accuracy_P, gap_P, mean_over_problems
from strop.measure.intervals import Floats
from strop.run.evidence import groups_of
from strop.run.run import Run

Indices = NDArray[np.int64]
FEWEST = 2
"""The smallest number of shared problems for a comparison."""


def compare(runs: Sequence[Run], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Compare each run with the first one before it that shares problems with it.

    A run that shares problems with no earlier one has no row.
    """
    rows = []
    for later in range(len(runs)):
        for earlier in range(later):
            first_indices, second_indices = shared(runs[earlier], runs[later])
            if len(first_indices) < FEWEST:
                continue
            names = {"one": labels[earlier], "other": labels[later]}
            pair = paired(runs[earlier], runs[later], first_indices, second_indices)
            rows.append(names | pair)
            break
    return rows


def shared(first: Run, second: Run) -> tuple[Indices, Indices]:
    """Return the indices, in both runs, of the problems with the same question and reference.

    They are in the order of the first run. Copies of a problem are paired in their order.
    """
    unpaired: dict[tuple[str, str], list[int]] = {}
    for index, key in enumerate(_keys(second)):
        unpaired.setdefault(key, []).append(index)
    pairs = [
        (index, unpaired[key].pop(0)) for index, key in enumerate(_keys(first)) if unpaired.get(key)
    ]
    indices = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return indices[:, 0], indices[:, 1]


def _keys(run: Run) -> list[tuple[str, str]]:
    return list(run.problems.select("question", "reference").iter_rows())


def paired(
    first: Run, second: Run, first_indices: Indices, second_indices: Indices
) -> dict[str, Any]:
    """Return the differences second - first in accuracy, and in every common verifier's gap."""
    first_samples, second_samples = first.evidence.samples, second.evidence.samples
    before_P = accuracy_P(first_samples.utility_PK, first_samples.mask_PK)[first_indices]
    after_P = accuracy_P(second_samples.utility_PK, second_samples.mask_PK)[second_indices]
    ratios: dict[tuple[str, str, str], Ratio] = {
        ("accuracy", "", ""): _difference(before_P, after_P, "accuracy", 1.0)
    }
    first_counts_P = first_samples.mask_PK.sum(axis=1)[first_indices]
    second_counts_P = second_samples.mask_PK.sum(axis=1)[second_indices]
    has_equal_counts = bool((first_counts_P == second_counts_P).all())
    if has_equal_counts:
        for name, weigh in _common_weighings(first, second):
            before_P = _gap_P(first, name)[first_indices]
            after_P = _gap_P(second, name)[second_indices]
            ratios["gap", name, weigh] = _difference(before_P, after_P, "gap", 2.0)
    comparison = {
        "shared": len(first_indices),
        "problems": [first.plan.problems, second.plan.problems],
        "rows": _estimated(first, first_indices, ratios),
    }
    if not has_equal_counts:
        comparison["why"] = (
            "their gaps are not compared: the runs have different numbers of samples"
        )
    return comparison


def _common_weighings(first: Run, second: Run) -> list[tuple[str, str]]:
    """Return the verifiers, with their weights, that both runs have."""
    weighings = []
    for name in first.evidence.judges.keys() & second.evidence.judges.keys():
        weigh = first.default_weight(name).spec
        if weigh == second.default_weight(name).spec:
            weighings.append((name, weigh))
    return weighings


def _estimated(
    first: Run, indices: Indices, ratios: dict[tuple[str, str, str], Ratio]
) -> list[dict[str, Any]]:
    group_P = groups_of(first.problems["question"][indices.tolist()].to_list())
    counts_BP = resample_counts(len(indices), first.plan.bootstrap_seed, group_P=group_P)
    estimates = estimate_all(dict(sorted(ratios.items())), counts_BP, group_P=group_P)
    return [
        {
            "quantity": quantity,
            "verifier": name,
            "weigh": weigh,
            "estimate": value.as_json(definition=True),
        }
        for (quantity, name, weigh), value in estimates.items()
    ]


def _gap_P(run: Run, name: str) -> Floats:
    samples = run.evidence.samples
    return gap_P(samples.utility_PK, run.evidence.weights[name], samples.mask_PK)


def _difference(before_P: Floats, after_P: Floats, quantity: str, largest: float) -> Ratio:
    definition = (
        f"{quantity} of the second run minus that of the first, "
        "mean over the problems that both answered"
    )
    return mean_over_problems(after_P - before_P, definition, (-largest, largest))
