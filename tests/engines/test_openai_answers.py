"""Answers of a server that lack what was requested are malformed."""

from __future__ import annotations

import pytest

from strop.engines.openai_answers import Malformed, read_choices


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"text": "a"}]},
        {"choices": [{"text": 1, "finish_reason": "stop"}]},
        {"choices": [{"text": "a", "finish_reason": "error"}]},
        {
            "choices": [
                {
                    "text": "a",
                    "finish_reason": "stop",
                    "logprobs": {"tokens": ["a"], "token_logprobs": []},
                }
            ]
        },
        {
            "choices": [
                {
                    "message": {"content": "a"},
                    "finish_reason": "stop",
                    "logprobs": {"content": [{"token": "a"}]},
                }
            ]
        },
    ],
)
def test_answers_that_cannot_be_used(document: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        read_choices(document)
