"""How studies read a run's numbers, and how they write them down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from strop.errors import UsageError
from strop.measure import Ratio, accuracy, estimate_all, fill_grid, gap, kept_accuracy, relative_gap
from strop.measure.gap import accuracy_P, has_survivor_P
from strop.measure.intervals import Floats, undefined
from strop.measure.replicates import mean_of_cells
from strop.measure.summary import nothing_to_filter
from strop.records import Estimate
from strop.run.analysis import Evidence
from strop.run.run import Run
from strop.weigh import Product, parse_weight

FULL = ("ladder/25k", "ladder/40k", "ladder/70k", "ladder/125k", "ladder/250k", "ladder/400k")
LEAN = ("ladder/lean-125k", "ladder/lean-250k")
FEW = ("ladder/40k", "ladder/125k", "ladder/250k")
CHECKED = ("arithmetic", "signs", "sudoku4")
"""The embedded tasks whose answers can be checked by steps; a fact of ``recall`` cannot."""
ALPHA = 0.05


def weights_of(evidence: Evidence, verifier: str, weigh: str | None = None) -> Floats:
    """A verifier's weights (P, K), by its default unless another is named."""
    if weigh is None:
        return evidence.weights[verifier]
    return evidence.weigh(Product(((verifier, parse_weight(weigh)),)))


def gaps(run: Run, verifier: str, weigh: str | None = None) -> dict[str, Ratio]:
    """Accuracy, accuracy kept, gap and relative gap of a run under one verifier."""
    return gaps_of(run, weights_of(run.evidence, verifier, weigh))


def gaps_of(run: Run, weight_PK: Floats) -> dict[str, Ratio]:
    """The same under any weights; where nothing is filtered, all but accuracy is undefined."""
    samples = run.evidence.samples
    arrays, why = (
        (samples.utility_PK, weight_PK, samples.mask_PK),
        nothing_to_filter(samples, weight_PK),
    )
    filtered = {
        "accuracy_kept": kept_accuracy(*arrays),
        "gap": gap(*arrays),
        "relative_gap": relative_gap(*arrays),
    }
    if why:
        filtered = {
            name: undefined(len(weight_PK), ratio.definition, why)
            for name, ratio in filtered.items()
        }
    return {"accuracy": accuracy(samples.utility_PK, samples.mask_PK), **filtered}


def counts(run: Run, verifier: str, weigh: str | None = None) -> dict[str, int]:
    """What conventions decided: verifications that could not be read, problems of which nothing was kept, problems without room."""
    samples = run.evidence.samples
    return {
        "unparsed": int((~run.scores[verifier]["parsed"]).sum()),
        "no_survivor": int(
            (~has_survivor_P(weights_of(run.evidence, verifier, weigh), samples.mask_PK)).sum()
        ),
        "no_room": int((accuracy_P(samples.utility_PK, samples.mask_PK) > 1 - 1e-12).sum()),
    }


def scores_PKM(run: Run, stage: str) -> Floats:
    """Each draw's scores, (P, K, M)."""
    order = {problem: number for number, problem in enumerate(run.problems["problem"])}
    grids = []
    for (_,), own in run.scores[stage].sort("draw").group_by("draw", maintain_order=True):
        problem = own["problem"].replace_strict(order, return_dtype=pl.Int64).to_numpy()
        grids.append(
            fill_grid(problem, own["sample"].to_numpy(), own["score"].to_numpy(), len(order))
        )
    return np.stack(grids, axis=2)


def estimates(run: Run, ratios: Mapping[Any, Ratio]) -> dict[Any, Estimate]:
    """With intervals, from the run's own resamples."""
    return estimate_all(ratios, run.counts_BP, group_P=run.evidence.group_P)


def joint_counts(runs: Sequence[Run]) -> Floats:
    """Resamples of the problems of several tasks side by side, each in an order of its own: they have nothing to do with one another."""
    check_equal_samples(runs)
    return np.hstack(
        [np.random.default_rng(place).permutation(run.counts_BP) for place, run in enumerate(runs)]
    )


def check_equal_samples(runs: Sequence[Run]) -> None:
    """All with one number of samples: gaps are compared at equal K only."""
    sizes = {run.plan.samples for run in runs}
    if len(sizes) > 1:
        raise UsageError(
            f"runs of {', '.join(map(str, sorted(sizes)))} samples: gaps are compared at equal K only"
        )


def mean_over_tasks(ratios: Sequence[Ratio], what: str) -> Ratio:
    """The mean of one number over tasks; of a single task the number itself."""
    known = sum(bool(np.isfinite(ratio.value)) for ratio in ratios)
    return (
        ratios[0] if len(ratios) == 1 else mean_of_cells(ratios, f"{what}, mean over {known} tasks")
    )


# --- writing ---


def told(found: Estimate) -> dict[str, Any]:
    """The columns that a finding's data has for an estimate."""
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "why": found.why or found.caution,
    }


def points(found: Estimate) -> str:
    """In points or per cent: ``+3.2 [1.0, 5.4]``."""
    return written(found, 100, "+.1f", ".1f")


def per_cent(found: Estimate) -> str:
    return written(found, 100, ".1f", ".1f")


def share(found: Estimate) -> str:
    return written(found, 1, ".2f", ".2f")


def written(found: Estimate, times: float, first: str, ends: str) -> str:
    """The value with its interval; a dash where it is undefined, no brackets where there is no interval."""
    if found.value is None:
        return "–"
    text = format(round(times * found.value, 6) + 0.0, first)
    if found.low is None or found.high is None:
        return text
    return f"{text} [{format(times * found.low + 0.0, ends)}, {format(times * found.high + 0.0, ends)}]"


def side(found: Estimate) -> int:
    """1 where the whole interval lies above zero, -1 below, 0 where it does not tell."""
    if found.low is None or found.high is None:
        return 0
    return int(found.low > 0) - int(found.high < 0)


def tally(found: Iterable[Estimate]) -> str:
    """How many intervals lie above and below zero, and how many would if all true values were zero."""
    sides = [side(one) for one in found]
    by_chance = f"about {0.025 * len(sides):.1f} of each would by chance if there were nothing"
    return f"{sides.count(1)} of {len(sides)} intervals lie above zero, {sides.count(-1)} below ({by_chance})"


def short(model: str) -> str:
    """A model's name for figures: the embedded ones without the room they come from, others without the folders above them."""
    return (
        model.removeprefix("ladder/")
        if model.startswith("ladder/")
        else model.rstrip("/").split("/")[-1].partition("?")[0]
    )


def listed(names: Iterable[str]) -> str:
    """``a, b and c``; ``none`` where there is nothing."""
    some = list(names)
    return (
        "none"
        if not some
        else some[0]
        if len(some) == 1
        else f"{', '.join(some[:-1])} and {some[-1]}"
    )
