"""The headline of a run: each verdict in words, with its numbers and how they were measured."""

from __future__ import annotations

from typing import Any

import pytest

from strop.report.headline import QUESTION, headline_of
from tests.report.made_up import document


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
        "A gain of more than 2 points is 97% probable, by past rounds. "
        "One round of rft on what cot-binary@threshold:0.5 keeps"
    )
    assert "is expected to bring +9.0 points [5.0, 13.0], by past rounds" in sentence
    assert headline.command == "strop improve --model ladder/250k --task arithmetic"
    tiles = {tile.label: (tile.value, tile.detail) for tile in headline.tiles}
    assert tiles["accuracy now"] == ("41.2%", "[36.0, 46.4]") and tiles["after one round"] == (
        "50.2%",
        "[46.2, 54.2]",
    )
    assert any("+13.1\u00a0points" in step for step in headline.steps) and any(
        "forecast by past rounds" in step for step in headline.steps
    )


def test_a_gain_of_unknown_size_is_at_most_about_the_gap() -> None:
    unknown = {"value": None, "why": "not known"}
    headline = headline_of(with_verdict(gain=unknown, expected_accuracy=unknown, source="run"))
    assert headline is not None
    assert "gains at most about the gap; its size is not known" in headline.sentence
    assert any("training keeps is not known before" in step for step in headline.steps)


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


def test_a_score_of_no_model_is_not_called_the_model_s() -> None:
    made = document()
    for row in (*made["estimates"], *made["verifiers"].values()):
        row |= {"verifier_model": None, "name": "cot-binary"}
    headline = headline_of(made)
    assert headline is not None
    assert any(step.startswith("Each response got a score of cot") for step in headline.steps)
