"""Tables of a run's analysis: the choice of a filter, ensembles, correlations, diversity.

Each function returns None if the analysis has no such part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strop.report.blocks import WordTable, plain_cell, points_cell, rate_cell, shaded
from strop.report.formatting import known

Analysis = Mapping[str, Any]

_CORRELATIONS = {
    "pearson": "Pearson, within",
    "spearman": "Spearman, within",
    "pearson_pooled": "Pearson, pooled",
    "spearman_pooled": "Spearman, pooled",
}


def choice_table(analysis: Analysis) -> WordTable | None:
    """Return the gap of the best verifier and weight, cross-fitted and in-sample."""
    choice = analysis.get("choice") or {}
    if not choice.get("chosen"):
        return None
    note = (
        f"Best of {choice['candidates']} verifiers and weights. {choice['note'].capitalize()}. "
        "In-sample is optimistic: the best one is measured on the problems that it was chosen on."
    )
    header = ["", "Gap, cross-fitted", "Gap, in-sample"]
    cells = [points_cell(choice[key]) for key in ("gap_cross_fitted", "gap_in_sample_optimistic")]
    title = "Choosing the verifier and its weight"
    return WordTable(title, note, header, [(choice["chosen"], cells)])


def ensembles_table(analysis: Analysis) -> WordTable | None:
    """Return a row per ensemble of verifiers."""
    ensembles = analysis.get("ensembles") or {}
    if not ensembles:
        return None
    note = (
        "A response is kept only if every verifier keeps it. A problem without a survivor keeps "
        "all its responses."
    )
    header = ["Ensemble", "Gap, points", "Accuracy kept, %", "Kept share, %"]
    header.append("Problems with survivors, %")
    rows = []
    for spec, ensemble in ensembles.items():
        cells = [
            points_cell(ensemble["gap"]),
            rate_cell(ensemble["accuracy_kept"]),
            rate_cell(ensemble["kept_share"]),
            rate_cell(ensemble["with_survivors"]),
        ]
        rows.append((spec, cells))
    return WordTable("Ensembles", note, header, rows)


def correlations_table(analysis: Analysis) -> WordTable | None:
    """Return a row per pair of verifiers, shaded by the correlation of their scores."""
    pairs = analysis.get("correlations") or []
    if not pairs:
        return None
    note = (
        "Correlation of two verifiers' scores: within problems, which is what matters to a filter, "
        "and over all responses pooled."
    )
    rows = []
    for pair in pairs:
        cells = []
        for key in _CORRELATIONS:
            estimate = pair[key]
            cell = plain_cell(estimate)
            # The darkest shade is a correlation of 1.
            cells.append(shaded(cell, known(estimate, "value"), largest=1))
        rows.append((" and ".join(pair["verifiers"]), cells))
    header = ["Verifiers", *_CORRELATIONS.values()]
    return WordTable("Similarity of the verifiers", note, header, rows)


def diversity_table(analysis: Analysis) -> WordTable | None:
    """Return a row per measure of the responses' diversity."""
    diversity = analysis.get("diversity") or {}
    if not diversity:
        return None
    note = (
        "Means over problems. They depend on the number of samples, so compare only runs with the "
        "same number."
    )
    rows = []
    for name, value in diversity.items():
        measure = name.replace("_", " ")
        rows.append((measure, [plain_cell(value)]))
    return WordTable("Diversity", note, ["", "Mean over problems"], rows)
