"""Rows as tokens: examples for the data set, and padded batches of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from strop.distill.losses import IGNORED
from strop.distill.rows import Row
from strop.engines.base import leading_tokens
from strop.errors import UsageError


class Example(TypedDict):
    """A row as the data set holds it.

    ``number``: its weight, or its difference of rewards (``Trainer.numbers``). ``base``: the base
    model's log-probability of each response, empty if the loss reads none.
    """

    prompt: list[int]
    responses: list[list[int]]
    number: float
    base: list[float]


def encode(
    rows: Sequence[Row], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> list[Example]:
    """Return the rows as tokens: those that the engine sent, where a row has them.

    UsageError for a prompt without tokens, and for tokens that the model does not have.
    """
    # The same prompt stands in many rows: tokenize it once.
    texts = dict.fromkeys(row.prompt for row in rows if not row.prompt_ids)
    tokens_of_text = _tokenize(list(texts), tokenizer)
    vocabulary = model.get_input_embeddings().num_embeddings
    examples = []
    for row in rows:
        prompt = row.prompt_ids or tokens_of_text[row.prompt]
        if not prompt:
            raise UsageError(
                f"problem {row.problem}: the prompt has no tokens; expected at least one"
            )
        _check_tokens(row, vocabulary)
        examples.append(_example(row, prompt))
    return examples


def _tokenize(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> dict[str, Sequence[int]]:
    """Return the tokens of prompts that came without them, as the engines send such a prompt.

    A chat template has written the special tokens into the prompt; plain text has none yet. An end
    token that the tokenizer puts behind a text is left out: the response follows.
    """
    if not texts:
        return {}
    has_template = bool(getattr(tokenizer, "chat_template", None))
    leading = () if has_template else leading_tokens(tokenizer)
    input_ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return {text: [*leading, *ids] for text, ids in zip(texts, input_ids, strict=True)}


def _example(row: Row, prompt: Sequence[int]) -> Example:
    responses = [list(response) for response in row.responses]
    return Example(prompt=list(prompt), responses=responses, number=0.0, base=[])


def _check_tokens(row: Row, vocabulary: int) -> None:
    for response in row.responses:
        for token in response:
            if not 0 <= token < vocabulary:
                raise UsageError(
                    f"problem {row.problem}: a response has token {token}, and the model's "
                    f"vocabulary ends at {vocabulary - 1}; the rows were sampled from another model"
                )


def length(example: Example) -> int:
    """Return the tokens of the prompt and of the longest response."""
    return len(example["prompt"]) + max(map(len, example["responses"]))


def sequences(examples: Sequence[Example], pad: int) -> dict[str, Tensor]:
    """Return prompts with their responses, padded on the right.

    The first responses of all rows come first, then the second ones. Labels are IGNORED on prompts
    and padding.
    """
    input_ids, attention_mask, labels = [], [], []
    for index in range(len(examples[0]["responses"])):
        for example in examples:
            prompt, response = example["prompt"], example["responses"][index]
            input_ids.append(prompt + response)
            attention_mask.append([1] * (len(prompt) + len(response)))
            labels.append([IGNORED] * len(prompt) + response)
    return {
        "input_ids": _padded(input_ids, pad),
        "attention_mask": _padded(attention_mask, 0),
        "labels": _padded(labels, IGNORED),
    }


def collator(
    tokenizer: PreTrainedTokenizerBase,
) -> Callable[[list[Example]], dict[str, Tensor]]:
    """Return a function that makes a batch: ``sequences``, numbers, base log-probabilities."""

    def collate(examples: list[Example]) -> dict[str, Tensor]:
        batch = sequences(examples, pad_token(tokenizer))
        batch["number"] = Tensor([example["number"] for example in examples])
        batch["base"] = Tensor([example["base"] for example in examples]).T
        return batch

    return collate


def pad_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the padding token; padding is masked, so any token will do if there is none."""
    return int(tokenizer.pad_token_id) if tokenizer.pad_token_id is not None else 0


def _padded(rows: list[list[int]], value: int) -> Tensor:
    """Return rows of different lengths as one tensor (B, T), filled up on the right."""
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])
