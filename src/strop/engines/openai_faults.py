"""What a server of the OpenAI protocol did not deliver, counted and said in one line each."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from strop.engines.base import Generation
from strop.engines.openai_answers import Choice
from strop.engines.openai_probe import LLAMA_BUILD, Abilities
from strop.records import Sample, Sampling

MANY_UNKNOWN = 0.1
"""A larger share of unknown log-probabilities is said at the first part."""
FEWEST_GROUPS = 2
"""Equal responses to one prompt alone may be chance."""


class FaultLog:
    """Writes a warning about a server in one line, and each line once."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._said: set[str] = set()
        self._lock = Lock()

    def say(self, message: str) -> None:
        """Write the line, unless it was written before."""
        with self._lock:
            if message in self._said:
                return
            self._said.add(message)
        # As an explicit place, so that Python writes one line, without a line of this file.
        warnings.warn_explicit(f"{self._model}: {message}", UserWarning, "strop", 0)


def count_answerless(
    choices: Sequence[Choice], samples: Sequence[Sample], say: Callable[[str], None]
) -> tuple[int, int]:
    """Count the responses without text and the refusals, and say so when the first comes."""
    empty = 0
    refused = 0
    for choice, sample in zip(choices, samples, strict=True):
        if choice.refused:
            refused += 1
            say("the server refused to answer; the refusal is taken as the response's text")
        elif sample.text.strip():
            continue
        elif choice.reasons:
            empty += 1
            say(
                "the server answered with reasoning alone, and without content: such a "
                "response is empty; use a larger --max-tokens, or a server that does not put "
                "the answer into its reasoning"
            )
        else:
            empty += 1
            say("the server gave a response without any text; it is graded as it is")
    return empty, refused


def lacks_tokens(abilities: Abilities, choice: Choice, count: int | None, max_tokens: int) -> bool:
    """Return whether an answer may list fewer tokens than it has.

    llama.cpp lists the tokens that make up one character as a single one, with the log-probability
    of the last. The answer's own number of tokens shows it. That is known of a single answer
    (``count``) and of a truncated one; of one of several answers it is not.
    """
    tokens = choice.tokens or []
    if not LLAMA_BUILD.match(abilities.system) or all(token.text.isascii() for token in tokens):
        return False
    if choice.finish == "length":
        return len(tokens) < max_tokens
    return count != len(tokens)


def check_first_part(
    abilities: Abilities,
    generation: Generation,
    sampling: Sampling,
    per_request: int,
    say: Callable[[str], None],
) -> None:
    """Say, at the first part, what the probe has found and the responses do not have.

    ``per_request``: most samples of one request.
    """
    samples = [sample for drawn in generation.samples for sample in drawn]
    if not samples:
        return
    if abilities.logprobs:
        _check_logprobs(samples, say)
    if abilities.token_ids and all(sample.token_ids is None for sample in samples):
        say(
            "the server gave token ids when it was probed, but the first "
            f"{len(samples)} responses have none"
        )
    if not generation.usage.generated_tokens and any(sample.text for sample in samples):
        say(
            f"the server counts no generated tokens for the first {len(samples)} responses: "
            "token counts, and what follows from them (cost, FLOPs), are too low"
        )
    if sampling.temperature > 0 and generation.usage.refused < len(samples):
        _check_variety(generation.samples, sampling.temperature, per_request, say)


def _check_logprobs(samples: Sequence[Sample], say: Callable[[str], None]) -> None:
    whole = [sample for sample in samples if sample.finish != "length"] or samples
    unknown = sum(math.isnan(sample.logprob) for sample in whole)
    if unknown > MANY_UNKNOWN * len(whole):
        how_many = "all" if unknown == len(whole) else f"{unknown}"
        say(
            "the server gave log-probabilities when it was probed, but those of "
            f"{how_many} of the first {len(whole)} responses are unknown; verifiers and weights "
            "that need them leave such responses out"
        )


def _check_variety(
    drawn: Sequence[Sequence[Sample]],
    temperature: float,
    per_request: int,
    say: Callable[[str], None],
) -> None:
    """Say if all samples of a request are always the same text.

    Requests of one sample each are compared with the other requests for the same prompt.
    """
    groups = []
    for samples in drawn:
        size = per_request if per_request > 1 else len(samples)
        for start in range(0, len(samples), size):
            texts = [sample.text for sample in samples[start : start + size]]
            if len(texts) > 1:
                groups.append(texts)
    if len(groups) < FEWEST_GROUPS or any(len(set(texts)) > 1 for texts in groups):
        return
    if not any(text.strip() for texts in groups for text in texts):
        return  # empty responses are said elsewhere
    advice = ""
    if per_request > 1:
        advice = "; with ?n=1 behind the model's name, each response is a request of its own"
    largest = max(map(len, groups))
    say(
        f"all responses to a prompt are the same text, {len(groups)} times out of {len(groups)} "
        f"({largest} responses each, temperature {temperature:g}): the server returns one sample "
        f"again and again (a cache, or one seed for all{advice}), or the model is certain of "
        "every answer; there is nothing to choose among"
    )


def check_first_scores(
    logprobs_PC: NDArray[np.float64], continuations: Sequence[str], say: Callable[[str], None]
) -> None:
    """Say, at the first part, that the server's answers spell none of the given texts."""
    if logprobs_PC.size and np.isnan(logprobs_PC).all():
        options = ", ".join(map(repr, continuations))
        say(
            f"the server's likeliest tokens spell none of {options} after the first "
            f"{len(logprobs_PC)} prompts, so their log-probabilities are unknown; use a verifier "
            "that writes, such as cot-binary, or a larger ?top behind the model's name"
        )
