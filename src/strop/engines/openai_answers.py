"""Reading the answers of a server of the OpenAI protocol.

An answer is untrusted: one that lacks what was requested raises Malformed, and counts as a failed
attempt.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strop.records import Finish, Usage

_FINISHES: dict[str, Finish] = {
    "stop": "end",
    "eos_token": "end",
    "stop_sequence": "stop",
    "length": "length",
    "content_filter": "length",
}
_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")


class Malformed(Exception):
    """An answer that does not hold what was requested."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer.

    ``text`` is in bytes, since a token may be a part of a character. ``top`` holds the
    log-probabilities of the likeliest texts at the token's position.
    """

    text: bytes
    logprob: float
    top: dict[bytes, float]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer. ``tokens`` and ``token_ids`` are None if the server does not give them."""

    text: str
    finish: Finish
    tokens: list[Token] | None
    token_ids: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """All answers to one request, with their cost, which includes failed attempts.

    ``system``: the build of the server that answered.
    """

    choices: list[Choice]
    usage: Usage
    system: str = ""


def read_object(text: str) -> dict[str, Any]:
    """Parse a JSON object. Raise Malformed for any other text."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(document, dict):
        raise Malformed("not a JSON object")
    return document


def read_choices(document: Mapping[str, Any]) -> list[Choice]:
    """Return the answers in a response. Raise Malformed if they are not in the expected form."""
    listed = document.get("choices")
    if not isinstance(listed, list) or not listed:
        raise Malformed("no choices")
    try:
        ordered = sorted(listed, key=lambda choice: int(choice.get("index") or 0))
        return [_read_choice(choice) for choice in ordered]
    except (TypeError, AttributeError, KeyError, ValueError, IndexError) as error:
        raise Malformed(f"{type(error).__name__} in a choice") from None


def read_usage(document: Mapping[str, Any]) -> Usage:
    """Return the server's own counts.

    Raise Malformed if there are none: the cost of a run must be known.
    """
    try:
        usage = document["usage"]
        prompt = int(usage["prompt_tokens"])
        generated = int(usage.get("completion_tokens") or 0)
        cached = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Malformed("no usage") from None
    return Usage(prompt - cached, cached, generated)


def _read_choice(choice: Mapping[str, Any]) -> Choice:
    message = choice.get("message")  # a chat; completions have a text instead
    text = choice.get("text") if message is None else message.get("content")
    reason = choice.get("finish_reason")
    if reason not in _FINISHES:
        raise Malformed("a choice that did not finish")
    is_empty_message = text is None and message is not None
    if not isinstance(text, str) and not is_empty_message:
        raise Malformed("a choice without text")
    # vLLM's stop_reason is the stop string, where finish_reason says "stop" for both kinds of end.
    finish = "stop" if isinstance(choice.get("stop_reason"), str) else _FINISHES[reason]
    logprobs = choice.get("logprobs")
    tokens = _read_tokens(logprobs) if isinstance(logprobs, Mapping) else None
    ids = choice.get("token_ids")
    token_ids = tuple(map(int, ids)) if isinstance(ids, list) else None
    return Choice(text or "", finish, tokens, token_ids)


def _read_tokens(logprobs: Mapping[str, Any]) -> list[Token] | None:
    """Read both forms: ``content`` (chat) and parallel lists (completions)."""
    content = logprobs.get("content")
    if isinstance(content, list):
        return [_read_chat_token(entry) for entry in content]
    texts = logprobs.get("tokens")
    values = logprobs.get("token_logprobs")
    if not isinstance(texts, list) or not isinstance(values, list):
        return None
    tops = logprobs.get("top_logprobs") or [None] * len(texts)
    tokens = []
    for text, value, top in zip(texts, values, tops, strict=True):
        # The first token of an echoed prompt has no log-probability.
        logprob = math.nan if value is None else float(value)
        likeliest = {_as_bytes(t): float(v) for t, v in (top or {}).items()}
        tokens.append(Token(_as_bytes(text), logprob, likeliest))
    return tokens


def _read_chat_token(entry: Mapping[str, Any]) -> Token:
    top = {}
    for likely in entry.get("top_logprobs") or []:
        top[_chat_bytes(likely)] = float(likely["logprob"])
    return Token(_chat_bytes(entry), float(entry["logprob"]), top)


def _chat_bytes(entry: Mapping[str, Any]) -> bytes:
    if isinstance(entry.get("bytes"), list):
        return bytes(entry["bytes"])
    return _as_bytes(entry["token"])


def _as_bytes(text: str) -> bytes:
    """Return a token's text as bytes. Servers write part of a character as ``bytes:\\xe2\\x80``."""
    raw = text.encode(errors="replace")
    if not raw.startswith(b"bytes:\\x"):
        return raw
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), raw.removeprefix(b"bytes:"))
