"""Spans of thinking are removed from texts in one place, and counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from strop.engines import load_engine
from strop.engines.base import Request
from strop.engines.tabular import TabularEngine
from strop.engines.thinking import Answer, remove_thinking
from strop.errors import UsageError
from strop.records import Message, Sampling

SAMPLING = Sampling(1.0, 1.0, 64)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So 5", Answer("So 5", "", False)),
        ("<think>maybe 99</think>\n\nSo 5", Answer("So 5", "maybe 99", False)),
        ("a <think>b</think> c <think>d</think>e", Answer("a  c e", "bd", False)),
        ("maybe 99</think>\nSo 5", Answer("So 5", "maybe 99", False)),
        ("<think>maybe 99", Answer("", "maybe 99", True)),
        ("<think>", Answer("", "", True)),
        ("<think></think> 5", Answer("5", "", False)),
        ("", Answer("", "", False)),
    ],
)
def test_spans_are_removed(text: str, answer: Answer) -> None:
    assert remove_thinking(text) == answer


def test_a_text_that_begins_inside_a_span() -> None:
    assert remove_thinking("maybe 99", is_open=True) == Answer("", "maybe 99", True)
    assert remove_thinking("<think>9</think>5", is_open=True) == Answer("5", "9", False)
    assert remove_thinking("", is_open=True) == Answer("", "", True)


def write_table(folder: Path, table: dict[str, dict[str, float]]) -> Path:
    file = folder / "table.json"
    file.write_text(json.dumps(table))
    return file


def test_every_engine_draws_without_spans(tmp_path: Path) -> None:
    """An unclosed span makes a response truncated; log-probabilities stay those of the whole."""
    table = {
        "closed": {"<think>9</think>5": 1.0},
        "open": {"<think>9": 1.0},
        "opened <think>": {"9": 1.0},
        "plain": {"5": 1.0},
    }
    engine = load_engine(f"tabular:{write_table(tmp_path, table)}")
    requests = [Request((Message("user", text),), (1,)) for text in table]
    whole = engine.sample(requests, SAMPLING)
    answers = engine.draw(requests, SAMPLING)
    rows = [(sample.text, sample.finish) for [sample] in answers.samples]
    assert rows == [("5", "end"), ("", "length"), ("", "length"), ("5", "end")]
    for [sample], [drawn] in zip(answers.samples, whole.samples, strict=True):
        assert replace(sample, text=drawn.text, finish=drawn.finish) == drawn
    assert (answers.usage.thoughts, answers.usage.unclosed) == (3, 2)
    assert whole.usage == replace(answers.usage, thoughts=0, unclosed=0)


def test_the_marks_are_a_setting_of_the_name(tmp_path: Path) -> None:
    file = write_table(tmp_path, {"q": {"<reasoning>9</reasoning>5": 1.0}})
    request = Request((Message("user", "q"),), (1,))
    texts = []
    for setting in ("think=reasoning", "think=none"):
        engine = load_engine(f"tabular:{file}?{setting}")
        assert isinstance(engine, TabularEngine)
        [[sample]] = engine.draw([request], SAMPLING).samples
        texts.append(sample.text)
    assert texts == ["5", "<reasoning>9</reasoning>5"]
    with pytest.raises(UsageError, match="expected the name of a mark"):
        load_engine(f"tabular:{file}?think=<think>")
