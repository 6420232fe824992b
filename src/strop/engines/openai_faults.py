"""What a server of the OpenAI protocol did not deliver, counted and said in one line each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from strop.engines.openai_answers import Choice
from strop.engines.openai_probe import Abilities
from strop.records import Sample


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


def check_promises(
    abilities: Abilities, samples: Sequence[Sample], say: Callable[[str], None]
) -> None:
    """Say, at the first part, what the probe has found and the responses do not have."""
    whole = [sample for sample in samples if sample.finish != "length"] or samples
    if abilities.logprobs and all(math.isnan(sample.logprob) for sample in whole):
        say(
            f"the server gave log-probabilities when it was probed, but none of the first "
            f"{len(whole)} responses has a known one; verifiers and weights that need them "
            "will have nothing"
        )
    if abilities.token_ids and all(sample.token_ids is None for sample in samples):
        say(
            "the server gave token ids when it was probed, but the first "
            f"{len(samples)} responses have none"
        )
