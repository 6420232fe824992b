"""The verdict in words, for the terminal."""

from __future__ import annotations

from typing import Any

import pytest

from strop.report.verdict import unknown_line, verdict_lines
from tests.report.made_up import LONG_NAME, document, estimate, printed


def lines(**changed: Any) -> list[str]:
    made = document()
    return list(verdict_lines(made | {"verdict": made["verdict"] | changed}))


def test_words_come_first_and_the_next_command_last() -> None:
    told = lines()
    assert told[0] == (
        "arithmetic, ladder/250k: train. A gain of more than 2 points is 97% probable, by past "
        "rounds."
    )
    assert told[-1] == "  Next: strop improve --model ladder/250k --task arithmetic"
    assert any("accuracy 41.2 -> 50.2 [46.2, 54.2] (+9.0 [5.0, 13.0])" in line for line in told)


@pytest.mark.parametrize(
    ("train", "answer"), [("yes", ": train."), ("no", ": do not train."), ("unclear", ": unclear.")]
)
def test_every_answer_has_its_words(train: str, answer: str) -> None:
    assert answer in lines(train=train)[0]


def test_no_forecast_is_shown_without_an_interval() -> None:
    unknown = {"value": None, "why": "not known before training"}
    told = "\n".join(lines(gain=unknown, expected_accuracy=unknown, source="run"))
    assert "Expected" not in told and "->" not in told and "Gap of cot-binary" in told


def test_format_likelihood_caution_and_cost_have_their_sentences() -> None:
    told = "\n".join(
        lines(
            format_gain={"value": 0.1, "strict": 0.3, "flexible": 0.4},
            likelihood_auroc=estimate(0.5, 0.02),
            caution="20% of the checks could not be read",
            cost_of_round={
                "responses": 12800.0,
                "prompt_tokens": 1e5,
                "generated_tokens": 2e5,
                "flops": 1e12,
            },
        )
    )
    assert "up to 10.0 points of a gain may be a matter of format" in told
    assert "does not rank right above wrong" in told
    assert "20% of the checks could not be read." in told
    assert "12,800 responses" in told and "1.0e+12 FLOPs" in told
    ranked = "\n".join(lines(likelihood_auroc=estimate(0.8, 0.02)))
    assert "ranks right above wrong" in ranked
    assert "likelihood" not in "\n".join(
        lines(source="pilot", likelihood_auroc=estimate(0.8, 0.02))
    )


def test_special_situations_need_no_numbers() -> None:
    made = document()
    verdict = {"train": "unclear", "why": "one response each", "unknown": [], "next": "strop gap"}
    told = list(verdict_lines(made | {"verdict": verdict}))
    assert told == ["arithmetic, ladder/250k: unclear. One response each.", "  Next: strop gap"]
    assert list(verdict_lines({name: made[name] for name in made if name != "verdict"})) == []


def test_the_verdict_fits_eighty_columns_and_names_cannot_write_to_the_terminal() -> None:
    made = document(model=LONG_NAME)
    text = printed(*verdict_lines(made), unknown_line(made))
    assert max(map(len, text.splitlines())) <= 80
    assert "train" in text and "Not known before training" in text
    hostile = document(model="m\x1b[31m")
    assert "\x1b" not in "\n".join(verdict_lines(hostile))
