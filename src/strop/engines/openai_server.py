"""Send requests to a server of the OpenAI protocol until answered, and count every failure."""

from __future__ import annotations

import math
import os
import random
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Any, TypeVar
from urllib.parse import urlsplit

from strop.engines.openai_answers import (
    Answer,
    Choice,
    Malformed,
    NoUsage,
    read_choices,
    read_object,
    read_usage,
)
from strop.errors import MissingExtraError, ModelError, UsageError
from strop.records import Usage

LONGEST_PAUSE = 30.0
"""Seconds between two attempts: the most that the client chooses."""
LONGEST_WAIT = 600.0
"""Seconds: the most that a server may ask for by Retry-After."""
MOST_WITHOUT_USAGE = 3
"""Answers to a request without token counts, after which it is not repeated."""
CONNECT_SECONDS = 10.0
CHAT = "/chat/completions"
COMPLETIONS = "/completions"
KEY_STATUSES = (401, 403)
"""Status codes that refuse the key."""

Result = TypeVar("Result")


class Refused(ModelError):
    """The server refuses this request, and repeating it cannot help.

    ``status`` is the HTTP status code.
    """

    # The default lets pickle make the error anew, on its way from a worker to the user.
    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Server:
    """One model at one address. The key is read from the environment and only sent in requests."""

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
        self.label = label
        self.model = model
        self.retries = retries
        self.backoff = backoff
        self._openai = openai
        self._key = os.environ.get(key_env, "")
        self._key_env = key_env
        seconds = openai.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        # The client's own retries are off: they could not be counted.
        self._client = openai.OpenAI(
            api_key=self._key or "none", base_url=url, timeout=seconds, max_retries=0
        )
        weakref.finalize(self, self._client.close)
        # Not seeded: the pauses of several clients must differ.
        self._jitter = random.SystemRandom()

    def models(self) -> list[dict[str, Any]]:
        """Return the models that the server lists; none if it has no list."""

        def request() -> dict[str, Any]:
            return read_object(self._client.models.with_raw_response.list().text)

        try:
            document, _ = self._persist(request, Event())
        except Refused as error:
            if error.status in KEY_STATUSES:
                raise
            return []
        listed = document.get("data")
        if not isinstance(listed, list):
            return []
        return [entry for entry in listed if isinstance(entry, dict)]

    def ask(self, path: str, body: Mapping[str, Any], halt: Event | None = None) -> Answer:
        """Send a request until it is answered.

        Raise ModelError after too many failures or when ``halt`` is set; Refused if no repetition
        can help.
        """
        api: Any = self._client.chat.completions if path == CHAT else self._client.completions
        # The client demands these arguments; the body overrides them.
        required: dict[str, Any] = {"messages": []} if path == CHAT else {"prompt": ""}
        started = time.perf_counter()

        def request() -> tuple[dict[str, Any], list[Choice], Usage]:
            response = api.with_raw_response.create(
                model=self.model, **required, extra_body=dict(body)
            )
            document = read_object(response.text)
            return document, read_choices(document), read_usage(document)

        (document, choices, usage), failures = self._persist(request, halt or Event())
        spent = replace(usage, failures=failures, seconds=time.perf_counter() - started)
        return Answer(choices, spent, str(document.get("system_fingerprint") or "")[:80])

    def _persist(self, request: Callable[[], Result], halt: Event) -> tuple[Result, int]:
        """Make a request until it succeeds; return its result and the number of failures."""
        openai = self._openai
        problem = ""
        without_usage = 0
        for attempt in range(self.retries + 1):
            if halt.is_set():
                raise ModelError(f"{self.label}: interrupted")
            wait = 0.0
            try:
                return request(), attempt
            except NoUsage:
                problem = "no token counts (usage), without which the cost of a run is unknown"
                without_usage += 1
                if without_usage == MOST_WITHOUT_USAGE:
                    break  # a server that does not count will not begin to
            except Malformed as error:
                problem = f"an answer that cannot be used ({self._clean(str(error))})"
            except openai.APITimeoutError:
                problem = "no answer in time"
            except openai.APIStatusError as error:
                problem = f"status {error.status_code}"
                if not _may_pass(error):
                    raise self._refusal(error) from None
                wait = _retry_after(error.response.headers) or 0.0
            except openai.APIConnectionError as error:
                problem = f"no connection ({self._clean(str(error.__cause__ or error))})"
            if wait > LONGEST_WAIT:
                problem += f", and asks for a pause of {wait:,.0f} s"
                break
            pause = min(LONGEST_PAUSE, self.backoff * 2**attempt) * self._jitter.uniform(0.5, 1)
            if attempt < self.retries:
                halt.wait(wait + pause)
        raise ModelError(
            f"{self.label}: the server gave {problem}, {attempt + 1} times in a row at the end; "
            "stored parts are kept: once it answers again, the same command goes on"
        )

    def _refusal(self, error: Any) -> Refused:
        """Return the error for a request that no repetition will help."""
        status = int(error.status_code)
        if status in KEY_STATUSES:
            # The server's message is not shown: it may contain the key.
            refused = f"a request without a key ({self._key_env} is not set)"
            if self._key:
                refused = f"the key in {self._key_env}"
            return Refused(
                f"{self.label}: the server refuses {refused} (status {status}); "
                f"set {self._key_env} to one that it takes",
                status,
            )
        message = error.body.get("message") if isinstance(error.body, dict) else error.message
        return Refused(
            f"{self.label}: the server refuses the request (status {status}): "
            f"{self._clean(str(message))}",
            status,
        )

    def _clean(self, text: str) -> str:
        """Return a server's message: short, printable and without the key."""
        if self._key:
            text = text.replace(self._key, "[key]")
        printable = "".join(c if c.isprintable() else " " for c in text)
        return " ".join(printable.split())[:300]


def _may_pass(error: Any) -> bool:
    """Return whether the same request may succeed later."""
    # A used-up quota has the status of a rate limit, but does not come back.
    if getattr(error, "code", None) == "insufficient_quota":
        return False
    return error.status_code in (408, 409, 425, 429) or error.status_code >= 500


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the pause in seconds that the server asks for, by a number or a date; else None."""
    text = headers.get("retry-after")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _seconds_until(text)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def _check_address(label: str, url: str) -> None:
    """Raise UsageError for a string that is no address, or that holds what must not be stored."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        has_secret = parts.username is not None
    except ValueError:
        parts = urlsplit("")
        host = None
        has_secret = False
    if has_secret:  # not repeated in the message
        raise UsageError(
            "openai: the address holds a user name or a password, and would be stored; "
            "put a key into OPENAI_API_KEY instead"
        )
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UsageError(
            f"model {label}: {url!r} is no address; "
            "expected openai:NAME@URL as in openai:NAME@http://localhost:8000/v1"
        )
