"""The chapter about ``strop improve``: the answer, the charts with their numbers, the tables."""

from __future__ import annotations

from typing import Any

import pytest

from strop.report.improve_chapter import improve_chapter
from tests.report.made_up import charts_and_tables, estimate, undefined

CURVE = {"1": estimate(0.4), "2": estimate(0.45), "4": estimate(0.5)}


def improvement(gain: dict[str, Any], rounds: int = 2) -> dict[str, Any]:
    """Return a document of ``strop improve`` whose every later round has this gain."""
    current = {
        "accuracy": estimate(0.4),
        "greedy": estimate(0.5),
        "gap": estimate(0.1),
        "gap_base_verifier": undefined("asks no model"),
    }
    current |= {
        "train_accuracy": estimate(0.42),
        "relative_gap": estimate(0.2),
        "forecast": {"value": 0.5, "low": None, "high": None},
    }
    current |= {
        "pass_at_k": CURVE,
        "diversity": {"distinct_answers": estimate(3.25), "answer_entropy": estimate(0.9)},
    }
    current |= {
        "usage": {"flops": 1e9},
        "usage_by_stage": {"held-out": {"flops": 4e8, "seconds": 2.0}, "fit": {"flops": 6e8}},
    }
    after = {
        "gain": gain,
        "accuracy_since_base": gain,
        "eps_update": estimate(0.02),
        "gain_in_format": estimate(0.0),
    }
    entries = [{"round": index, **current, **(after if index else {})} for index in range(rounds)]
    entries[0] |= {
        "trained_on": {"rows": 1_234, "problems": 90, "problems_without": 10, "replayed": 7}
    }
    head = {
        "model": "m",
        "task": "signs",
        "method": "rft",
        "filter_by": "cot-binary@threshold:0.5",
        "verify_with": None,
    }
    return head | {"rounds": entries, "stopped": "1 rounds were asked for"}


@pytest.mark.parametrize(
    ("gain", "answer"),
    [
        (estimate(0.1), "Yes"),
        (estimate(-0.1), "No, it did harm"),
        (estimate(0.01), "Not measurably"),
        ({"value": 0.1, "low": None, "high": None, "why": "one problem"}, "Unknown"),
    ],
)
def test_an_improvement_helped_or_not(gain: dict[str, Any], answer: str) -> None:
    chapter = improve_chapter(improvement(gain))
    charts, tables = charts_and_tables(chapter)
    assert chapter.headline is not None and chapter.headline.answer == answer
    assert chapter.headline.sentence.startswith(
        "1 round of rft moved held-out accuracy from 40.0% to 40.0%"
    )
    assert list(charts) == [
        "Accuracy",
        "Gap",
        "pass@k",
        "Distinct answers to a problem",
        "Entropy of the answers, nats",
    ]
    numbers = dict(charts["Accuracy"].table.rows)
    assert [cell.value for cell in numbers["1"]] == [
        "40.0",
        "50.0",
        "42.0",
        "50.0",
    ]  # held out, greedy, training, forecast
    assert [cell.value for cell in numbers["0"]] == ["40.0", "50.0", "42.0", "–"]
    assert "from 40.0 at 0 to 40.0 at 1" in charts["Accuracy"].description
    assert [
        cell.value for cell in dict(charts["Distinct answers to a problem"].table.rows)["0"]
    ] == ["3.25"]
    rows = dict(tables["Every round"].rows)
    assert [cell.value for cell in rows["1"]][-3:] == ["1,234", "7", "10"] and [
        cell.value for cell in rows["0"]
    ][-3:] == ["–"] * 3
    assert [name for name, _ in tables["Cost of every round"].rows][:2] == [
        "0, held-out problems",
        "0, training the next model",
    ]


def test_a_course_that_trained_nothing_says_so() -> None:
    document = improvement(estimate(0.1), rounds=1)
    document["stopped"] = "the gap's interval includes zero at round 0"
    chapter = improve_chapter(document)
    assert chapter.headline is not None and chapter.headline.answer == "No round yet"
    assert (
        chapter.headline.sentence
        == "Nothing was trained: the gap's interval includes zero at round 0"
    )


def test_lost_diversity_is_said() -> None:
    made = improvement(estimate(0.1))
    made["rounds"][1]["pass_at_k_since_base"] = estimate(-0.2)
    chapter = improve_chapter(made)
    (claim,) = [claim for claim in chapter.claims if "pass@4" in claim.claim]
    assert claim.kind == "loss" and claim.claim.endswith("below zero, diversity was lost")
