"""Choose the verifier and weight with the largest gap, and judge the choice on other problems.

Axes: P problems, C candidates, F folds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from strop.measure.crossfit import crossfit
from strop.measure.intervals import Floats
from strop.run.evidence import Evidence

GAP_BOUNDS = (-1.0, 1.0)


def choice(evidence: Evidence, counts_BP: Floats, judged: Evidence | None = None) -> dict[str, Any]:
    """Return the best verifier's cross-fitted gap, and the optimistic in-sample gap beside it.

    With ``judged``, another model's evidence on the same problems, the choice is made on
    ``evidence`` and judged there; the candidates are the verifiers and weights that both have.
    """
    if judged is None:
        judged = evidence
    candidates = [
        (name, spec)
        for name in evidence.blind
        for spec in evidence.swept[name]
        if spec in judged.swept.get(name, {})
    ]
    if not candidates:
        return {"value": None, "why": "no verifier without references to choose"}
    gaps_PC = _gaps_PC(evidence, candidates)
    judged_PC = _gaps_PC(judged, candidates)
    fit = crossfit(gaps_PC, judged_PC, evidence.folds_P, counts_BP, GAP_BOUNDS)
    labels = [f"{name}@{spec}" for name, spec in candidates]
    return {
        "gap_cross_fitted": fit.crossfitted.as_json(definition=True),
        "gap_in_sample_optimistic": fit.in_sample.as_json(definition=True),
        "chosen": None if fit.chosen is None else labels[fit.chosen],
        "chosen_by_fold": [labels[index] if index >= 0 else None for index in fit.chosen_F],
        "candidates": len(labels),
        "note": fit.note,
    }


def _gaps_PC(evidence: Evidence, candidates: list[tuple[str, str]]) -> Floats:
    """Return each problem's gap under each candidate."""
    gaps = [evidence.swept[name][spec][0].above_P for name, spec in candidates]
    return np.stack(gaps, axis=1)
