"""Any server of the OpenAI protocol, hosted or your own: ``openai:NAME@URL``, by completions or chat.

What the server can do is probed when the engine is made (``openai_probe.py``); requests are repeated until answered and every failed
attempt is counted (``openai_server.py``). Every sampling field is sent with every request, since servers fill unset ones as they like.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock
from typing import Any, ClassVar, TypeVar

import numpy as np

from strop.engines.base import (
    Engine,
    Generation,
    Request,
    Scored,
    check_room,
    cut_at_stop,
    plain_text,
)
from strop.engines.openai_probe import Probe, echo_request, ending_logprob, reaches_its_end
from strop.engines.openai_server import Choice, Server, Token
from strop.errors import ModelError, UsageError
from strop.records import Prompt, Sample, Sampling, Usage, total_usage

OPTIONS: dict[str, type] = {
    "chat": bool,
    "concurrency": int,
    "n": int,
    "top": int,
    "timeout": float,
    "retries": int,
    "backoff": float,
    "key_env": str,
    "price_in": float,
    "price_out": float,
    "tokenizer": str,
    "context": int,
    "parameters": int,
}
CHARACTERS_PER_TOKEN = 4.0
SEEDS = 2**31
"""Servers take seeds of different sizes; all take 31 bits."""
PATH_TOKENS = 8
"""How far a chat is followed to see how it would spell an option."""

Result = TypeVar("Result")


class OpenAIEngine(Engine):
    """``place`` is NAME@URL, ``label`` what the user called the model, with its settings.

    ``chat``: by chat, or by plain completions; None: by chat where the server answers one. ``concurrency``: requests under way at once.
    ``n``: samples a request, at most. ``top``: likeliest tokens to ask for where texts are scored; servers allow 20, or what
    they are told to. ``timeout``: seconds a request may take. ``retries``: of a failed request, after pauses that begin
    at about ``backoff`` seconds and double. ``key_env``: the environment variable that holds the key. ``price_in``, ``price_out``: dollars
    for a million tokens read and written. ``tokenizer``: folder of the model's tokenizer, to count tokens exactly; with it ``context``,
    the model's positions where the server does not tell, lets prompts that are too long be refused before anything is sent.
    ``parameters``: the model's size, for FLOPs.
    """

    worker_threads: ClassVar[bool] = True

    def __init__(
        self,
        place: str,
        *,
        label: str | None = None,
        chat: bool | None = None,
        concurrency: int = 16,
        n: int = 128,
        top: int = 20,
        timeout: float = 600.0,
        retries: int = 8,
        backoff: float = 0.5,
        key_env: str = "OPENAI_API_KEY",
        price_in: float = 0.0,
        price_out: float = 0.0,
        tokenizer: str | None = None,
        context: int | None = None,
        parameters: int = 0,
    ) -> None:
        self._name = label or f"openai:{place}"
        model, at, rest = place.partition("@http")
        url = f"http{rest}"
        if not (at and model):
            raise UsageError(
                f"model {self._name}: expected openai:NAME@URL as in openai:NAME@http://localhost:8000/v1"
            )
        lowest = {
            "concurrency": 1,
            "n": 1,
            "top": 1,
            "timeout": 0.001,
            "retries": 0,
            "backoff": 0,
            "price_in": 0,
            "price_out": 0,
            "parameters": 0,
        }
        for name, low in lowest.items():
            if not low <= (value := locals()[name]) < math.inf:
                raise UsageError(
                    f"model {self._name}: {name} is {value:g}; expected {low:g} or more"
                )
        self._server = Server(
            self._name,
            model,
            url,
            key_env=key_env,
            timeout=timeout,
            retries=retries,
            backoff=backoff,
        )
        self._prices, self._parameters = (price_in, price_out), parameters
        self._tokenizer = _load_tokenizer(self._name, tokenizer) if tokenizer else None
        served = {str(entry.get("id")): entry for entry in self._server.models()}
        told = served.get(model, {}).get("max_model_len")
        self._positions = context or (told if isinstance(told, int) else None)
        probe = Probe(self._server, top)
        try:
            self.abilities = probe.find(chat)
        except ModelError as error:
            there = (
                f"; it serves {', '.join(sorted(served)[:5])}"
                if served and model not in served
                else ""
            )
            raise ModelError(f"{error}{there}") from None
        self.counts_end_token = self.abilities.ends is not False
        self._per_request = n if self.abilities.several else 1
        self._pool, self._halts = ThreadPoolExecutor(concurrency), set[Event]()
        self._lock, self._unbilled = Lock(), probe.usage
        self._seen_characters, self._seen_tokens = 0, 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def context(self) -> int | None:
        """Known only with the model's tokenizer: a length that is estimated refuses nothing."""
        return self._positions if self._tokenizer else None

    @property
    def lacks(self) -> Mapping[str, str]:
        if self.abilities.logprobs:
            return {}
        reason = (
            f"the server gives no log-probabilities at temperature 1 ({self.abilities.why_none})"
        )
        return {"logprob": reason, "score": reason}

    def describe(self) -> dict[str, str | int | float]:
        return super().describe() | self.abilities.describe() | {"openai": version("openai")}

    def render(self, prompt: Prompt) -> str:
        """The text itself, or a chat's messages as JSON."""
        return (
            json.dumps(_messages(prompt), ensure_ascii=False)
            if self.abilities.chat
            else plain_text(prompt)
        )

    def count_tokens(self, prompt: Prompt) -> int:
        """Exact with a tokenizer, but for a chat's own marks; else an estimate from what the server has counted so far."""
        text = (
            "\n".join(turn.content for turn in prompt)
            if self.abilities.chat
            else plain_text(prompt)
        )
        if self._tokenizer:
            return len(self._tokenizer.encode(text).ids)
        with self._lock:
            rate = (
                self._seen_characters / self._seen_tokens
                if self._seen_tokens
                else CHARACTERS_PER_TOKEN
            )
        return math.ceil(len(self.render(prompt)) / rate)

    def cost(self, prompt_tokens: int, generated_tokens: int) -> float:
        return (prompt_tokens * self._prices[0] + generated_tokens * self._prices[1]) / 1e6

    def reads(self, samples: int) -> int:
        return -(-samples // self._per_request)

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw the responses, n a request where the server can; all requests of a call are under way together, up to the limit."""
        if self._tokenizer:
            for request in requests:
                check_room(self, self.count_tokens(request.prompt), sampling.max_tokens)
        halt = Event()
        chunks: list[Callable[[], tuple[list[Sample], Usage]]] = []
        owners = []
        for place, request in enumerate(requests):
            # Greedy samples of a prompt are all the same one, and servers may refuse to draw it more than once.
            seeds = request.seeds[:1] if sampling.temperature == 0 else request.seeds
            for start in range(0, len(seeds), self._per_request):
                part = seeds[start : start + self._per_request]
                chunks.append(partial(self._draw, request.prompt, part, sampling, halt))
                owners.append(place)
        samples: list[list[Sample]] = [[] for _ in requests]
        usages = [self._take_unbilled()]
        for place, (drawn, usage) in zip(owners, self._together(chunks, halt), strict=True):
            samples[place] += drawn
            usages.append(usage)
        if sampling.temperature == 0:
            samples = [
                row * len(request.seeds) for row, request in zip(samples, requests, strict=True)
            ]
        return Generation(samples, self._priced(usages))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        """Log-probability of each continuation: from the likeliest next tokens, else as echoed text. NaN where neither tells."""
        if reason := self.lacks.get("score"):
            raise ModelError(f"{self._name} cannot score texts: {reason}")
        halt = Event()
        jobs = {
            prompt: (lambda prompt=prompt: self._score(prompt, continuations, halt))
            for prompt in dict.fromkeys(prompts)
        }
        scored = dict(zip(jobs, self._together(list(jobs.values()), halt), strict=True))
        logprobs_PC = np.array([scored[prompt][0] for prompt in prompts], np.float64).reshape(
            len(prompts), len(continuations)
        )
        return Scored(
            logprobs_PC,
            self._priced([self._take_unbilled(), *(usage for _, usage in scored.values())]),
        )

    def cancel(self) -> None:
        for halt in list(self._halts):
            halt.set()

    # Requests

    def _together(self, jobs: Sequence[Callable[[], Result]], halt: Event) -> list[Result]:
        """All results, in order. When one job fails the others stop: none of their results could be kept."""
        self._halts.add(halt)
        futures = [self._pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        finally:
            self._halts.discard(halt)
            halt.set()
            for future in futures:
                future.cancel()

    def _draw(
        self, prompt: Prompt, seeds: Sequence[int], sampling: Sampling, halt: Event
    ) -> tuple[list[Sample], Usage]:
        """One sample for each seed. A server that answers with too few is asked for the rest, one with too many is cut short."""
        samples: list[Sample] = []
        usages = []
        while len(samples) < len(seeds):
            wanted = len(seeds) - len(samples)
            body = self._request(prompt, sampling) | self.abilities.logprob_fields(0)
            if self.abilities.seed:
                body["seed"] = seeds[len(samples)] % SEEDS
            answer = self._server.ask(self.abilities.path, body | {"n": wanted}, halt)
            count = answer.usage.generated_tokens if len(answer.choices) == 1 else None
            samples += [self._sample(choice, sampling, count) for choice in answer.choices[:wanted]]
            wrong = int(len(answer.choices) != wanted)
            usages.append(replace(answer.usage, failures=answer.usage.failures + wrong))
            self._learn(prompt, answer.usage)
        return samples, total_usage(usages)

    def _request(self, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
        """The prompt and how to go on from it, with every field that the server knows."""
        asked = (
            {"messages": _messages(prompt)}
            if self.abilities.chat
            else {"prompt": plain_text(prompt)}
        )
        stop = {"stop": list(sampling.stop)} if sampling.stop else {}
        drawn = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            self.abilities.limit: sampling.max_tokens,
        }
        return {**self.abilities.always, **asked, **drawn, **stop}

    def _sample(self, choice: Choice, sampling: Sampling, count: int | None) -> Sample:
        """The answer as a sample. Its log-probability is NaN unless it is known of every token, the one that ended it among them."""
        text, is_cut = cut_at_stop(choice.text, sampling.stop)
        tokens, ids = choice.tokens or [], choice.token_ids
        if ids is not None and tokens and not self.counts_end_token:
            ids = ids[: len(tokens)]  # the ids alone may hold the end token
        finish = (
            "stop"
            if is_cut or (choice.finish == "end" and _stopped(choice, sampling.stop))
            else choice.finish
        )
        logprob = (
            sum(token.logprob for token in tokens)
            if tokens and self.abilities.logprobs
            else math.nan
        )
        endless = finish != "length" and self.counts_end_token and not reaches_its_end(choice)
        if is_cut or endless or (ids is not None and len(ids) != len(tokens)):
            logprob = math.nan
        return Sample(text, ids, logprob, finish, len(tokens) or count)

    def _score(
        self, prompt: Prompt, continuations: Sequence[str], halt: Event
    ) -> tuple[list[float], Usage]:
        """Log-probability of each continuation after one prompt."""
        usages: list[Usage] = []
        scores = self._score_by_likeliest(prompt, continuations, halt, usages)
        if self.abilities.echo and any(map(math.isnan, scores)):
            body = echo_request(self.abilities, plain_text(prompt), continuations)
            answer = self._server.ask(self.abilities.path, body, halt)
            usages.append(answer.usage)
            if len(answer.choices) == len(continuations):
                scores = [
                    ending_logprob(choice.tokens or [], text)
                    for choice, text in zip(answer.choices, continuations, strict=True)
                ]
        return scores, total_usage(usages)

    def _score_by_likeliest(
        self, prompt: Prompt, continuations: Sequence[str], halt: Event, usages: list[Usage]
    ) -> list[float]:
        """Follow each continuation through the likeliest tokens; a text, unlike a chat, can be asked again behind what is spelled."""
        chat, echo = self.abilities.chat, self.abilities.echo
        steps = PATH_TOKENS if chat else 1
        scores = [0.0] * len(continuations)
        spelled = {place: b"" for place in range(len(continuations))}
        while spelled:
            begun = next(iter(spelled.values()))
            together = [place for place, text in spelled.items() if text == begun]
            body = (
                self._request(prompt, Sampling(0.0, 1.0, steps))
                | self.abilities.logprob_fields(self.abilities.top)
                | {"n": 1}
            )
            if not chat:
                body["prompt"] += begun.decode()
            answer = self._server.ask(self.abilities.path, body, halt)
            usages.append(answer.usage)
            for place in together:
                text = continuations[place].strip() if chat else continuations[place]
                wanted = text.encode()[len(begun) :]
                found, logprob = _follow(wanted, answer.choices[0].tokens or [], chat)
                scores[place] += logprob
                del spelled[place]
                if found != wanted and found and not chat and not echo and _is_text(found):
                    spelled[place] = begun + found
                elif found != wanted:
                    scores[place] = math.nan
        return scores

    # What is spent

    def _learn(self, prompt: Prompt, usage: Usage) -> None:
        with self._lock:
            self._seen_characters += len(self.render(prompt))
            self._seen_tokens += usage.prompt_tokens + usage.cached_tokens

    def _take_unbilled(self) -> Usage:
        """What probing cost, once: it belongs to the first call."""
        with self._lock:
            usage, self._unbilled = self._unbilled, Usage()
        return usage

    def _priced(self, usages: Sequence[Usage]) -> Usage:
        """The sum, with its price at full rates, cached tokens too, and FLOPs at 2 per parameter and token."""
        usage = total_usage(usages)
        flops = 2.0 * self._parameters * (usage.prompt_tokens + usage.generated_tokens)
        return replace(
            usage,
            flops=flops,
            cost=self.cost(usage.prompt_tokens + usage.cached_tokens, usage.generated_tokens),
        )


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content.strip()} for turn in prompt]


def _stopped(choice: Choice, stop: Sequence[str]) -> bool:
    """Whether a stop string stands in the tokens beyond the text, where the server does not say what ended an answer."""
    spelled = b"".join(token.text for token in choice.tokens or [])
    return any(string.encode() in spelled for string in stop)


def _follow(wanted: bytes, path: Sequence[Token], chat: bool) -> tuple[bytes, float]:
    """How much of a text the likeliest tokens along a path spell, and its log-probability: each time the longest token that fits.

    Behind a token that the path did not take, nothing is known. A chat may begin with a space or not: the likelier counts.
    """
    found, logprob = b"", 0.0
    for token in path:
        spelled = {text: text.lstrip(b" ") if chat and not found else text for text in token.top}
        fitting = [
            text
            for text in spelled
            if spelled[text] and wanted[len(found) :].startswith(spelled[text])
        ]
        if not fitting:
            break
        best = max(fitting, key=lambda text: (len(spelled[text]), token.top[text]))
        found += spelled[best]
        logprob += token.top[best]
        if found == wanted or best != token.text:
            break
    return found, logprob


def _is_text(piece: bytes) -> bool:
    """Whether the bytes are whole characters, and so can be sent."""
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True


def _load_tokenizer(name: str, folder: str) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception for a missing or broken file
        raise UsageError(
            f"model {name}: tokenizer folder {folder} has no readable tokenizer.json ({error})"
        ) from None
