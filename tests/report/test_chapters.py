"""What is told of improvements, sharpenings and matrices: the answer, the charts with their numbers, the tables."""

from __future__ import annotations

from typing import Any

import pytest

from strop.report.blocks import Chapter, Chart, WordTable
from strop.report.chapters import story_chapter
from strop.report.reader import CommandResult
from tests.report.made_up import estimate, undefined

CURVE = {"1": estimate(0.4), "2": estimate(0.45), "4": estimate(0.5)}


def improvement(gain: dict[str, Any], rounds: int = 2) -> dict[str, Any]:
    own = {
        "accuracy": estimate(0.4),
        "greedy": estimate(0.5),
        "gap": estimate(0.1),
        "gap_base_verifier": undefined("asks no model"),
    }
    own |= {
        "train_accuracy": estimate(0.42),
        "relative_gap": estimate(0.2),
        "forecast": {"value": 0.5, "low": None, "high": None},
    }
    own |= {
        "pass_at_k": CURVE,
        "diversity": {"distinct_answers": estimate(3.25), "answer_entropy": estimate(0.9)},
    }
    own |= {
        "usage": {"flops": 1e9},
        "usage_by_stage": {"held-out": {"flops": 4e8, "seconds": 2.0}, "fit": {"flops": 6e8}},
    }
    after = {
        "gain": gain,
        "accuracy_since_base": gain,
        "eps_update": estimate(0.02),
        "gain_in_format": estimate(0.0),
    }
    told = [{"round": number, **own, **(after if number else {})} for number in range(rounds)]
    told[0] |= {
        "trained_on": {"rows": 1_234, "problems": 90, "problems_without": 10, "replayed": 7}
    }
    head = {
        "model": "m",
        "task": "signs",
        "method": "rft",
        "filter_by": "cot-binary@threshold:0.5",
        "verify_with": None,
    }
    return head | {"rounds": told, "stopped": "1 rounds were asked for"}


def chapter(
    command: Any, document: dict[str, Any]
) -> tuple[Chapter, dict[str, Chart], dict[str, WordTable]]:
    found = story_chapter(CommandResult(command, document))
    blocks = [block for group in found.groups for block in group.blocks]
    charts = {block.title: block for block in blocks if isinstance(block, Chart)}
    return found, charts, {block.title: block for block in blocks if isinstance(block, WordTable)}


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
    found, charts, tables = chapter("improve", improvement(gain))
    assert found.headline is not None and found.headline.answer == answer
    assert found.headline.sentence.startswith(
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
    assert [name for name, _ in tables["What every round cost"].rows][:2] == [
        "0, held-out problems",
        "0, the fit that makes the next",
    ]


def test_a_course_that_trained_nothing_says_so() -> None:
    found, _, _ = chapter(
        "improve",
        improvement(estimate(0.1), rounds=1)
        | {"stopped": "the gap's interval includes zero at round 0"},
    )
    assert found.headline is not None and found.headline.answer == "No round yet"
    assert (
        found.headline.sentence
        == "Nothing was trained: the gap's interval includes zero at round 0"
    )


def test_lost_diversity_is_said() -> None:
    made = improvement(estimate(0.1))
    made["rounds"][1]["pass_at_k_since_base"] = estimate(-0.2)
    found, _, _ = chapter("improve", made)
    (claim,) = [claim for claim in found.claims if "pass@4" in claim.claim]
    assert claim.kind == "loss" and claim.claim.endswith("below zero, diversity was lost")


def sharpening(**gains: dict[str, Any]) -> dict[str, Any]:
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
    found, charts, tables = chapter(
        "sharpen", sharpening(logprob=estimate(0.1), majority=estimate(-0.1))
    )
    assert (
        found.headline is not None
        and found.headline.answer == "Yes"
        and "choosing by logprob" in found.headline.sentence
    )
    assert "best of 2 choosers" in found.headline.unknown[0]
    assert [claim.kind for claim in found.claims] == ["gain", "loss"]
    assert "Dashed line: greedy, 45.0." in charts["Accuracy of the chosen response"].description
    assert [
        cell.value for cell in dict(charts["Log-likelihood of the chosen response"].table.rows)["4"]
    ] == ["−5.25", "−5.25"]
    assert dict(tables["Does one kind dominate?"].rows)["within a problem"][2].value == "0.001"


def test_unknown_gains_are_unknown() -> None:
    found, _, _ = chapter(
        "sharpen", sharpening(logprob=undefined("greedy responses were not imported"))
    )
    assert (
        found.headline is not None
        and found.headline.answer == "Unknown"
        and found.claims[0].kind == "unknown"
    )


def test_a_matrix_is_shaded_by_its_gaps() -> None:
    gaps = {
        ("a", "a"): estimate(0.1),
        ("a", "b"): estimate(0.2),
        ("b", "a"): estimate(-0.2),
        ("b", "b"): undefined("one problem"),
    }
    cells = [
        {"generator": f, "verifier_model": g, "verifier": "mc", "weigh": "quantile:0.7", "gap": gap}
        for (f, g), gap in gaps.items()
    ]
    made = {
        "task": "signs",
        "generators": ["a", "b"],
        "verifier_models": ["a", "b"],
        "cells": cells,
    }
    found, charts, _ = chapter("cross", made | {"accuracy": dict.fromkeys("ab", estimate(0.4))})
    (matrix,) = found.lead
    rows = dict(matrix.rows)
    assert [cell.value for cell in rows["a"]] == ["40.0", "+10.0*", "+20.0*"] and [
        cell.shade for cell in rows["a"]
    ] == [0, 17, 34]
    assert [cell.value for cell in rows["b"]][1:] == ["−20.0*", "–"] and [
        cell.shade for cell in rows["b"]
    ] == [0, -34, 0]
    assert (
        found.claims[0].claim.startswith("a gains most when b verifies it by mc")
        and "its own judgement" in found.claims[0].claim
    )
    assert (
        len(charts["Every cell with its interval"].table.rows) == 3
    )  # the unknown one has no point
