"""The chapter about ``strop sharpen``: the answer, the curves, the tables."""

from __future__ import annotations

from typing import Any

from strop.report.sharpen_chapter import sharpen_chapter
from tests.report.made_up import charts_and_tables, estimate, undefined

CURVE = {"1": estimate(0.4), "2": estimate(0.45), "4": estimate(0.5)}


def sharpening(**gains: dict[str, Any]) -> dict[str, Any]:
    """Return a document of ``strop sharpen`` with a chooser for each gain over greedy."""
    entry = {
        "accuracy": CURVE,
        "log_likelihood": {"1": estimate(-9), "4": estimate(-5.25)},
        "falls": False,
        "why": [],
    }
    entry |= {
        "gain_over_sampling": estimate(0.1),
        "likelihood_lift": estimate(2.5),
        "auroc": estimate(0.7),
    }
    selection = {name: entry | {"gain_over_greedy": gain} for name, gain in gains.items()}
    head = {
        "model": "m",
        "task": "signs",
        "problems": 20,
        "samples": 4,
        "temperature": 1.0,
        "greedy": estimate(0.45),
    }
    levels = {"0.05": -20.0, "0.5": -5.0, "0.95": -1.0}
    likely: dict[str, Any] = {
        kind: {"responses": 10, "quantiles": levels} for kind in ("right", "wrong")
    }
    likely |= {
        name: {"verdict": "right dominates", "right_p": 0.9, "wrong_p": 0.001}
        for name in ("pooled", "within_problem")
    }
    return head | {
        "coverage": estimate(0.8),
        "selection": selection,
        "log_probabilities": likely,
        "adaptive": {"why": "at 0.7"},
    }


def test_a_sharpening_is_judged_by_its_best_chooser_and_says_that_it_was_picked() -> None:
    chapter = sharpen_chapter(sharpening(logprob=estimate(0.1), majority=estimate(-0.1)))
    charts, tables = charts_and_tables(chapter)
    assert (
        chapter.headline is not None
        and chapter.headline.answer == "Yes"
        and "choosing by logprob" in chapter.headline.sentence
    )
    assert "best of these 2 choosers" in chapter.headline.unknown[0]
    assert [claim.kind for claim in chapter.claims] == ["gain", "loss"]
    assert "Dashed line: greedy, 45.0." in charts["Accuracy of the chosen response"].description
    assert [
        cell.value for cell in dict(charts["Log-likelihood of the chosen response"].table.rows)["4"]
    ] == ["−5.25", "−5.25"]
    assert (
        dict(tables["Are right or wrong responses likelier?"].rows)["within a problem"][2].value
        == "0.001"
    )


def test_unknown_gains_are_unknown() -> None:
    gain = undefined("greedy responses were not imported")
    chapter = sharpen_chapter(sharpening(logprob=gain))
    assert (
        chapter.headline is not None
        and chapter.headline.answer == "Unknown"
        and chapter.claims[0].kind == "unknown"
    )
