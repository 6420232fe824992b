"""The numbers of the sharpening study: lifts, curves over N and distributions of one cell.

Shapes: P problems, K samples of each, N samples to choose from, B resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from strop.measure import Ratio, estimate_all, resample_counts
from strop.measure.gap import Mask, accuracy_P, mean_over_problems
from strop.measure.intervals import Floats, Groups, difference
from strop.measure.lifts import accuracy_gain, accuracy_lift
from strop.measure.pass_at_k import pass_at_k_PN
from strop.measure.selection import selection_curve_PN
from strop.records import Estimate
from strop.run.analysis import sparse
from strop.run.evidence import groups_of
from strop.run.run import Run
from strop.sharpening import SELF_REWARDS, Sharpening

LEVELS = 60
"""Points of a distribution function."""
ACCURACY = (0.0, 1.0)
LOG_LIKELIHOOD = (-np.inf, 0.0)

CurveValues = dict[tuple[str, str, int], Estimate]
"""By self-reward, quantity and N."""
CurveChanges = dict[tuple[str, str], Estimate]
"""By self-reward and quantity."""
Array = TypeVar("Array", Floats, Mask)


@dataclass(frozen=True)
class Cell:
    """One model on one task: the problems of all its seeds together."""

    runs: Sequence[Run]

    @cached_property
    def group_P(self) -> Groups | None:
        """Copies of one question form a group, also across seeds; a group is resampled whole."""
        questions: list[str] = []
        for run in self.runs:
            questions += run.evidence.questions
        return groups_of(questions)

    @cached_property
    def counts_BP(self) -> Floats:
        # The seed is fixed: the resamples do not depend on the seeds of the problems.
        return resample_counts(len(self.greedy_P), 0, group_P=self.group_P)

    @cached_property
    def greedy_P(self) -> Floats:
        return self._joined(lambda run: run.evidence.greedy_P)

    @cached_property
    def utility_PK(self) -> Floats:
        return self._joined(lambda run: run.evidence.samples.utility_PK)

    @cached_property
    def mask_PK(self) -> Mask:
        return self._joined(lambda run: run.evidence.samples.mask_PK)

    @cached_property
    def logprob_PK(self) -> Floats:
        return self._joined(lambda run: run.evidence.logprob_PK)

    def accuracy_PN(self, reward: str) -> Floats:
        """Return the accuracy of the response with the highest self-reward of N samples."""
        return self._joined(lambda run: Sharpening(run).accuracy_PN(reward))

    def _joined(self, array_of: Callable[[Run], Array]) -> Array:
        """Return an array of each run, joined along the problems."""
        joined: Array = np.concatenate(list(map(array_of, self.runs)))
        return joined

    def log_likelihood_PN(self, reward: str) -> Floats | None:
        """Return the log-likelihood of the response chosen of N, in nats.

        It is None for majority, which chooses an answer and not a response.
        """
        judges = [run.evidence.judges[reward] for run in self.runs]
        if not judges[0].pointwise:
            return None
        score_PK = np.concatenate([judge.score_PK for judge in judges])
        return selection_curve_PN(score_PK, self.logprob_PK, self.mask_PK)

    def estimates(self, ratios: Mapping[Any, Ratio]) -> dict[Any, Estimate]:
        return estimate_all(ratios, self.counts_BP, group_P=self.group_P)

    def truncated(self) -> int:
        """Return the number of truncated responses."""
        return sum(run.truncated for run in self.runs)


def lifts(cell: Cell) -> dict[tuple[str, str], Estimate]:
    """Return the estimates of one cell by self-reward ("" for none) and quantity.

    ``over_one`` and ``over_half`` are the accuracy at N = K minus that at N = 1 and at N = K / 2,
    paired by problem.
    """
    sample_P = accuracy_P(cell.utility_PK, cell.mask_PK)
    # Utilities are 0 or 1: the largest one says whether any response is right.
    has_right_P = cell.utility_PK.max(axis=1)
    greedy = mean_over_problems(cell.greedy_P, "greedy accuracy", ACCURACY)
    sampling = mean_over_problems(sample_P, "accuracy of one sample", ACCURACY)
    definition = "share of problems with a right response"
    coverage = mean_over_problems(has_right_P, definition, ACCURACY)
    ratios: dict[tuple[str, str], Ratio] = {
        ("", "greedy"): greedy,
        ("", "sampling"): sampling,
        ("", "coverage"): coverage,
    }
    for reward in SELF_REWARDS:
        curve_PN = cell.accuracy_PN(reward)
        largest = curve_PN.shape[1]
        half = max(1, largest // 2)
        # Column n - 1 of a curve holds the accuracy of the best of n.
        last_P = curve_PN[:, -1]
        at_last = mean_over_problems(last_P, "", ACCURACY)
        at_half = mean_over_problems(curve_PN[:, half - 1], "", ACCURACY)
        ratios[reward, "gain"] = accuracy_gain(last_P, cell.greedy_P)
        ratios[reward, "lift"] = accuracy_lift(last_P, cell.greedy_P)
        definition = "accuracy at N = K minus that of one sample"
        ratios[reward, "over_one"] = difference(at_last, sampling, definition)
        definition = "accuracy at N = K minus that at K / 2"
        ratios[reward, "over_half"] = difference(at_last, at_half, definition)
    return cell.estimates(ratios)


def curves(cell: Cell) -> tuple[CurveValues, CurveChanges]:
    """Return the values at N = 1, 2, 4, ... and the changes from N = 1 to N = K.

    Coverage and greedy decoding stand beside the self-rewards.
    """
    series: dict[tuple[str, str], Floats] = {
        ("coverage", "accuracy"): pass_at_k_PN(cell.utility_PK, cell.mask_PK)
    }
    for reward in SELF_REWARDS:
        series[reward, "accuracy"] = cell.accuracy_PN(reward)
        log_likelihood_PN = cell.log_likelihood_PN(reward)
        if log_likelihood_PN is not None:
            series[reward, "log-likelihood"] = log_likelihood_PN
    greedy = mean_over_problems(cell.greedy_P, "greedy accuracy", ACCURACY)
    ratios: dict[tuple[str, str, int], Ratio] = {("greedy", "accuracy", 1): greedy}
    changes: dict[tuple[str, str], Ratio] = {}
    for (reward, quantity), value_PN in series.items():
        bounds = ACCURACY if quantity == "accuracy" else LOG_LIKELIHOOD
        for n in sparse(value_PN.shape[1]):
            definition = f"{quantity} of the chosen of {n}"
            value_P = value_PN[:, n - 1]
            ratios[reward, quantity, n] = mean_over_problems(value_P, definition, bounds)
        # Coverage cannot fall with N, so its change says nothing.
        if reward != "coverage":
            last = mean_over_problems(value_PN[:, -1], quantity, bounds)
            first = mean_over_problems(value_PN[:, 0], quantity, bounds)
            definition = f"{quantity} at N = K minus that at N = 1"
            changes[reward, quantity] = difference(last, first, definition)
    return cell.estimates(ratios), cell.estimates(changes)


def distribution(value_PK: Floats, cell: Cell) -> Iterator[dict[str, Any]]:
    """Yield the distribution functions of the values of right and of wrong responses.

    The levels divide all but the lowest hundredth of the values evenly.
    """
    known_PK = cell.mask_PK & np.isfinite(value_PK)
    if not known_PK.any():
        return
    # The lowest hundredth can reach far down and would take most of the axis.
    shares = np.linspace(0.01, 1, LEVELS)
    levels = np.unique(np.quantile(value_PK[known_PK], shares))
    is_right_PK = cell.utility_PK == 1
    for kind, selected_PK in (("right", is_right_PK), ("wrong", ~is_right_PK)):
        values = np.sort(value_PK[known_PK & selected_PK])
        if not len(values):
            continue
        # side="right" counts the values at a level as below it, so that the function ends at 1.
        below = np.searchsorted(values, levels, side="right") / len(values)
        for level, share in zip(levels, below, strict=True):
            yield {
                "kind": kind,
                "logprob": float(level),
                "below": float(share),
                "responses": len(values),
            }
