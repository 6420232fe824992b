"""A model as the driver of a cluster sees it: by its name; what it is asked, a worker answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strop.cluster.worker import Card, Model
from strop.engines import Engine, Generation, Request, Scored
from strop.records import Prompt, Sampling


class RemoteEngine(Engine):
    """``ask`` puts a question, a method's name with its arguments, to a worker that holds the model."""

    def __init__(self, model: Model, card: Card, ask: Callable[..., Any]) -> None:
        self.model, self.card, self._ask = model, card, ask
        # Constants of other engines' classes; this one speaks for any of them.
        self.counts_end_token, self.worker_threads = card.counts_end_token, card.worker_threads  # type: ignore[misc]

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def parameters(self) -> int:
        return self.card.parameters

    @property
    def context(self) -> int | None:
        return self.card.context

    @property
    def fingerprint(self) -> str:
        return self.card.fingerprint

    @property
    def lacks(self) -> Mapping[str, str]:
        return self.card.lacks

    def describe(self) -> dict[str, str | int | float]:
        return self.card.description

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        answer: Generation = self._ask(self.model, "sample", requests, sampling)
        return answer

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        answer: Scored = self._ask(self.model, "score", prompts, continuations)
        return answer

    def render(self, prompt: Prompt) -> str:
        return str(self._ask(self.model, "render", prompt))

    def count_tokens(self, prompt: Prompt) -> int:
        return int(self._ask(self.model, "count_tokens", prompt))
