"""Analyse the verifiers: calibration, correlations, and a forecast for each.

Only verifiers that see no reference and are not controls are analysed (``Evidence.blind``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from strop.measure import kept_accuracy
from strop.measure.calibration import NOT_PROBABILITIES, calibration
from strop.measure.correlation import correlations
from strop.measure.forecast import forecast_selection, upper_figure
from strop.measure.intervals import Floats
from strop.records import Estimate
from strop.run.evidence import Evidence, Judge


def forecasts(
    evidence: Evidence, selections: Mapping[str, tuple[int, Estimate]]
) -> dict[str, dict[str, Any]]:
    """Return the accuracy after a round that keeps each verifier's whole gap: an upper figure.

    ``selections`` holds (N, accuracy of best-of-N) by verifier: the forecast without training.
    """
    samples = evidence.samples
    rows: dict[str, dict[str, Any]] = {}
    for name in evidence.blind:
        kept = kept_accuracy(samples.utility_PK, evidence.weights[name], samples.mask_PK)
        after_training = upper_figure(kept)
        rows[name] = {"after_training": after_training.as_json(definition=True)}
        if name in selections:
            size, best_of_n = selections[name]
            after_selection = forecast_selection(best_of_n, size)
            rows[name]["after_selection"] = after_selection.as_json(definition=True)
    return rows


def verifier_correlations(evidence: Evidence, counts_BP: Floats) -> list[dict[str, Any]]:
    """Return one row per pair of verifiers."""
    scores = {name: judge.score_PK for name, judge in evidence.blind.items()}
    mask_PK = evidence.samples.mask_PK
    pairs = correlations(scores, mask_PK, counts_BP, evidence.group_P)
    return [
        {
            "verifiers": list(pair),
            "constant": correlation.constant,
            "left_out": correlation.unscored,
            **{name: value.as_json() for name, value in correlation.estimates.items()},
        }
        for pair, correlation in pairs.items()
    ]


def calibrations(evidence: Evidence, counts_BP: Floats) -> dict[str, dict[str, Any]]:
    """Return each verifier's reliability bins and calibration errors."""
    return {
        name: _calibration(judge, evidence, counts_BP) for name, judge in evidence.blind.items()
    }


def _calibration(judge: Judge, evidence: Evidence, counts_BP: Floats) -> dict[str, Any]:
    samples = evidence.samples
    result = calibration(
        judge.score_PK, samples.utility_PK, samples.mask_PK, counts_BP, group_P=evidence.group_P
    )
    errors = {"ece": result.ece, "error_debiased": result.error_debiased, "brier": result.brier}
    if not judge.probability:
        errors = {name: _not_a_probability(value) for name, value in errors.items()}
    bins = [
        {
            "lowest": score_bin.lowest,
            "highest": score_bin.highest,
            "score": score_bin.score,
            "right": score_bin.right.as_json(),
            "responses": score_bin.responses,
        }
        for score_bin in result.bins
    ]
    document: dict[str, Any] = {"bins": bins, "left_out": result.unscored}
    return document | {name: value.as_json(definition=True) for name, value in errors.items()}


def _not_a_probability(value: Estimate) -> Estimate:
    return replace(value, value=None, low=None, high=None, why=NOT_PROBABILITIES)
