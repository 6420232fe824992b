"""Who answers?

An engine draws responses and scores given texts. It renders a prompt itself, as plain text or through a chat template, so that no
other room knows about tokens. This room imports neither polars nor torch: each engine brings what it needs in its own file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strop.errors import UsageError
from strop.records import Prompt, Sample, Sampling, Usage


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt, and one seed for each sample wanted. A sample depends on its prompt and seed, not on its neighbours."""

    prompt: Prompt
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Generation:
    """``samples[i][j]`` answers ``requests[i]`` with its seed j."""

    samples: list[list[Sample]]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Scored:
    """``logprobs_PC[i, c]``: log-probability (nats, temperature 1) of all tokens of continuation c after prompt i, no end token."""

    logprobs_PC: NDArray[np.float64]
    usage: Usage


class Engine(ABC):
    """A loaded model. ``counts_end_token``: the log-probability of a sample includes the token that ended it, as no server must."""

    counts_end_token: bool = True
    worker_threads: ClassVar[bool] = False
    """Whether several threads may call the engine at once, and gain by it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The model's name as the user gave it."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of parameters that a forward pass uses; 0 where unknown."""

    @property
    def attention_width(self) -> int:
        """Layers x query heads x head size, for the FLOPs of attention; 0 where there is none or it is unknown."""
        return 0

    @abstractmethod
    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw one response per seed of each request."""

    @abstractmethod
    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        """Log-probability of every continuation after every prompt, by whole token sequences."""

    @abstractmethod
    def render(self, prompt: Prompt) -> str:
        """The text that the model is given, exactly as it is sent."""

    @abstractmethod
    def count_tokens(self, prompt: Prompt) -> int:
        """Tokens of the rendered prompt, as the engine feeds it."""

    @property
    def context(self) -> int | None:
        """How many tokens prompt and response may have together; None where there is no limit or none is known."""
        return None

    def cancel(self) -> None:
        """Ask for nothing more in the calls under way, which then fail: the run is broken off, and what they bring cannot be kept."""
        return

    @property
    def lacks(self) -> Mapping[str, str]:
        """What of "logprob" (of samples) and "score" (of given texts) the model cannot tell, each with the reason."""
        return {}

    def cost(self, prompt_tokens: int, generated_tokens: int) -> float:
        """Dollars that so many tokens cost; 0 where there is no price."""
        return 0.0

    def reads(self, samples: int) -> int:
        """How often a prompt is read, and paid for, to draw so many samples."""
        return 1

    @property
    def fingerprint(self) -> str:
        """What tells these weights from others of the same name, where the engine knows it: a run never goes on with other weights."""
        return ""

    def forward_flops(self, start: int, stop: int) -> float:
        """FLOPs of a forward pass over the tokens at places ``start`` up to ``stop`` of a sequence, those before being cached.

        2 per parameter and token; for attention, 4 per unit of its width and each of the place + 1 tokens that a token attends to.
        """
        attended = (stop * (stop + 1) - start * (start + 1)) // 2
        return 2.0 * self.parameters * (stop - start) + 4.0 * self.attention_width * attended

    def response_flops(self, prompt_tokens: int, tokens: int) -> float:
        """FLOPs of drawing or scoring ``tokens`` tokens after a cached prompt: the last one is never run through the model."""
        return self.forward_flops(prompt_tokens, prompt_tokens + max(0, tokens - 1))

    def describe(self) -> dict[str, str | int | float]:
        """What the run record says of the model; overridden where more is known."""
        return {"model": self.name, "engine": type(self).__name__, "parameters": self.parameters}


def training_flops(parameters: float, tokens: float) -> float:
    """FLOPs of training on ``tokens`` tokens: 6 per parameter and token, forward and backward pass without attention's own products."""
    return 6 * parameters * tokens


def check_room(engine: Engine, prompt_tokens: int, new_tokens: int) -> None:
    """UsageError where a prompt and what may follow it do not fit into the engine's context."""
    if engine.context is not None and prompt_tokens + new_tokens > engine.context:
        raise UsageError(
            f"{engine.name}: a prompt of {prompt_tokens} tokens and {new_tokens} new ones exceed the model's {engine.context} "
            "positions; use fewer shots or a smaller --max-tokens"
        )


def plain_text(prompt: Prompt) -> str:
    """The prompt as a base model reads it: turns run on, a blank line after each example."""
    return "".join(turn.content + ("\n\n" if turn.role == "assistant" else "") for turn in prompt)


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop string in it, and whether there was one."""
    places = [place for place in (text.find(string) for string in stop) if place >= 0]
    return (text[: min(places)], True) if places else (text, False)
