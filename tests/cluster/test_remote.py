"""A model as the driver sees it, on a worker in this process."""

from __future__ import annotations

from pathlib import Path

from strop.cluster.remote import RemoteEngine
from strop.cluster.worker import Model, Worker
from strop.engines import load_engine
from strop.records import Message


def test_prompts_are_those_of_the_workers_engine() -> None:
    worker, model = Worker(str(Path.cwd())), Model("ladder/25k")
    remote = RemoteEngine(model, worker.card(model), worker.call)
    engine = load_engine(model.name)
    prompt = (Message("user", "Question: 1+2\nAnswer:"),)
    assert remote.render(prompt) == engine.render(prompt)
    assert remote.prompt_tokens(prompt) == engine.prompt_tokens(prompt) != ()
    assert remote.count_tokens(prompt) == engine.count_tokens(prompt)
