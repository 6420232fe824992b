"""The chapter about ``strop gap``: a sentence per verifier, and its groups of charts."""

from __future__ import annotations

from strop.report.blocks import WordTable
from strop.report.gap_chapter import gap_chapter, verdicts
from tests.report.made_up import charts_and_tables, document, entry, estimate, sweeps


def test_verdicts_in_plain_words() -> None:
    kinds = {verdict.kind: verdict.claim for verdict in verdicts(document(verifier_model="B"))}
    assert set(kinds) == {"gain", "loss", "none", "unknown"}
    assert kinds["none"].startswith("Filtering by B's mc score brings no measurable gain")
    lone = {"value": 0.1, "low": None, "high": None, "why": "one problem"}
    (verdict,) = verdicts(
        document() | {"verifiers": {"oracle": entry("threshold:1", lone, estimate(0.5))}}
    )
    assert verdict.kind == "unknown" and verdict.claim.endswith(
        "+10.0\u00a0points, with no interval: one problem"
    )


def test_a_verdict_names_the_model_that_judged() -> None:
    """A matrix holds other models' verdicts beside the model's own."""
    own = entry("threshold:0.5", estimate(0.1), estimate(0.5)) | {
        "name": "cot-binary",
        "verifier_model": "small",
    }
    others = own | {"verifier_model": "large"}
    made = document() | {
        "model": "small",
        "verifiers": {"cot-binary": own, "cot-binary--large": others},
    }
    first, second = (verdict.claim for verdict in verdicts(made))
    assert "the model's own cot-binary verdict" in first and "large's cot-binary verdict" in second


def test_a_run_without_analysis_has_accuracies_and_curves_alone() -> None:
    chapter = gap_chapter("a run", document(), sweeps())
    assert [group.title for group in chapter.groups] == [
        "What filtering changes",
        "Gap against threshold",
    ]
    charts, tables = charts_and_tables(chapter)
    assert {"mc", "cot-score"} < {*charts} and tables == {}


def test_best_of_n_and_pass_at_n_share_a_chart() -> None:
    curve = {str(n): estimate(0.1 * n) for n in range(1, 7)}
    analysis = {"selection": {"mc": curve}, "pass_at_k": curve}
    charts, _ = charts_and_tables(gap_chapter("a run", document() | {"analysis": analysis}, {}))
    table: WordTable = charts["Accuracy of the best of N"].table
    assert table.header[1:] == ["mc: accuracy, %", "pass@N: any right: accuracy, %"]
    assert [n for n, _ in table.rows] == ["1", "2", "4", "6"]
