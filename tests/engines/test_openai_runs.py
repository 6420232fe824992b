"""Whole runs on scripted servers: what a server did or withheld is said in the run's document."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import strop
from strop.errors import ModelError
from strop.run.run import Run
from strop.tasks.qa import QuestionsAndAnswers
from tests.engines.loopback import serving
from tests.engines.scripted import Answer, Body, Scripted, llama_answer

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


def answer_with(
    message_of: Callable[[Body, int], Body], finish: str = "stop", usage: int = 5
) -> Answer:
    """Answer chats with a message for each request and index, without log-probabilities."""

    def answer(body: Body, chat: bool) -> Body:
        choices = []
        for index in range(body.get("n", 1)):
            message = {"role": "assistant"} | message_of(body, index)
            choices.append({"index": index, "message": message, "finish_reason": finish})
        counts = {"prompt_tokens": 10, "completion_tokens": usage * len(choices)}
        return {"choices": choices, "usage": counts}

    return answer


def think(body: Body, index: int) -> Body:
    """Think before each answer; greedy responses never come to an end of it."""
    is_greedy = body["temperature"] == 0
    return {"content": "<think>or 99" if is_greedy else "<think>or 99</think>\n4"}


@pytest.mark.filterwarnings("ignore:.*the same text")
def test_spans_of_thinking_are_told_by_a_run_and_by_a_resumed_one(
    task: QuestionsAndAnswers, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with model_on(answer_with(think)) as model:
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


def by_seed(body: Body, index: int) -> Body:
    """The same answer for all samples of a request, as from a server with one seed for all."""
    return {"content": str(body["seed"] % 1_000)}


def test_identical_samples_are_no_verdict(task: QuestionsAndAnswers, tmp_path: Path) -> None:
    with model_on(answer_with(by_seed)) as model:
        with pytest.warns(UserWarning, match="nothing to choose among") as warned:
            document = measure(model, task, tmp_path / "run", "cot-binary").document
        alone = measure(f"{model}&n=1", task, tmp_path / "alone", "cot-binary")
    assert len(warned) == 1
    assert "3 times out of 3 (4 responses each, temperature 0.7)" in str(warned[0].message)
    verdict = document["verdict"]
    assert (verdict["train"], verdict["situation"]) == ("unclear", "identical")
    assert "probability_worth" not in verdict
    assert [note for note in document["notes"] if "the same text at temperature 0.7" in note]
    assert f"--model '{model}&n=1'" in verdict["next"]
    assert "--samples 4" in verdict["next"]
    assert alone.document["verdict"]["situation"] != "identical"
    assert not [note for note in alone.notes if "the same text" in note]


@pytest.mark.parametrize(
    ("message", "finish", "field", "words"),
    [
        ({"content": None, "reasoning_content": "So 5"}, "stop", "empty", "have no text"),
        ({"content": None, "reasoning": "So 5"}, "length", "empty", "have no text"),
        ({"content": None, "refusal": "I cannot."}, "stop", "refused", "refused to give 100%"),
        ({"content": "<think>So 5"}, "length", "unclosed", "while the model was still thinking"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(reasoning|refused|the same text)")
def test_responses_that_are_no_answers_are_counted_and_no_verdict(
    message: Body, finish: str, field: str, words: str, task: QuestionsAndAnswers, tmp_path: Path
) -> None:
    with model_on(answer_with(lambda body, index: message, finish)) as model:
        document = measure(model, task, tmp_path / "run", "cot-binary").document
    responses = PROBLEMS * SAMPLES
    assert document["usage_by_stage"]["responses"][field] == responses
    counted = f"{responses + PROBLEMS} responses and {responses} checks"
    assert [note for note in document["notes"] if counted in note]
    is_empty = field != "refused"
    assert bool([note for note in document["notes"] if "the same text" in note]) != is_empty
    verdict = document["verdict"]
    assert verdict["train"] == "unclear"
    assert words in verdict["why"]
    assert "probability_worth" not in verdict
    assert ("--max-tokens" in verdict["next"]) == (field != "refused")


def test_a_few_empty_responses_are_counted_alone(task: QuestionsAndAnswers, tmp_path: Path) -> None:
    def message(body: Body, index: int) -> Body:
        return {"content": str(index) if index else ""}

    line = "without any text"
    with model_on(answer_with(message)) as model, pytest.warns(UserWarning, match=line):
        document = measure(model, task, tmp_path / "run", "cot-binary").document
    assert document["usage_by_stage"]["responses"]["empty"] == PROBLEMS
    assert document["verdict"]["situation"] not in ("empty", "identical")


@pytest.mark.parametrize("value", [None, -9999.0, math.nan])
@pytest.mark.filterwarnings("ignore:.*(log-probabilities|same text)")
def test_unknown_log_probabilities_are_left_out_and_counted(
    value: float | None, task: QuestionsAndAnswers, tmp_path: Path
) -> None:
    def answer(body: Body, chat: bool) -> Body:
        document = llama_answer(body, chat)
        for choice in document["choices"]:
            if choice["logprobs"]:
                choice["logprobs"]["content"][1]["logprob"] = value
        return document

    with model_on(answer) as model:
        document = measure(model, task, tmp_path / "run", "logprob").document
    assert document["verifiers"]["logprob"]["left_out"] == PROBLEMS * SAMPLES
    assert document["verifiers"]["logprob"]["gap"]["value"] is None
    line = f"the log-probability of {PROBLEMS * SAMPLES} of {PROBLEMS * SAMPLES} responses is not"
    assert [note for note in document["notes"] if line in note]


# --- what a run does not deliver is said at its first part ---


def test_a_server_that_counts_nothing_is_said(task: QuestionsAndAnswers, tmp_path: Path) -> None:
    line = "counts no generated tokens for the first 12"
    with model_on(answer_with(by_seed, usage=0)) as model, pytest.warns(UserWarning, match=line):
        measure(model, task, tmp_path / "run", "cot-binary")


def test_options_that_no_likely_token_spells_are_said(
    task: QuestionsAndAnswers, tmp_path: Path
) -> None:
    with model_on(llama_answer) as model, pytest.warns(UserWarning) as warned:
        document = measure(model, task, tmp_path / "run", "mc").document
    lines = [str(warning.message) for warning in warned]
    assert [line for line in lines if "likeliest tokens spell none of ' Correct', ' Inc" in line]
    assert document["verifiers"]["mc"]["unparsed"] == PROBLEMS * SAMPLES


def test_a_server_without_usage_is_one_line_soon(task: QuestionsAndAnswers, tmp_path: Path) -> None:
    asked = []

    def answer(body: Body, chat: bool) -> Body:
        asked.append(body)
        return llama_answer(body, chat) | {"usage": None}

    with model_on(answer) as model:
        model = model.replace("retries=1", "retries=8")
        with pytest.raises(ModelError, match=r"no token counts \(usage\).* 3 times") as error:
            measure(model, task, tmp_path / "run", "mc")
    assert len(asked) == 3
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_an_error_behind_status_200_is_shown(task: QuestionsAndAnswers, tmp_path: Path) -> None:
    line = r"the error 'over\\nloaded'"
    error = {"error": {"message": "over\nloaded"}}
    with model_on(lambda body, chat: error) as model, pytest.raises(ModelError, match=line):
        measure(model, task, tmp_path / "run", "mc")
