"""Whole runs on scripted servers: what a server did or withheld is said in the run's document."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import strop
from strop.run.run import Run
from strop.tasks.qa import QuestionsAndAnswers
from tests.engines.loopback import serving
from tests.engines.scripted import Answer, Body, Scripted

pytest.importorskip("openai")

PROBLEMS = 3
SAMPLES = 4


@pytest.fixture
def task(tmp_path: Path) -> QuestionsAndAnswers:
    file = tmp_path / "sums.jsonl"
    rows = [{"question": f"2+{number}", "answer": str(2 + number)} for number in range(PROBLEMS)]
    file.write_text("\n".join(map(json.dumps, rows)))
    return QuestionsAndAnswers(data=str(file))


@contextmanager
def model_on(answer: Answer) -> Iterator[str]:
    """The name of a model on a server that answers so."""
    server = Scripted(answer)
    with serving(server):
        yield f"openai:m@{server.url}?retries=1&backoff=0.01"


def measure(model: str, task: QuestionsAndAnswers, out: Path, *verifiers: str) -> Run:
    return strop.gap(model, task, samples=SAMPLES, verifiers=verifiers, out=out)


def thinking_answer(body: Body, chat: bool) -> Body:
    """Think before each answer; greedy responses never come to an end of it."""
    text = "<think>or 99" if body["temperature"] == 0 else "<think>or 99</think>\n4"
    choices = []
    for index in range(body.get("n", 1)):
        message = {"role": "assistant", "content": text}
        choices.append({"index": index, "message": message, "finish_reason": "stop"})
    usage = {"prompt_tokens": 10, "completion_tokens": 5 * len(choices)}
    return {"choices": choices, "usage": usage}


@pytest.mark.filterwarnings("ignore:.*the same text")
def test_spans_of_thinking_are_told_by_a_run_and_by_a_resumed_one(
    task: QuestionsAndAnswers, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with model_on(thinking_answer) as model:
        whole = measure(model, task, out, "cot-binary")
        shutil.rmtree(out / "scores")
        resumed = measure(model, task, out, "cot-binary")
    responses = PROBLEMS * SAMPLES
    removed = f"removed from {responses + PROBLEMS} responses and {responses} checks"
    for run in (whole, resumed):
        document: dict[str, Any] = run.document
        assert [note for note in document["notes"] if removed in note]
        assert [note for note in document["notes"] if f"{PROBLEMS} responses ended inside" in note]
        usage = document["usage"]
        assert (usage["thoughts"], usage["unclosed"]) == (2 * responses + PROBLEMS, PROBLEMS)
        assert document["usage_by_stage"]["scores/cot-binary"]["thoughts"] == responses
        assert set(run.responses["text"]) == {"4"}
        assert set(run.greedy["finish"]) == {"length"}
    assert removed in resumed.report().read_text()
