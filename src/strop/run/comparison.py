"""Runs side by side: what differs between two of them on the problems that both answered, paired by problem.

Gaps are compared at an equal number of samples only, and under the same verifier and weight; accuracies at any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.measure import Ratio, estimate_all, resample_counts
from strop.measure.gap import accuracy_P, gap_P, mean_over_problems
from strop.measure.intervals import Floats
from strop.run.analysis import groups_of
from strop.run.run import Run

Places = NDArray[np.int64]
FEWEST = 2


def compare(runs: Sequence[Run], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Each run against the first before it that shares problems with it; one that shares none with any is in no row."""
    found = []
    for place, run in enumerate(runs):
        for earlier in range(place):
            mine, other = shared(runs[earlier], run)
            if len(mine) >= FEWEST:
                found.append(
                    {"one": labels[earlier], "other": labels[place]}
                    | paired(runs[earlier], run, mine, other)
                )
                break
    return found


def shared(one: Run, other: Run) -> tuple[Places, Places]:
    """Places of the problems with the same question and reference in both runs, in the first one's order; copies pair off in theirs."""
    waiting: dict[tuple[str, str], list[int]] = {}
    for place, key in enumerate(_keys(other)):
        waiting.setdefault(key, []).append(place)
    pairs = [
        (place, waiting[key].pop(0)) for place, key in enumerate(_keys(one)) if waiting.get(key)
    ]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _keys(run: Run) -> list[tuple[str, str]]:
    return list(run.problems.select("question", "reference").iter_rows())


def paired(one: Run, other: Run, mine: Places, others: Places) -> dict[str, Any]:
    """Differences other - one in accuracy, and in the gap of every verifier and weight that both have."""
    samples = one.evidence.samples, other.evidence.samples
    questions = one.problems["question"][mine.tolist()].to_list()
    groups = groups_of(questions)
    before_P, after_P = (
        accuracy_P(s.utility_PK, s.mask_PK)[places]
        for s, places in zip(samples, (mine, others), strict=True)
    )
    ratios: dict[tuple[str, str, str], Ratio] = {
        ("accuracy", "", ""): _difference(before_P, after_P, "accuracy", 1.0)
    }
    sizes = [
        s.mask_PK.sum(axis=1)[places] for s, places in zip(samples, (mine, others), strict=True)
    ]
    equal = bool((sizes[0] == sizes[1]).all())
    if equal:
        for name in one.evidence.judges.keys() & other.evidence.judges.keys():
            weights = [run.default_weight(name).spec for run in (one, other)]
            if weights[0] == weights[1]:
                ratios["gap", name, weights[0]] = _difference(
                    _gap_P(one, name)[mine], _gap_P(other, name)[others], "gap", 2.0
                )
    counts_BP = resample_counts(len(mine), one.plan.bootstrap_seed, group_P=groups)
    estimates = estimate_all(dict(sorted(ratios.items())), counts_BP, group_P=groups)
    rows = [
        {
            "quantity": quantity,
            "verifier": name,
            "weigh": weigh,
            "estimate": value.as_json(definition=True),
        }
        for (quantity, name, weigh), value in estimates.items()
    ]
    told = {"shared": len(mine), "problems": [one.plan.problems, other.plan.problems], "rows": rows}
    return (
        told
        if equal
        else told
        | {"why": "their gaps are not compared: the runs have different numbers of samples"}
    )


def _gap_P(run: Run, name: str) -> Floats:
    samples = run.evidence.samples
    return gap_P(samples.utility_PK, run.evidence.weights[name], samples.mask_PK)


def _difference(before_P: Floats, after_P: Floats, what: str, farthest: float) -> Ratio:
    definition = f"{what} of the second run minus that of the first, mean over the problems that both answered"
    return mean_over_problems(after_P - before_P, definition, (-farthest, farthest))
