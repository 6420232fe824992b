"""Talking to a server of the OpenAI protocol: one request until it is answered, every failed attempt counted, and answers read with care.

What a server says is untrusted: an answer that does not hold what was asked for is a failed attempt like any other.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from strop.errors import MissingExtraError, ModelError, UsageError
from strop.records import Finish, Usage

LONGEST_PAUSE = 30.0
LONGEST_WAIT = 600.0
"""Seconds between two attempts: the most that we choose, and the most that a server may ask for by Retry-After."""
CONNECT_SECONDS = 10.0
CHAT, COMPLETIONS = "/chat/completions", "/completions"
_FINISHES: dict[str, Finish] = {
    "stop": "end",
    "eos_token": "end",
    "stop_sequence": "stop",
    "length": "length",
    "content_filter": "length",
}
_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")


class Refused(ModelError):
    """The server will not take this request, however often it is asked. ``status`` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Malformed(Exception):
    """An answer that does not hold what was asked for."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer: its text as bytes, its log-probability, and the log-probabilities of the likeliest texts in its place."""

    text: bytes
    logprob: float
    top: dict[bytes, float]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer. ``tokens`` and ``token_ids`` are None where the server does not give them."""

    text: str
    finish: Finish
    tokens: list[Token] | None
    token_ids: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """All answers to one request, and what they cost, failed attempts with them. ``system``: which build of the server answered."""

    choices: list[Choice]
    usage: Usage
    system: str = ""


class Server:
    """One model at one address. The key is read from the environment and goes nowhere but into the requests."""

    def __init__(
        self,
        label: str,
        model: str,
        url: str,
        *,
        key_env: str,
        timeout: float,
        retries: int,
        backoff: float,
    ) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError("the openai engine", "openai", str(error)) from None
        _check_address(label, url)
        self.label, self.model, self.retries, self.backoff = label, model, retries, backoff
        self._openai, self._key, self._key_env = openai, os.environ.get(key_env, ""), key_env
        seconds = openai.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        # Its own retries are off: they would be neither counted nor told apart.
        self._client = openai.OpenAI(
            api_key=self._key or "none", base_url=url, timeout=seconds, max_retries=0
        )
        weakref.finalize(self, self._client.close)
        self._jitter = random.SystemRandom()

    def models(self) -> list[dict[str, Any]]:
        """What the server says it serves; nothing, where it does not say."""
        try:
            listed = self._persist(
                lambda: _object(self._client.models.with_raw_response.list().text), Event()
            )[0].get("data")
        except Refused as error:
            if error.status in (401, 403):
                raise
            return []
        return (
            [entry for entry in listed if isinstance(entry, dict)]
            if isinstance(listed, list)
            else []
        )

    def ask(self, path: str, body: Mapping[str, Any], halt: Event | None = None) -> Answer:
        """Send a request until it is answered. ModelError after too many failures, or when ``halt`` is set; Refused where none can help."""
        api: Any = self._client.chat.completions if path == CHAT else self._client.completions
        asked: dict[str, Any] = {"messages": []} if path == CHAT else {"prompt": ""}
        started = time.perf_counter()

        def once() -> tuple[dict[str, Any], list[Choice], Usage]:
            document = _object(
                api.with_raw_response.create(model=self.model, **asked, extra_body=dict(body)).text
            )
            return document, read_choices(document), _read_usage(document)

        (document, choices, usage), failures = self._persist(once, halt or Event())
        spent = replace(usage, failures=failures, seconds=time.perf_counter() - started)
        return Answer(choices, spent, str(document.get("system_fingerprint") or "")[:80])

    def _persist(self, once: Any, halt: Event) -> tuple[Any, int]:
        """What ``once`` returns, and after how many failed attempts."""
        openai, last = self._openai, ""
        for attempt in range(self.retries + 1):
            if halt.is_set():
                raise ModelError(f"{self.label}: broken off")
            asked_for = None
            try:
                return once(), attempt
            except Malformed as error:
                last = f"an answer that cannot be used ({error})"
            except openai.APITimeoutError:
                last = "no answer in time"
            except openai.APIStatusError as error:
                last = f"status {error.status_code}"
                if not _may_pass(error):
                    raise self._refusal(error) from None
                asked_for = _retry_after(error.response.headers)
            except openai.APIConnectionError as error:
                last = f"no connection ({self._clean(str(error.__cause__ or error))})"
            if asked_for is not None and asked_for > LONGEST_WAIT:
                last += f", and a wish to be left alone for {asked_for:,.0f} s"
                break
            pause = min(LONGEST_PAUSE, self.backoff * 2**attempt) * self._jitter.uniform(0.5, 1)
            if attempt < self.retries:
                halt.wait((asked_for or 0) + pause)
        raise ModelError(
            f"{self.label}: the server gave {last}, {attempt + 1} times in a row at the end; stored parts are kept: "
            "once it answers again, the same command goes on"
        )

    def _refusal(self, error: Any) -> Refused:
        """In words, for a request that no repetition will help. A message about a key may hold it, and is not shown."""
        status = int(error.status_code)
        if status in (401, 403):
            got = (
                f"the key in {self._key_env}"
                if self._key
                else f"a request without a key ({self._key_env} is not set)"
            )
            return Refused(
                f"{self.label}: the server refuses {got} (status {status}); set {self._key_env} to one that it takes",
                status,
            )
        said = error.body.get("message") if isinstance(error.body, dict) else error.message
        return Refused(
            f"{self.label}: the server refuses the request (status {status}): {self._clean(str(said))}",
            status,
        )

    def _clean(self, text: str) -> str:
        """A server's words, short, printable and without the key."""
        text = text.replace(self._key, "[key]") if self._key else text
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


def read_choices(document: Mapping[str, Any]) -> list[Choice]:
    """The answers in a response. Malformed for what is not in their form; what a server does not give is None."""
    listed = document.get("choices")
    if not isinstance(listed, list) or not listed:
        raise Malformed("no choices")
    try:
        ordered = sorted(listed, key=lambda choice: int(choice.get("index") or 0))
        return [_choice(choice) for choice in ordered]
    except (TypeError, AttributeError, KeyError, ValueError, IndexError) as error:
        raise Malformed(f"{type(error).__name__} in a choice") from None


def _choice(choice: Mapping[str, Any]) -> Choice:
    message = choice.get("message")
    text = choice.get("text") if message is None else message.get("content")
    reason = choice.get("finish_reason")
    if reason not in _FINISHES:
        raise Malformed("a choice that did not finish")
    if not isinstance(text, str) and not (text is None and message is not None):
        raise Malformed("a choice without text")
    finish = "stop" if isinstance(choice.get("stop_reason"), str) else _FINISHES[reason]
    ids = choice.get("token_ids")
    logprobs = choice.get("logprobs")
    tokens = _read_tokens(logprobs) if isinstance(logprobs, Mapping) else None
    return Choice(
        text or "", finish, tokens, tuple(map(int, ids)) if isinstance(ids, list) else None
    )


def _read_tokens(logprobs: Mapping[str, Any]) -> list[Token] | None:
    """Both forms: ``content`` (chat) and parallel lists (completions). The first token of an echoed prompt has no log-probability: NaN."""
    if isinstance(content := logprobs.get("content"), list):
        return [
            Token(
                _bytes_of(entry),
                float(entry["logprob"]),
                {_bytes_of(t): float(t["logprob"]) for t in entry.get("top_logprobs") or []},
            )
            for entry in content
        ]
    texts, values = logprobs.get("tokens"), logprobs.get("token_logprobs")
    if not isinstance(texts, list) or not isinstance(values, list):
        return None
    tops = logprobs.get("top_logprobs") or [None] * len(texts)
    return [
        Token(
            _bytes(text),
            math.nan if value is None else float(value),
            {_bytes(t): float(v) for t, v in (top or {}).items()},
        )
        for text, value, top in zip(texts, values, tops, strict=True)
    ]


def _bytes_of(entry: Mapping[str, Any]) -> bytes:
    return bytes(entry["bytes"]) if isinstance(entry.get("bytes"), list) else _bytes(entry["token"])


def _bytes(text: str) -> bytes:
    """A token's text; a piece of a character is written as ``bytes:\\xe2\\x80``."""
    raw = text.encode(errors="replace")
    return (
        _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), raw[6:])
        if raw.startswith(b"bytes:\\x")
        else raw
    )


def _read_usage(document: Mapping[str, Any]) -> Usage:
    """The server's own count. Malformed without one: what a run has spent must be known."""
    try:
        usage = document["usage"]
        prompt, generated = int(usage["prompt_tokens"]), int(usage.get("completion_tokens") or 0)
        cached = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Malformed("no usage") from None
    return Usage(prompt - cached, cached, generated)


def _object(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(document, dict):
        raise Malformed("not a JSON object")
    return document


def _may_pass(error: Any) -> bool:
    """Whether the same request may be answered later. A used-up quota has the status of a rate limit, and does not come back."""
    if getattr(error, "code", None) == "insufficient_quota":
        return False
    return error.status_code in (408, 409, 425, 429) or error.status_code >= 500


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to be left alone for: a number, or a date."""
    text = headers.get("retry-after")
    if not text:
        return None
    try:
        return max(0.0, float(text)) if math.isfinite(float(text)) else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _check_address(label: str, url: str) -> None:
    """UsageError for what is no address, or holds what must not be stored."""
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.username is not None
    except ValueError:
        host, secret, parts = None, False, urlsplit("")
    if secret:  # not repeated in the message
        raise UsageError(
            "openai: the address holds a user name or a password, and would be stored; put a key into OPENAI_API_KEY instead"
        )
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UsageError(
            f"model {label}: {url!r} is no address; expected openai:NAME@URL as in openai:NAME@http://localhost:8000/v1"
        )
