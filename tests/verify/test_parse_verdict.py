"""Verdicts, scores and letters are read by the words of the verifier's wording."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strop.prompts import WORDING
from strop.verify import ChainOfThoughtBinary, ChainOfThoughtScore
from strop.verify.parse_verdict import read_letter, read_score, read_verdict
from tests.verify.german import GERMAN


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (" 2+3 ist 5.\nUrteil: Richtig", True),
        ("Urteil:Falsch.", False),
        ("Urteil: Richtig\nUrteil: Falsch", False),
        ("Urteil: Richtig oder Falsch", None),
        ("Urteil: Falsch oder Richtig?", None),
        ("Urteil: Richtiger", None),
        ("Urteil: Richtig oder", True),
        ("Verdict: Correct", None),
        ("urteil: Richtig", None),
        ("Urteil:\nRichtig", None),
        ("", None),
        ("Urteil: Falsch\n\nFrage: 1+1?\nUrteil: Richtig", False),
        ("Urteil: Falsch\nQuestion: 1+1?\nUrteil: Richtig", True),
    ],
)
def test_a_verdict_is_read_by_its_own_words(text: str, verdict: bool | None) -> None:
    assert read_verdict(text, GERMAN) is verdict
    read = ChainOfThoughtBinary(wording=GERMAN).read(text)
    assert (read.score, read.parsed) == (float(verdict or False), verdict is not None)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("\n** Note (1-10) **\n 8", 8.0),
        ("** Note (1-10) ** 3\n** Note (1-10) **\n2.5", 2.5),
        ("** Note (1-10) ** 0", None),
        ("** Note (1-10) ** 100", None),
        ("Score: 8", None),
        ("Note (1-10) 8", None),
    ],
)
def test_a_score_is_read_by_its_own_line(text: str, score: float | None) -> None:
    assert read_score(text, GERMAN) == score
    read = ChainOfThoughtScore(wording=GERMAN).read(text)
    assert (read.score, read.parsed) == (score or 0.0, score is not None)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Besser: A", "A"),
        ("Besser: B, klar", "B"),
        ("Besser: A oder B", None),
        ("Besser: AB", None),
        ("Better: A", None),
    ],
)
def test_a_winner_is_read_by_its_own_line(text: str, letter: str | None) -> None:
    assert read_letter(text, GERMAN) == letter


def test_a_verdict_may_stand_on_a_line_of_its_own_where_the_wording_has_it_there() -> None:
    for wording in (replace(GERMAN, verdict="\nUrteil:\n"), replace(GERMAN, incorrect="\n Falsch")):
        assert (
            read_verdict("Urteil:\n Falsch", wording) is False
            and read_verdict("Urteil: Richtig", wording) is True
        )
        assert read_verdict("Urteil:\n\nSo ist es. Richtig", wording) is None


def test_words_are_no_patterns() -> None:
    odd = replace(
        WORDING, verdict="\n(.*)", correct="$1+", incorrect="[no]", score_line="\n?", better="\n\\w"
    )
    assert (
        read_verdict("(.*)$1+", odd) is True
        and read_verdict("(.*) [no]", odd) is False
        and read_verdict("so: $1+", odd) is None
    )
    assert read_score("? 7", odd) == 7 and read_score("7", odd) is None
    assert read_letter("\\w A", odd) == "A" and read_letter("x A", odd) is None
