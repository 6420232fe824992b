"""Servers as they are: answers in the forms of llama.cpp, SGLang, vLLM and Ollama, and faulty ones.

The scripted server answers every request with what a test gives it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from strop.engines.base import Request
from strop.errors import ModelError
from strop.records import Message, Sampling
from tests.engines.scripted import Answer, Body, content, engine_on, llama_answer, token

pytest.importorskip("openai")

WARM = Sampling(0.7, 1.0, 48)
ASKED = (Message("user", "Question: 2+3\nAnswer:"),)


@pytest.mark.parametrize("chat", ["true", "false"])
def test_llama_cpp_gives_log_probabilities_and_counts(chat: str) -> None:
    with engine_on(llama_answer, f"&chat={chat}") as (engine, server):
        engine.sample([], WARM)  # takes the cost of probing
        generation = engine.sample([Request(ASKED, (1, 2, 3, 4))], WARM)
    [samples] = generation.samples
    assert [sample.logprob for sample in samples] == [-0.75] * 4
    assert [sample.tokens for sample in samples] == [2] * 4
    assert generation.usage.generated_tokens == 8
    last = server.bodies[-1]
    off = {"top_k": -1, "min_p": 0, "repeat_penalty": 1, "typical_p": 1, "top_n_sigma": -1}
    off |= {"xtc_probability": 0, "dry_multiplier": 0, "dynatemp_range": 0, "mirostat": 0}
    assert {name: last[name] for name in off} == off and last["n"] == 4


@pytest.mark.parametrize(("seeds", "count", "known"), [(1, 2, True), (1, 4, False), (2, 2, False)])
def test_tokens_that_llama_cpp_lists_as_one_leave_the_log_probability_unknown(
    seeds: int, count: int, known: bool
) -> None:
    """A character of three tokens is listed as one; of several answers, the number is not known."""

    def answer(body: Body, chat: bool) -> Body:
        document = llama_answer(body, chat)
        if body["temperature"] == WARM.temperature:
            document["usage"]["completion_tokens"] = count
            for choice in document["choices"]:
                choice["message"]["content"] = "\u2009"
                choice["logprobs"]["content"][0] |= token("\u2009", -0.5)
        return document

    with engine_on(answer, "&chat=true") as (engine, _), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so many unknown ones are said; see the next tests
        [samples] = engine.sample([Request(ASKED, tuple(range(seeds)))], WARM).samples
    for sample in samples:
        assert math.isfinite(sample.logprob) == known
        assert sample.tokens == (count if seeds == 1 else None)


def test_a_usage_of_one_child_is_not_trusted_where_answers_list_no_tokens() -> None:
    def answer(body: Body, chat: bool) -> Body:
        document = llama_answer(body, chat)
        for choice in document["choices"]:
            choice["logprobs"] = None
        document["usage"]["completion_tokens"] = min(2, body["max_tokens"])
        return document

    with engine_on(answer) as (engine, server):
        engine.sample([], WARM)
        generation = engine.sample([Request(ASKED, (1, 2, 3))], WARM)
    assert [sample.tokens for sample in generation.samples[0]] == [2, 2, 2]
    assert generation.usage.generated_tokens == 6 and server.bodies[-1]["n"] == 1


def test_sglang_names_the_string_that_stopped_an_answer() -> None:
    def answer(body: Body, chat: bool) -> Body:
        document = llama_answer(body, chat)
        for choice in document["choices"]:
            choice["matched_stop"] = "\n" if body.get("stop") else 2
        return document

    with engine_on(answer) as (engine, _):
        finishes = []
        for stop in ((), ("\n",)):
            sampling = Sampling(0.7, 1.0, 48, stop)
            [[sample]] = engine.sample([Request(ASKED, (1,))], sampling).samples
            finishes.append(sample.finish)
    assert finishes == ["end", "stop"]


def test_ollama_is_not_said_to_have_switched_its_samplers_off() -> None:
    def answer(body: Body, chat: bool) -> Body:
        return llama_answer(body, chat) | {"system_fingerprint": "fp_ollama"}

    with pytest.warns(UserWarning, match="set PARAMETER top_k 0"), engine_on(answer) as (engine, _):
        assert engine.describe()["top_k"] == "not known to the server"


def message_answer(finish: str = "stop", **message: Any) -> Answer:
    def answer(body: Body, chat: bool) -> Body:
        choice = {"message": {"role": "assistant", **message}, "finish_reason": finish}
        choices = [choice | {"index": index} for index in range(body.get("n", 1))]
        usage = {"prompt_tokens": 10, "completion_tokens": 5 * len(choices)}
        return {"choices": choices, "usage": usage}

    return answer


@pytest.mark.parametrize(
    ("answer", "text", "finish", "empty", "refused", "line"),
    [
        (message_answer(content=None, reasoning_content="So 5"), "", "end", 2, 0, "reasoning"),
        (message_answer("length", content=None, reasoning="So"), "", "length", 2, 0, "reasoning"),
        (message_answer(content=None, refusal="I cannot."), "I cannot.", "end", 0, 2, "refused"),
        (message_answer(content=""), "", "end", 2, 0, "without any text"),
        (message_answer(content=None), "", "end", 2, 0, "without any text"),
    ],
)
def test_answers_without_text_are_counted_and_said(
    answer: Answer, text: str, finish: str, empty: int, refused: int, line: str
) -> None:
    with engine_on(answer) as (engine, _), pytest.warns(UserWarning, match=line) as warned:
        generation = engine.sample([Request(ASKED, (1, 2))], WARM)
        engine.sample([Request(ASKED, (3, 4))], WARM)
    [samples] = generation.samples
    assert {(sample.text, sample.finish) for sample in samples} == {(text, finish)}
    assert (generation.usage.empty, generation.usage.refused) == (empty, refused)
    assert len(warned) == 1 and "\n" not in str(warned[0].message)


def test_a_span_of_thinking_in_the_content_is_removed() -> None:
    with engine_on(message_answer(content="<think>99</think>\nSo 5")) as (engine, _):
        generation = engine.draw([Request(ASKED, (1, 2))], WARM)
    assert [sample.text for sample in generation.samples[0]] == ["So 5"] * 2
    assert (generation.usage.thoughts, generation.usage.unclosed) == (2, 0)


def late(spoil: Callable[[Body], None]) -> Answer:
    """Return answers that are right while the server is probed, and spoilt in a run."""

    def answer(body: Body, chat: bool) -> Body:
        document = llama_answer(body, chat)
        if body["temperature"] == WARM.temperature:
            spoil(document)
        return document

    return answer


def with_logprob(value: Any) -> Callable[[Body], None]:
    def spoil(document: Body) -> None:
        for choice in document["choices"]:
            choice["logprobs"] = {"content": content((-0.5, value))}

    return spoil


def without_logprobs(document: Body) -> None:
    for choice in document["choices"]:
        choice["logprobs"] = None


def with_other_tokens(document: Body) -> None:
    for choice in document["choices"]:
        choice["message"]["content"] = " 7"


@pytest.mark.parametrize(
    "spoil",
    [
        *map(with_logprob, (None, math.nan, -math.inf, -9999.0)),
        without_logprobs,
        with_other_tokens,
    ],
)
def test_unknown_log_probabilities_are_said_at_the_first_part(
    spoil: Callable[[Body], None],
) -> None:
    with engine_on(late(spoil)) as (engine, _):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            generation = engine.sample([Request(ASKED, (1, 2))], WARM)
        assert "those of all of the first 2 responses are unknown" in str(warned[-1].message)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            engine.sample([Request(ASKED, (3, 4))], WARM)
    assert all(math.isnan(sample.logprob) for sample in generation.samples[0])


def with_usage(**usage: Any) -> Callable[[Body], None]:
    return lambda document: document["usage"].update(usage)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (with_logprob(0.7), "a log-probability of 0.7"),
        (with_usage(prompt_tokens=-(10**9)), "token counts that cannot be true"),
        (with_usage(completion_tokens=3_000_000_000), "token counts that cannot be true"),
        (with_usage(prompt_tokens=10**30), "token counts that cannot be true"),
        (with_usage(prompt_tokens=math.inf), "no token counts"),
        (lambda document: document["choices"][0].update(index=math.inf), "OverflowError"),
        (lambda document: document["choices"][0].update(token_ids=[2**40]), "token ids"),
        (lambda document: document["choices"][0].update(finish_reason="abort"), "'abort'"),
    ],
)
def test_impossible_answers_are_failed_attempts(spoil: Callable[[Body], None], line: str) -> None:
    with engine_on(late(spoil)) as (engine, _), pytest.raises(ModelError, match=line) as error:
        engine.sample([Request(ASKED, (1,))], WARM)
    assert "\n" not in str(error.value)


def test_lone_surrogates_are_replaced_in_answers_and_prompts() -> None:
    with engine_on(message_answer(content="12\ud800 \ud83d\ude00")) as (engine, _):
        [[sample]] = engine.sample([Request((Message("user", "a\ud800"),), (1,))], WARM).samples
    assert sample.text == "12\ufffd \U0001f600"
