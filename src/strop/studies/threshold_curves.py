"""The gap under every threshold of a verifier, and the choice of a threshold.

Shapes: P problems, T thresholds, B resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from strop.measure import Ratio
from strop.measure.crossfit import crossfit, repeated_selection
from strop.measure.gap import gap, kept_share
from strop.measure.intervals import Floats, from_draws
from strop.records import Estimate
from strop.run.evidence import Judge, sweep_weights
from strop.run.run import Run
from strop.studies.frame.numbers import estimates, undefined_estimate
from strop.weigh import Weight

SWEPT = {"mc": "quantile", "cot-score": "quantile", "tournament": "survivors"}
"""The weight that is swept for a verifier; all other verifiers sweep thresholds."""
MIN_THRESHOLDS = 3
"""A curve has at least this number of thresholds."""


@dataclass(frozen=True)
class Curve:
    """The gap of one model, task and verifier under each threshold.

    ``gap_PT`` is the gap of each problem under each of ``threshold_T``. ``gaps`` and ``kept`` are
    the estimates of the gap and of the share of kept responses under each threshold.
    """

    run: Run
    threshold_T: Floats
    gap_PT: Floats
    gaps: Sequence[Estimate]
    kept: Sequence[Estimate] = field(default=())

    @property
    def best_index(self) -> int:
        return int(self.gap_PT.mean(axis=0).argmax())

    @property
    def best(self) -> float:
        """The threshold with the largest gap."""
        return float(self.threshold_T[self.best_index])


def swept_weight(verifier: str) -> str:
    """Return the name of the weight that is swept for a verifier."""
    return SWEPT.get(verifier, "threshold")


def axis_title(verifier: str) -> str:
    """Return the title of the axis of a verifier's curve."""
    weight = swept_weight(verifier)
    return "number of rounds survived" if weight == "survivors" else weight


def curve(run: Run, verifier: str) -> Curve:
    """Return the gap under every threshold of the verifier's sweep."""
    samples = run.evidence.samples
    judge = run.evidence.judges[verifier]
    ratios: dict[float, Ratio] = {}
    kept: dict[float, Ratio] = {}
    for threshold, weight in _weights(judge, verifier).items():
        weight_PK = weight(judge.score_PK, samples.mask_PK)
        ratios[threshold] = gap(samples.utility_PK, weight_PK, samples.mask_PK)
        kept[threshold] = kept_share(weight_PK, samples.mask_PK)
    return Curve(
        run,
        np.array(list(ratios)),
        np.stack([ratio.above_P for ratio in ratios.values()], axis=1),
        list(estimates(run, ratios).values()),
        list(estimates(run, kept).values()),
    )


def _weights(judge: Judge, verifier: str) -> dict[float, Weight]:
    """Return the swept weights by threshold, rising; the default weight if none is swept."""
    weights = {}
    for weight in sweep_weights(judge):
        if weight.name == swept_weight(verifier):
            weights[_threshold(weight)] = weight
    if not weights:  # scores of two levels: no threshold makes a difference
        return {_threshold(judge.weight): judge.weight}
    return dict(sorted(weights.items()))


def _threshold(weight: Weight) -> float:
    """Return the number in a weight's specification, such as 0.7 in ``quantile:0.7``."""
    return float(weight.spec.split(":")[1])


def best_interval(curve: Curve) -> tuple[float, float]:
    """Return the thresholds between which the best one lies in 95% of the resamples."""
    # One product gives the sum of gaps of every resample and threshold, (B, T).
    best_B = curve.threshold_T[(curve.run.counts_BP @ curve.gap_PT).argmax(axis=1)]
    # inverted_cdf returns thresholds that exist, never a value between two of them.
    low, high = np.quantile(best_B, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def shape(curve: Curve) -> str:
    """Return the shape of a curve: flat, rising, falling, concave, or no curve.

    A curve is flat if no interval excludes zero. Otherwise the best threshold decides: at the end
    the curve is rising, at the start falling, and between them concave. Scores of two levels have
    too few thresholds for a curve.
    """
    if len(curve.threshold_T) < MIN_THRESHOLDS:
        return "no curve"
    if not any(estimate.interval_sign for estimate in curve.gaps):
        return "flat"
    if curve.best_index == len(curve.threshold_T) - 1:
        return "rising"
    if curve.best_index == 0:
        return "falling"
    return "concave"


def transfer(chooser: Curve, judged: Curve) -> tuple[Estimate, Estimate]:
    """Return what it costs to choose the threshold on another model, and the gap without that.

    The first estimate is the gap of ``judged`` under the threshold chosen on ``chooser``, minus the
    gap under its own choice; the second is the gap under its own choice. Both choices are
    cross-fitted over problems and use the thresholds that both curves have. The first estimate is
    undefined if these are too few for a choice.
    """
    # Both choices have the same thresholds to choose from.
    common = [threshold for threshold in chooser.threshold_T if threshold in judged.threshold_T]
    own_PT = _columns(judged, common)
    other_PT = _columns(chooser, common)
    folds_P = judged.run.evidence.folds_P
    counts_BP = judged.run.counts_BP
    bounds = (-1.0, 1.0)
    # crossfit(choose, judge): the first argument chooses, the second one is measured.
    own_choice = crossfit(own_PT, own_PT, folds_P, counts_BP, bounds).crossfitted
    carried = crossfit(other_PT, own_PT, folds_P, counts_BP, bounds).crossfitted
    definition = (
        "gap under the threshold chosen on another model minus that under the model's own choice, "
        "both cross-fitted"
    )
    if len(common) < MIN_THRESHOLDS:
        return undefined_estimate(definition, "too few thresholds to choose from"), own_choice
    if own_choice.value is None or carried.value is None:
        return undefined_estimate(definition, own_choice.why or carried.why), own_choice
    # Both choices are made anew in every resample, so that the interval contains their noise.
    carried_B = repeated_selection(other_PT, own_PT, folds_P, counts_BP)
    own_B = repeated_selection(own_PT, own_PT, folds_P, counts_BP)
    value = carried.value - own_choice.value
    change = from_draws(value, carried_B - own_B, own_choice.n, definition)
    return change, own_choice


def _columns(curve: Curve, thresholds: Sequence[float]) -> Floats:
    """Return the columns of ``gap_PT`` that belong to these thresholds."""
    indices = [int(np.flatnonzero(curve.threshold_T == value)[0]) for value in thresholds]
    columns: Floats = curve.gap_PT[:, indices]
    return columns
