"""The rest of what a run's samples tell, as tables of words: best-of-N, ensembles, correlations, and what choosing would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from strop.report.blocks import WordTable, plain_cell, points_cell, rate_cell, shaded
from strop.report.formatting import Document, clean, known


def more_tables(document: Document) -> list[WordTable]:
    """The tables of one run; none for a document without an analysis."""
    analysis = clean(document.get("analysis") or {})
    makers = (choice_table, selection_table, ensembles_table, correlations_table, diversity_table)
    return [table for make in makers for table in make(analysis) if table.rows]


def choice_table(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    choice = analysis.get("choice") or {}
    if not choice.get("chosen"):
        return
    note = (
        f"Best of {choice['candidates']} verifiers and weights. {choice['note'].capitalize()}. "
        "In-sample is optimistic: the best on the very problems it was chosen on."
    )
    cells = [points_cell(choice[key]) for key in ("gap_cross_fitted", "gap_in_sample_optimistic")]
    yield WordTable(
        "Choosing the verifier and its weight",
        note,
        ["", "Gap, cross-fitted", "Gap, in-sample"],
        [(choice["chosen"], cells)],
    )


def selection_table(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    passes = analysis.get("pass_at_k") or {}
    sizes = [size for size in passes if (n := int(size)) & (n - 1) == 0 or n == len(passes)]
    rows = [
        (name, [rate_cell(curve[size]) for size in sizes])
        for name, curve in (analysis.get("selection") or {}).items()
    ]
    rows += [("pass@N: any right", [rate_cell(passes[size]) for size in sizes])] if passes else []
    note = "Accuracy, %, of the best-scored of N responses, in expectation over subsets; majority takes the vote anew in each subset."
    yield WordTable("Best of N", note, ["Chosen by", *(f"N = {size}" for size in sizes)], rows)


def ensembles_table(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    note = "A response is kept only if every verifier keeps it. A problem without a survivor keeps all its responses."
    rows = [
        (
            spec,
            [
                points_cell(found["gap"]),
                rate_cell(found["accuracy_kept"]),
                rate_cell(found["kept_share"]),
                rate_cell(found["with_survivors"]),
            ],
        )
        for spec, found in (analysis.get("ensembles") or {}).items()
    ]
    header = [
        "Ensemble",
        "Gap, points",
        "Accuracy kept, %",
        "Kept share, %",
        "Problems with survivors, %",
    ]
    yield WordTable("Ensembles", note, header, rows)


def correlations_table(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    note = "Correlation of two verifiers' scores: within problems, which is what a filter sees, and over all responses pooled."
    rows = [
        (
            " and ".join(pair["verifiers"]),
            [
                shaded(plain_cell(pair[key]), known(pair[key], "value"), 1)
                for key in ("pearson", "spearman", "pearson_pooled", "spearman_pooled")
            ],
        )
        for pair in analysis.get("correlations") or []
    ]
    header = [
        "Verifiers",
        "Pearson, within",
        "Spearman, within",
        "Pearson, pooled",
        "Spearman, pooled",
    ]
    yield WordTable("How alike the verifiers are", note, header, rows)


def diversity_table(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    note = "Means over problems; they depend on the number of samples, so compare runs with the same number only."
    rows = [
        (name.replace("_", " "), [plain_cell(value)])
        for name, value in (analysis.get("diversity") or {}).items()
    ]
    yield WordTable("Diversity", note, ["", "Mean over problems"], rows)
