"""The tables of a run's analysis, and none where nothing was analysed."""

from __future__ import annotations

from typing import Any

from strop.report.blocks import WordTable
from strop.report.extra_tables import (
    choice_table,
    correlations_table,
    diversity_table,
    ensembles_table,
)
from strop.report.formatting import clean

ESTIMATE = {"value": 0.125, "low": 0.1, "high": 0.15, "level": 0.95, "n": 9}
UNDEFINED = {"value": None, "why": "because"}


def analysis() -> dict[str, Any]:
    ensemble = {
        "gap": ESTIMATE,
        "accuracy_kept": ESTIMATE,
        "kept_share": ESTIMATE,
        "with_survivors": UNDEFINED,
    }
    correlation: dict[str, Any] = {
        "verifiers": ["mc", "\x1b[31mlogprob"],
        "pearson": ESTIMATE,
        "spearman": UNDEFINED,
    }
    return {
        "choice": {
            "chosen": "mc@quantile:0.5",
            "candidates": 9,
            "note": "choosing needed labels",
            "gap_cross_fitted": ESTIMATE,
        }
        | {"gap_in_sample_optimistic": UNDEFINED},
        "ensembles": {"mc@quantile:0.5&logprob@best-of:K": ensemble},
        "correlations": [correlation | {"pearson_pooled": ESTIMATE, "spearman_pooled": ESTIMATE}],
        "diversity": {"answer_entropy": ESTIMATE},
    }


def tables_of(analysis: dict[str, Any]) -> dict[str, WordTable]:
    makers = (choice_table, ensembles_table, correlations_table, diversity_table)
    tables = [make(clean(analysis)) for make in makers]
    return {table.title: table for table in tables if table is not None}


def test_every_part_has_its_table_and_the_unknown_is_a_dash() -> None:
    tables = tables_of(analysis())
    assert list(tables) == [
        "Choosing the verifier and its weight",
        "Ensembles",
        "Similarity of the verifiers",
        "Diversity",
    ]
    name, cells = tables["Ensembles"].rows[0]
    assert name == "mc@quantile:0.5&logprob@best-of:K"
    assert [cell.value for cell in cells] == ["+12.5", "12.5", "12.5", "–"] and cells[
        0
    ].interval == "[10.0, 15.0]"
    alike, numbers = tables["Similarity of the verifiers"].rows[0]
    assert "\x1b" not in alike and [cell.value for cell in numbers] == ["0.12", "–", "0.12", "0.12"]


def test_a_run_without_analysis_has_no_tables() -> None:
    assert tables_of({}) == tables_of({"choice": {"value": None, "why": "none"}}) == {}
