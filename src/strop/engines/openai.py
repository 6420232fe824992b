"""Any server of the OpenAI protocol, hosted or local: ``openai:NAME@URL``, by completions or chat.

The server's abilities are probed when the engine is made (``openai_probe.py``). Requests are
repeated until answered, and every failed attempt is counted (``openai_server.py``). Every sampling
field is sent with every request, since servers fill in unset ones with different values.
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
from strop.engines.openai_answers import Choice, told_usage, whole_characters
from strop.engines.openai_faults import (
    FaultLog,
    check_first_part,
    check_first_scores,
    count_answerless,
    lacks_tokens,
)
from strop.engines.openai_probe import OLLAMA, Probe
from strop.engines.openai_scoring import (
    echo_request,
    ending_logprob,
    follow,
    is_text,
    reaches_its_end,
)
from strop.engines.openai_server import Server
from strop.errors import ModelError, UsageError
from strop.records import Finish, Prompt, Sample, Sampling, Usage, total_usage

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
"""Assumed until the server has counted some tokens."""
SEEDS = 2**31
"""Servers take seeds of different sizes; all take 31 bits."""
PATH_TOKENS = 8
"""Most tokens of a chat's greedy answer that are searched for the spelling of an option."""

Result = TypeVar("Result")


class OpenAIEngine(Engine):
    """A model on a server. ``address`` is NAME@URL.

    ``label``: the name that the user gave, with its settings.
    ``chat``: by chat, or by plain completions; None: by chat if the server answers chats.
    ``concurrency``: most requests in progress at once.
    ``n``: most samples per request.
    ``top``: number of likeliest tokens to request for scoring. Servers allow 20, unless they are
    configured otherwise.
    ``timeout``: most seconds per request.
    ``retries``: attempts after a failed one; the pause before the first is about ``backoff``
    seconds, and doubles each time.
    ``key_env``: the environment variable that holds the key.
    ``price_in``, ``price_out``: dollars per million tokens read and written.
    ``tokenizer``: folder of the model's tokenizer, to count tokens exactly. With it, prompts that
    are too long are refused before anything is sent.
    ``context``: most tokens of a prompt and its response, if the server does not report it.
    ``parameters``: the model's size, for FLOPs.
    """

    worker_threads: ClassVar[bool] = True

    def __init__(
        self,
        address: str,
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
        self._name = label or f"openai:{address}"
        # NAME may contain "@" itself.
        model, at, rest = address.partition("@http")
        if not (at and model):
            raise UsageError(
                f"model {self._name}: expected openai:NAME@URL "
                "as in openai:NAME@http://localhost:8000/v1"
            )
        self._check_at_least(1, concurrency=concurrency, n=n, top=top)
        self._check_at_least(0.001, timeout=timeout)
        self._check_at_least(0, retries=retries, backoff=backoff)
        self._check_at_least(0, price_in=price_in, price_out=price_out, parameters=parameters)
        self._server = Server(
            self._name,
            model,
            f"http{rest}",
            key_env=key_env,
            timeout=timeout,
            retries=retries,
            backoff=backoff,
        )
        self._price_in = price_in
        self._price_out = price_out
        self._parameters = parameters
        self._tokenizer = _load_tokenizer(self._name, tokenizer) if tokenizer else None

        served = {str(entry.get("id")): entry for entry in self._server.models()}
        reported = served.get(model, {}).get("max_model_len")
        self._positions = context or (reported if isinstance(reported, int) else None)
        probe = Probe(self._server, top)
        try:
            self.abilities = probe.find(chat)
        except ModelError as error:
            if not served or model in served:
                raise ModelError(str(error)) from None
            names = ", ".join(sorted(served)[:5])
            raise ModelError(f"{error}; it serves {names}") from None
        self.counts_end_token = self.abilities.ends is not False
        self._per_request = n if self.abilities.several else 1

        self._pool = ThreadPoolExecutor(concurrency)
        self._halts: set[Event] = set()
        self._lock = Lock()
        self._unbilled = probe.usage
        self._say_once = FaultLog(self._name).say
        self._is_first_part = True
        self._is_first_score = True
        if self.abilities.system == OLLAMA:
            self._say_once(
                "Ollama ignores top_k and min_p in requests and applies its own (40 by default); "
                "set PARAMETER top_k 0 in the model's Modelfile"
            )
        self._seen_characters = 0
        self._seen_tokens = 0

    def _check_at_least(self, least: float, **settings: float) -> None:
        for name, value in settings.items():
            if not least <= value < math.inf:
                raise UsageError(
                    f"model {self._name}: {name} is {value:g}; expected {least:g} or more"
                )

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def context(self) -> int | None:
        """None without the model's tokenizer: an estimated length must refuse nothing."""
        return self._positions if self._tokenizer else None

    @property
    def lacks(self) -> Mapping[str, str]:
        missing = {}
        if not self.abilities.logprobs:
            why = self.abilities.why_none
            reason = f"the server gives no log-probabilities at temperature 1 ({why})"
            missing = {"logprob": reason, "score": reason}
        if self.abilities.chat:
            missing["continue"] = "a chat server does not go on from words of the assistant"
        return missing

    def describe(self) -> dict[str, str | int | float]:
        facts = super().describe()
        facts.update(self.abilities.describe())
        facts["openai"] = version("openai")
        return facts

    def render(self, prompt: Prompt) -> str:
        """Return the text itself, or a chat's messages as JSON."""
        if self.abilities.chat:
            return json.dumps(_messages(prompt), ensure_ascii=False)
        return plain_text(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        """Count the tokens with a tokenizer, else estimate from what the server has counted.

        A chat's own marks are not counted by a tokenizer.
        """
        if self._tokenizer:
            text = plain_text(prompt)
            if self.abilities.chat:
                text = "\n".join(turn.content for turn in prompt)
            return len(self._tokenizer.encode(text).ids)
        characters_per_token = CHARACTERS_PER_TOKEN
        with self._lock:
            if self._seen_tokens:
                characters_per_token = self._seen_characters / self._seen_tokens
        return math.ceil(len(self.render(prompt)) / characters_per_token)

    def cost(self, prompt_tokens: int, generated_tokens: int) -> float:
        return (prompt_tokens * self._price_in + generated_tokens * self._price_out) / 1e6

    def reads(self, samples: int) -> int:
        return math.ceil(samples / self._per_request)

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw the responses, several per request if the server can.

        All requests of a call are in progress together, up to ``concurrency``.
        """
        if self._tokenizer:
            for request in requests:
                check_room(self, self.count_tokens(request.prompt), sampling.max_tokens)
        halt = Event()
        jobs: list[Callable[[], tuple[list[Sample], Usage]]] = []
        owners = []
        for index, request in enumerate(requests):
            # Greedy samples of a prompt are all the same, and servers may refuse to draw several.
            seeds = request.seeds[:1] if sampling.temperature == 0 else request.seeds
            for start in range(0, len(seeds), self._per_request):
                part = seeds[start : start + self._per_request]
                jobs.append(partial(self._draw, request.prompt, part, sampling, halt))
                owners.append(index)
        samples: list[list[Sample]] = [[] for _ in requests]
        usages = [self._take_unbilled()]
        for index, (drawn, usage) in zip(owners, self._run_all(jobs, halt), strict=True):
            samples[index] += drawn
            usages.append(usage)
        generation = Generation(samples, self._priced(usages))
        if jobs and self._is_first_part:
            self._is_first_part = False
            check_first_part(
                self.abilities, generation, sampling, self._per_request, self._say_once
            )
        if sampling.temperature == 0:
            for index, request in enumerate(requests):
                samples[index] = samples[index] * len(request.seeds)
        return generation

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        """Return the log-probability of each continuation.

        From the likeliest next tokens, else from the echoed text; NaN if neither gives it.
        """
        reason = self.lacks.get("score")
        if reason:
            raise ModelError(f"{self._name} cannot score texts: {reason}")
        halt = Event()
        distinct = list(dict.fromkeys(prompts))
        jobs = [partial(self._score, prompt, continuations, halt) for prompt in distinct]
        results = self._run_all(jobs, halt)
        scores_of = {}
        usages = [self._take_unbilled()]
        for prompt, (scores, usage) in zip(distinct, results, strict=True):
            scores_of[prompt] = scores
            usages.append(usage)
        logprobs_PC = np.zeros((len(prompts), len(continuations)))
        for p, prompt in enumerate(prompts):
            logprobs_PC[p] = scores_of[prompt]
        if self._is_first_score:
            self._is_first_score = False
            check_first_scores(logprobs_PC, continuations, self._say_once)
        return Scored(logprobs_PC, self._priced(usages))

    def cancel(self) -> None:
        for halt in list(self._halts):
            halt.set()

    # --- requests ---

    def _run_all(self, jobs: Sequence[Callable[[], Result]], halt: Event) -> list[Result]:
        """Return all results in order.

        If one job fails, the others stop: none of their results could be kept.
        """
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
        """Draw one sample for each seed.

        A server that answers with too few is asked for the rest; if it answers with too many, the
        surplus is dropped. Both count as failures.
        """
        samples: list[Sample] = []
        usages = []
        while len(samples) < len(seeds):
            missing = len(seeds) - len(samples)
            body = self._body(prompt, sampling)
            body.update(self.abilities.logprob_fields(0))
            if self.abilities.seed:
                body["seed"] = seeds[len(samples)] % SEEDS
            body["n"] = missing
            answer = self._server.ask(self.abilities.path, body, halt)
            # The server's token count is that of all its answers together.
            count = answer.usage.generated_tokens if len(answer.choices) == 1 else None
            kept = answer.choices[:missing]
            drawn = [self._read_sample(choice, sampling, count) for choice in kept]
            samples += drawn
            usage = told_usage(answer.usage, answer.choices)
            wrong = int(len(answer.choices) != missing)
            empty, refused = count_answerless(kept, drawn, self._say_once)
            usages.append(
                replace(usage, failures=usage.failures + wrong, empty=empty, refused=refused)
            )
            self._learn_rate(prompt, answer.usage)
        return samples, total_usage(usages)

    def _body(self, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
        """Return a request with the prompt and every sampling field that the server knows."""
        body = dict(self.abilities.always)
        if self.abilities.chat:
            body["messages"] = _messages(prompt)
        else:
            body["prompt"] = whole_characters(plain_text(prompt))
        body["temperature"] = sampling.temperature
        body["top_p"] = sampling.top_p
        body[self.abilities.limit] = sampling.max_tokens
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        return body

    def _read_sample(self, choice: Choice, sampling: Sampling, count: int | None) -> Sample:
        """Return the answer as a sample.

        Its log-probability is NaN unless that of every token is known, including the one that ended
        it. ``count``: the server's own count of its tokens, if known.
        """
        text, is_cut = cut_at_stop(choice.text, sampling.stop)
        tokens = choice.tokens or []
        ids = choice.token_ids
        if ids is not None and tokens and not self.counts_end_token:
            ids = ids[: len(tokens)]  # the ids alone may include the end token
        finish: Finish = choice.finish
        if is_cut or (choice.finish == "end" and _has_stop(choice, sampling.stop)):
            finish = "stop"
        logprob = math.nan
        if tokens and self.abilities.logprobs:
            logprob = sum(token.logprob for token in tokens)
        lacks_end = finish != "length" and self.counts_end_token and not reaches_its_end(choice)
        differs = ids is not None and len(ids) != len(tokens)
        spelled_wrong = bool(tokens) and not choice.is_spelled
        is_merged = lacks_tokens(self.abilities, choice, count, sampling.max_tokens)
        if is_cut or lacks_end or differs or spelled_wrong or is_merged:
            logprob = math.nan
        if spelled_wrong:
            self._say_once(
                "the server listed tokens that do not spell its text; "
                "the log-probability of such a response is unknown"
            )
        length = count if is_merged else len(tokens) or count
        return Sample(text, ids, logprob, finish, length)

    # --- scoring ---

    def _score(
        self, prompt: Prompt, continuations: Sequence[str], halt: Event
    ) -> tuple[list[float], Usage]:
        """Return the log-probability of each continuation after one prompt."""
        usages: list[Usage] = []
        scores = self._score_by_likeliest(prompt, continuations, halt, usages)
        if self.abilities.echo and any(map(math.isnan, scores)):
            body = echo_request(self.abilities.always, plain_text(prompt), continuations)
            answer = self._server.ask(self.abilities.path, body, halt)
            usages.append(answer.usage)
            if len(answer.choices) == len(continuations):
                scores = []
                for choice, text in zip(answer.choices, continuations, strict=True):
                    scores.append(ending_logprob(choice.tokens or [], text))
        return scores, total_usage(usages)

    def _score_by_likeliest(
        self, prompt: Prompt, continuations: Sequence[str], halt: Event, usages: list[Usage]
    ) -> list[float]:
        """Follow each continuation through the likeliest tokens; NaN if they do not spell it.

        A plain text, unlike a chat, can be requested again with a part of the continuation at its
        end, so that a continuation of several tokens is followed token by token.
        """
        chat = self.abilities.chat
        can_ask_again = not chat and not self.abilities.echo
        sampling = Sampling(0.0, 1.0, PATH_TOKENS if chat else 1)
        scores = [0.0] * len(continuations)
        # The part of each open continuation that is spelled so far.
        spelled = {index: b"" for index in range(len(continuations))}
        while spelled:
            begun = next(iter(spelled.values()))
            same_start = [index for index, text in spelled.items() if text == begun]
            body = self._body(prompt, sampling)
            body.update(self.abilities.logprob_fields(self.abilities.top))
            body["n"] = 1
            if not chat:
                body["prompt"] += begun.decode()
            answer = self._server.ask(self.abilities.path, body, halt)
            usages.append(answer.usage)
            for index in same_start:
                text = continuations[index].strip() if chat else continuations[index]
                wanted = text.encode()[len(begun) :]
                piece, logprob = follow(wanted, answer.choices[0].tokens or [], chat)
                scores[index] += logprob
                del spelled[index]
                if piece == wanted:
                    continue
                if piece and can_ask_again and is_text(piece):
                    spelled[index] = begun + piece
                else:
                    scores[index] = math.nan
        return scores

    # --- usage ---

    def _learn_rate(self, prompt: Prompt, usage: Usage) -> None:
        """Note how many characters and tokens a prompt has, to estimate later token counts."""
        with self._lock:
            self._seen_characters += len(self.render(prompt))
            self._seen_tokens += usage.prompt_tokens + usage.cached_tokens

    def _take_unbilled(self) -> Usage:
        """Return the cost of probing, once: it belongs to the first call."""
        with self._lock:
            usage = self._unbilled
            self._unbilled = Usage()
        return usage

    def _priced(self, usages: Sequence[Usage]) -> Usage:
        """Return the sum with its price and FLOPs.

        Cached tokens are priced at the full rate. FLOPs are 2 per parameter and token.
        """
        usage = total_usage(usages)
        flops = 2.0 * self._parameters * (usage.prompt_tokens + usage.generated_tokens)
        cost = self.cost(usage.prompt_tokens + usage.cached_tokens, usage.generated_tokens)
        return replace(usage, flops=flops, cost=cost)


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    return [
        {"role": turn.role, "content": whole_characters(turn.content.strip())} for turn in prompt
    ]


def _has_stop(choice: Choice, stop: Sequence[str]) -> bool:
    """Return whether the tokens contain a stop string, which the answer's text does not.

    This shows what ended the answer if the server does not report it.
    """
    spelled = b"".join(token.text for token in choice.tokens or [])
    return any(string.encode() in spelled for string in stop)


def _load_tokenizer(name: str, folder: str) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    except Exception as error:  # tokenizers raises bare Exception for a missing or broken file
        raise UsageError(
            f"model {name}: tokenizer folder {folder} has no readable tokenizer.json ({error})"
        ) from None
