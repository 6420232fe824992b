"""Reading the answers of a server of the OpenAI protocol.

An answer is untrusted: one that lacks what was requested raises Malformed, and counts as a failed
attempt.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from strop.records import Finish, Usage

_FINISHES: dict[str, Finish] = {
    "stop": "end",
    "eos_token": "end",
    "stop_sequence": "stop",
    "length": "length",
    "content_filter": "length",
}
MOST_TOKENS = 10**9
"""No request reads or writes more tokens: a larger count is a fault of the server."""
ROUNDING = 1e-3
"""Servers round probabilities, so that a log-probability may lie this far above 0."""
STAND_IN = -9000.0
"""JSON has no minus infinity, and servers write -9999 for it."""
_REASONING = ("reasoning_content", "reasoning")
_SPACES = {"\u2581": " ", "\u0120": " ", "\u010a": "\n"}
"""Letters that some servers write in tokens for a space or a line break."""
_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")


class Malformed(Exception):
    """An answer that does not hold what was requested."""


class NoUsage(Malformed):
    """An answer without token counts."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer. ``logprob`` is NaN if the server does not know it.

    ``text`` is in bytes, since a token may be a part of a character. ``top`` holds the
    log-probabilities of the likeliest texts at the token's position.
    """

    text: bytes
    logprob: float
    top: dict[bytes, float]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer. ``tokens`` and ``token_ids`` are None if the server does not give them.

    ``reasons``: the server has put reasoning apart from the text. ``refused``: the text is the
    server's refusal to answer.
    """

    text: str
    finish: Finish
    tokens: list[Token] | None
    token_ids: tuple[int, ...] | None
    reasons: bool = False
    refused: bool = False

    @property
    def told_tokens(self) -> int:
        """The number of tokens that the answer itself lists; 0 if it lists none."""
        return len(self.token_ids or self.tokens or ())

    @property
    def is_spelled(self) -> bool:
        """Return whether the tokens spell the text, and so belong to it.

        Tokens may go on after the text (a stop string, an end token), and reasoning may come before
        it. A refusal may be reported apart from its tokens. White space and broken characters at
        the text's ends are not compared.
        """
        if self.refused:
            return True
        spelled = b"".join(token.text for token in self.tokens or []).decode(errors="replace")
        text = self.text
        for letter, meaning in _SPACES.items():
            spelled = spelled.replace(letter, meaning)
            text = text.replace(letter, meaning)
        spelled = spelled.replace("\ufffd", "").strip()
        text = text.replace("\ufffd", "").strip()
        return text in spelled if self.reasons else spelled.startswith(text)


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
        error = document.get("error")
        if isinstance(error, Mapping):  # some gateways put an error behind status 200
            error = error.get("message")
        raise Malformed(f"no choices, but the error {str(error)!r:.200}" if error else "no choices")
    try:
        ordered = sorted(listed, key=lambda choice: int(choice.get("index") or 0))
        return [_read_choice(choice) for choice in ordered]
    except (TypeError, AttributeError, KeyError, ValueError, IndexError, OverflowError) as error:
        raise Malformed(f"{type(error).__name__} in a choice") from None


def read_usage(document: Mapping[str, Any]) -> Usage:
    """Return the server's own counts.

    Raise NoUsage if there are none, and Malformed if they cannot be true: the cost of a run must be
    known.
    """
    try:
        usage = document["usage"]
        prompt = int(usage["prompt_tokens"])
        generated = int(usage.get("completion_tokens") or 0)
        cached = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise NoUsage("no usage") from None
    if not (0 <= cached <= prompt <= MOST_TOKENS and 0 <= generated <= MOST_TOKENS):
        raise Malformed("token counts that cannot be true")
    return Usage(prompt - cached, cached, generated)


def told_usage(usage: Usage, choices: Sequence[Choice]) -> Usage:
    """Return the usage with at least the tokens that the answers themselves list.

    llama.cpp's usage counts one of several answers.
    """
    told = sum(choice.told_tokens for choice in choices)
    return replace(usage, generated_tokens=max(told, usage.generated_tokens))


def whole_characters(text: str) -> str:
    """Return the text with the replacement character for every half of a surrogate pair."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read_choice(choice: Mapping[str, Any]) -> Choice:
    message = choice.get("message")  # a chat; completions have a text instead
    text = choice.get("text") if message is None else message.get("content")
    reason = choice.get("finish_reason")
    if reason not in _FINISHES:
        raise Malformed(f"a choice that did not finish: finish_reason {str(reason)[:40]!r}")
    refusal = message.get("refusal") if message is not None else None
    refused = not text and isinstance(refusal, str) and bool(refusal)
    if refused:
        text = refusal
    if text is None and message is not None:
        text = ""
    if not isinstance(text, str):
        raise Malformed("a choice without text")
    reasons = message is not None and any(message.get(name) for name in _REASONING)
    # vLLM's stop_reason (SGLang: matched_stop) is the stop string, where finish_reason says "stop"
    # for both kinds of end.
    stops = (choice.get("stop_reason"), choice.get("matched_stop"))
    is_stopped = any(isinstance(stop, str) for stop in stops)
    finish = "stop" if is_stopped and reason != "length" else _FINISHES[reason]
    logprobs = choice.get("logprobs")
    tokens = _read_tokens(logprobs) if isinstance(logprobs, Mapping) else None
    token_ids = _read_ids(choice.get("token_ids"))
    return Choice(whole_characters(text), finish, tokens, token_ids, reasons, refused)


def _read_ids(listed: Any) -> tuple[int, ...] | None:
    if not isinstance(listed, list):
        return None
    ids = tuple(map(int, listed))
    if any(not 0 <= token < 2**31 for token in ids):
        raise Malformed("token ids that cannot be true")
    return ids


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
        likeliest = _known({_as_bytes(t): _logprob(v) for t, v in (top or {}).items()})
        tokens.append(Token(_as_bytes(text), _logprob(value), likeliest))
    return tokens


def _read_chat_token(entry: Mapping[str, Any]) -> Token:
    top = {}
    for likely in entry.get("top_logprobs") or []:
        top[_chat_bytes(likely)] = _logprob(likely["logprob"])
    return Token(_chat_bytes(entry), _logprob(entry["logprob"]), _known(top))


def _logprob(value: Any) -> float:
    """Return a log-probability; NaN if the server does not know it.

    Raise Malformed for a number that is none.
    """
    if value is None:
        return math.nan
    logprob = float(value)
    if logprob > ROUNDING:
        raise Malformed(f"a log-probability of {logprob:.3g}; expected 0 or less")
    return logprob if logprob > STAND_IN else math.nan


def _known(top: dict[bytes, float]) -> dict[bytes, float]:
    return {text: logprob for text, logprob in top.items() if not math.isnan(logprob)}


def _chat_bytes(entry: Mapping[str, Any]) -> bytes:
    if isinstance(entry.get("bytes"), list):
        return bytes(entry["bytes"])
    return _as_bytes(entry["token"])


def _as_bytes(text: str) -> bytes:
    """Return a token's text as bytes. Servers write part of a character as ``bytes:\\xe2\\x80``."""
    raw = whole_characters(text).encode()
    if not raw.startswith(b"bytes:\\x"):
        return raw
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), raw.removeprefix(b"bytes:"))
