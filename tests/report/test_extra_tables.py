"""The tables of all else that a run tells: in words, untrusted names as text, nothing where nothing was analysed."""

from __future__ import annotations

from typing import Any

from strop.report.extra_tables import more_tables

ESTIMATE = {"value": 0.125, "low": 0.1, "high": 0.15, "level": 0.95, "n": 9}
UNDEFINED = {"value": None, "why": "because"}


def analysis() -> dict[str, Any]:
    curve = {str(n): ESTIMATE for n in range(1, 7)}
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
        "pass_at_k": curve,
        "selection": {"mc": curve},
        "ensembles": {"mc@quantile:0.5&logprob@best-of:K": ensemble},
        "correlations": [correlation | {"pearson_pooled": ESTIMATE, "spearman_pooled": ESTIMATE}],
        "diversity": {"answer_entropy": ESTIMATE},
    }


def test_every_part_has_its_table_and_the_unknown_is_a_dash() -> None:
    tables = {table.title: table for table in more_tables({"analysis": analysis()})}
    assert list(tables) == [
        "Choosing the verifier and its weight",
        "Best of N",
        "Ensembles",
        "How alike the verifiers are",
        "Diversity",
    ]
    assert tables["Best of N"].header == ["Chosen by", "N = 1", "N = 2", "N = 4", "N = 6"]
    assert [name for name, _ in tables["Best of N"].rows] == ["mc", "pass@N: any right"]
    name, cells = tables["Ensembles"].rows[0]
    assert name == "mc@quantile:0.5&logprob@best-of:K"
    assert [cell.value for cell in cells] == ["+12.5", "12.5", "12.5", "–"] and cells[
        0
    ].interval == "[10.0, 15.0]"
    alike, numbers = tables["How alike the verifiers are"].rows[0]
    assert "\x1b" not in alike and [cell.value for cell in numbers] == ["0.12", "–", "0.12", "0.12"]


def test_a_run_without_analysis_has_no_tables() -> None:
    assert (
        more_tables({}) == []
        and more_tables({"analysis": {"choice": {"value": None, "why": "none"}, "selection": {}}})
        == []
    )
