"""Engine interface: draw responses to prompts and score given texts.

An engine renders a prompt itself, as plain text or through a chat template, so that no other room
knows about tokens. This room imports neither polars nor torch: each engine imports what it needs in
its own file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from strop.engines.thinking import MARK, remove_thinking
from strop.errors import UsageError
from strop.records import Finish, Prompt, Sample, Sampling, Usage

_WORD = "answer"


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt, and one seed for each sample to draw.

    A sample depends on its prompt and its seed, not on the other samples of a call.
    """

    prompt: Prompt
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Generation:
    """``samples[i][j]`` answers ``requests[i]`` with its seed j."""

    samples: list[list[Sample]]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Scored:
    """``logprobs_PC[i, c]``: log-probability of continuation c after prompt i.

    In nats, at temperature 1, summed over all tokens of the continuation, without an end token.
    """

    logprobs_PC: NDArray[np.float64]
    usage: Usage


class Engine(ABC):
    """A loaded model."""

    counts_end_token: bool = True
    """The log-probability of a sample includes the token that ended it. Some servers omit it."""
    thinking: str = MARK
    """Name of the marks around a span of thinking, <think>...</think>; "" keeps such spans."""
    batch_rows: int = 256
    """About how many samples it draws at once, for estimates of time."""
    least_rows: int = 1024
    """Fewer rows at once would make it slower. A run's parts are not made smaller than that."""
    flops_per_second: float = 1e13
    """A rough speed, by which a run's parts are made to last a minute."""
    shares_prefix: bool = False
    """What the prompts of a call have in common at their beginning is run once."""
    worker_threads: ClassVar[bool] = False
    """Several threads may call the engine at once, and doing so is faster."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The model's name as the user gave it."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of parameters that a forward pass uses; 0 if unknown."""

    @property
    def attention_width(self) -> int:
        """Layers x query heads x head size, for the FLOPs of attention; 0 if none or unknown."""
        return 0

    @abstractmethod
    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw one response per seed of each request."""

    def draw(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw like ``sample``, without spans of thinking in the texts (see ``thinking.py``)."""
        generation = self.sample(requests, sampling)
        if not self.thinking:
            return generation
        thoughts = 0
        unclosed = 0
        answers: list[list[Sample]] = []
        for request, samples in zip(requests, generation.samples, strict=True):
            # Some chat templates open the span themselves, at the end of the prompt.
            rendered = self.render(request.prompt).rstrip() if samples else ""
            is_open = rendered.endswith(f"<{self.thinking}>")
            row = []
            for sample in samples:
                answer = remove_thinking(sample.text, self.thinking, is_open)
                thoughts += bool(answer.thoughts)
                unclosed += answer.is_open
                finish: Finish = "length" if answer.is_open else sample.finish
                row.append(replace(sample, text=answer.text, finish=finish))
            answers.append(row)
        usage = replace(generation.usage, thoughts=thoughts, unclosed=unclosed)
        return Generation(answers, usage)

    @abstractmethod
    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        """Return the log-probability of every continuation after every prompt.

        A prompt may be open (see ``is_open``): the continuation then goes on from its last words.
        """

    @abstractmethod
    def render(self, prompt: Prompt) -> str:
        """Return the text that the model receives, exactly as it is sent."""

    @abstractmethod
    def count_tokens(self, prompt: Prompt) -> int:
        """Return the number of tokens of the rendered prompt."""

    def prompt_tokens(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the tokens that the model receives, exactly; empty if the engine cannot tell.

        Training reads them: the rendered text alone does not say which tokens were sent.
        """
        return ()

    @property
    def context(self) -> int | None:
        """Most tokens of a prompt and its response together; None if unlimited or unknown."""
        return None

    def cancel(self) -> None:
        """Stop the calls in progress; they raise. Used when a run is interrupted."""
        return

    @property
    def lacks(self) -> Mapping[str, str]:
        """Missing abilities with their reasons.

        The keys are "logprob" (log-probabilities of samples), "score" (of given texts) and
        "continue" (of texts that go on from words of the assistant).
        """
        return {}

    def cost(self, prompt_tokens: int, generated_tokens: int) -> float:
        """Return the price of these tokens in dollars; 0 for a model without a price."""
        return 0.0

    def reads(self, samples: int) -> int:
        """Number of prompt reads billed for ``samples`` samples."""
        return 1

    @property
    def fingerprint(self) -> str:
        """Digest of the weights, "" if unknown: a run refuses to continue with other weights."""
        return ""

    def forward_flops(self, start: int, stop: int) -> float:
        """Return the FLOPs of a forward pass over the tokens ``start`` to ``stop`` of a sequence.

        The tokens before ``start`` are cached. A token costs 2 FLOPs per parameter. For attention,
        the token at index i attends to i + 1 tokens, at 4 FLOPs each per unit of attention width.
        """
        attended = (stop * (stop + 1) - start * (start + 1)) // 2
        return 2.0 * self.parameters * (stop - start) + 4.0 * self.attention_width * attended

    def response_flops(self, prompt_tokens: int, tokens: int) -> float:
        """Return the FLOPs of drawing or scoring ``tokens`` tokens after a cached prompt.

        The last token is never run through the model.
        """
        return self.forward_flops(prompt_tokens, prompt_tokens + max(0, tokens - 1))

    def describe(self) -> dict[str, str | int | float]:
        """Return what the run record stores about the model; engines that know more override it."""
        return {"model": self.name, "engine": type(self).__name__, "parameters": self.parameters}


def training_flops(parameters: float, tokens: float) -> float:
    """Return the FLOPs of training on ``tokens`` tokens: 6 per parameter and token.

    This counts the forward and the backward pass, without the products of attention itself.
    """
    return 6 * parameters * tokens


def check_room(
    engine: Engine, prompt_tokens: int, new_tokens: int, option: str = "--max-tokens"
) -> None:
    """Raise UsageError if a prompt and its new tokens exceed the engine's context.

    ``option`` bounds the new tokens.
    """
    if engine.context is not None and prompt_tokens + new_tokens > engine.context:
        raise UsageError(
            f"{engine.name}: a prompt of {prompt_tokens} tokens and {new_tokens} new ones exceed "
            f"the model's {engine.context} positions; use fewer shots or a smaller {option}"
        )


def is_open(prompt: Prompt) -> bool:
    """Return whether the prompt ends in words of the assistant, which the model then goes on from.

    An open prompt is scored, not sampled from: see ``Engine.score``.
    """
    return bool(prompt) and prompt[-1].role == "assistant"


def plain_text(prompt: Prompt) -> str:
    """Return the prompt for a base model: the turns joined, a blank line after each example."""
    text = "".join(turn.content + ("\n\n" if turn.role == "assistant" else "") for turn in prompt)
    return text.removesuffix("\n\n") if is_open(prompt) else text


def leading_tokens(tokenizer: Any) -> tuple[int, ...]:
    """Return the tokens that a tokenizer of transformers puts before every text, such as a BOS."""
    bare = list(tokenizer(_WORD, add_special_tokens=False)["input_ids"])
    whole = list(tokenizer(_WORD)["input_ids"])
    for start in range(len(whole) - len(bare) + 1):
        if whole[start : start + len(bare)] == bare:
            return tuple(whole[:start])
    return ()


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    """Return the text before its first stop string, and whether it contains one."""
    starts = [text.find(string) for string in stop]
    starts = [start for start in starts if start >= 0]
    if not starts:
        return text, False
    return text[: min(starts)], True
