"""`vllm serve` as the other tests use it: it answers, and its failure to start is explained."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def ask(url: str, **body: Any) -> Any:
    """Return the JSON answer to a GET, or to a POST of ``body``."""
    data = json.dumps(body).encode() if body else None
    with urllib.request.urlopen(
        urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=120
    ) as answer:
        return json.load(answer)


def test_the_server_serves_the_model_as_m(vllm_server: str) -> None:
    assert [model["id"] for model in ask(f"{vllm_server}/models")["data"]] == ["m"]


def test_seeded_requests_with_long_prompts_are_answered(vllm_server: str) -> None:
    """Prompts longer than one step of the server: with chunked prefill, the CPU build fails."""
    prompts = [f"Question: {i}+1\nAnswer:" + "1234567890" * 80 for i in range(12)]
    body = {
        "model": "m",
        "prompt": prompts,
        "n": 2,
        "seed": 7,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 0,
        "max_tokens": 16,
    }
    assert len(ask(f"{vllm_server}/completions", **body)["choices"]) == 24


def test_a_server_that_cannot_start_says_why(serve: Callable[[Path], str], tmp_path: Path) -> None:
    with pytest.raises(
        pytest.fail.Exception, match=r"(?s)vllm serve ended with exit code .* last lines:.*config"
    ):
        serve(tmp_path)
