"""The headline of a run: each verdict in words, with its numbers and how they were measured."""

from __future__ import annotations

from typing import Any

import pytest

from strop.report.headline import QUESTION, headline_of
from tests.report.made_up import document

UPPER = {"value": 0.15, "low": None, "high": None, "why": "eps_update is unknown"}


def with_verdict(**changed: Any) -> dict[str, Any]:
    made = document()
    return made | {"verdict": made["verdict"] | changed}


@pytest.mark.parametrize(
    ("train", "answer", "kind"),
    [("yes", "Yes", "gain"), ("no", "No", "none"), ("unclear", "Unclear", "unknown")],
)
def test_the_answer_is_the_verdict_s(train: str, answer: str, kind: str) -> None:
    headline = headline_of(with_verdict(train=train))
    assert headline is not None and (headline.answer, headline.kind) == (answer, kind)
    assert headline.question == QUESTION.format("ladder/250k", "arithmetic")


def test_an_expected_gain_has_its_interval_and_its_courses() -> None:
    headline = headline_of(document())
    assert headline is not None and headline.unknown == ["what comes after the first round"]
    sentence = headline.sentence.replace("\u00a0", " ")
    assert sentence.startswith(
        "The gap exceeds what training lost in 12 other trainings. "
        "One round of rft on what cot-binary@threshold:0.5 keeps"
    )
    assert "is expected to bring +9.0 points [5.0, 13.0]" in sentence
    tiles = {tile.label: (tile.value, tile.detail) for tile in headline.tiles}
    assert tiles["accuracy now"] == ("41.2%", "[36.0, 46.4]") and tiles["after one round"] == (
        "50.2%",
        "[46.2, 54.2]",
    )
    assert any("+13.1\u00a0points" in step for step in headline.steps) and any(
        "12 other trainings" in step for step in headline.steps
    )


def test_a_gain_without_an_interval_is_the_most_to_expect() -> None:
    headline = headline_of(with_verdict(gain=UPPER, expected_accuracy=UPPER, other_courses=0))
    assert (
        headline is not None
        and "brings at most +15.0\u00a0points, if training loses nothing" in headline.sentence
    )
    assert "gain of one round, at most" in {tile.label for tile in headline.tiles}


def test_another_model_s_judgement_is_named() -> None:
    made = document(verifier_model="ladder/1m")
    for row in (*made["estimates"], *made["verifiers"].values()):
        row |= {"verifier_model": "ladder/1m", "name": "cot-binary"}
    headline = headline_of(made)
    assert (
        headline is not None
        and "cot-binary@threshold:0.5 of ladder/1m" in headline.sentence
        and any(step.startswith("ladder/1m judged") for step in headline.steps)
    )


def test_what_has_no_verifier_or_no_verdict() -> None:
    headline = headline_of(
        document()
        | {"verdict": {"train": "unclear", "why": "no verifier could be chosen", "unknown": []}}
    )
    assert (
        headline is not None
        and headline.sentence == "No verifier could be chosen"
        and len(headline.tiles) == 1
    )
    made = document()
    del made["verdict"]
    assert headline_of(made) is None
