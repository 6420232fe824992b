"""A model as the driver of a cluster sees it: a name; a worker makes every call to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strop.cluster.worker import Card, Model
from strop.engines import Engine, Generation, Request, Scored
from strop.records import Prompt, Sampling


class RemoteEngine(Engine):
    """``call(model, method, *arguments)`` calls a method of the engine in a worker."""

    def __init__(self, model: Model, card: Card, call: Callable[..., Any]) -> None:
        self.model = model
        self.card = card
        self._call = call
        # In other engines these are constants of the class; here they depend on the model.
        self.counts_end_token = card.counts_end_token
        self.worker_threads = card.worker_threads  # type: ignore[misc]

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
        generation: Generation = self._call(self.model, "sample", requests, sampling)
        return generation

    def draw(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw in the worker, whose engine knows the marks of thinking."""
        generation: Generation = self._call(self.model, "draw", requests, sampling)
        return generation

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        scored: Scored = self._call(self.model, "score", prompts, continuations)
        return scored

    def render(self, prompt: Prompt) -> str:
        return str(self._call(self.model, "render", prompt))

    def count_tokens(self, prompt: Prompt) -> int:
        return int(self._call(self.model, "count_tokens", prompt))

    def prompt_tokens(self, prompt: Prompt) -> tuple[int, ...]:
        return tuple(self._call(self.model, "prompt_tokens", prompt))
