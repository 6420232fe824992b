"""A server of the OpenAI protocol that answers every request with what a test gives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from strop.engines import load_engine
from strop.engines.openai import OpenAIEngine
from tests.engines.loopback import Handler, Quiet, serving

Body = dict[str, Any]
Answer = Callable[[Body, bool], Body]
"""A function of a request, and whether it is a chat."""


class Script(Handler):
    def do_GET(self) -> None:
        self.reply(200, {"data": [{"id": "m"}]})

    def do_POST(self) -> None:
        body = json.loads(self.body())
        self.server.bodies.append(body)
        self.reply(200, self.server.answer(body, "/chat/" in self.path))


class Scripted(Quiet):
    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Script)
        self.answer = answer
        self.bodies: list[Body] = []


@contextmanager
def engine_on(answer: Answer, settings: str = "") -> Iterator[tuple[OpenAIEngine, Scripted]]:
    server = Scripted(answer)
    with serving(server):
        engine = load_engine(f"openai:m@{server.url}?retries=1&backoff=0.01{settings}")
        assert isinstance(engine, OpenAIEngine)
        yield engine, server


def token(text: str, logprob: Any) -> Body:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def content(logprobs: tuple[Any, ...] = (-0.5, -0.25)) -> list[Body]:
    entries = []
    for text, logprob in zip((" 5", ""), logprobs, strict=True):
        top = [token(text, -0.5), token(" 6", -1.5)]
        entries.append(token(text, logprob) | {"top_logprobs": top})
    return entries


def llama_answer(body: Body, chat: bool) -> Body:
    """Answer as llama.cpp does: log-probs in chat form, as many as asked; usage of one child."""
    wanted = body.get("top_logprobs", 0) if chat else body.get("logprobs", 0)
    choices = []
    for index in range(body.get("n", 1)):
        text: Body = {"message": {"role": "assistant", "content": " 5"}} if chat else {"text": " 5"}
        choice = text | {"index": index, "finish_reason": "stop", "logprobs": None}
        if wanted:
            choice["logprobs"] = {"content": content()}
        choices.append(choice)
    return {
        "choices": choices,
        "usage": {"prompt_tokens": 10, "completion_tokens": 2},
        "system_fingerprint": "b4567-abc",
    }
