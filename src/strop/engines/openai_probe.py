"""Find out what a server can do, by a few tiny requests before anything else is sent.

All abilities are requested together; only if that is refused, one by one. A field that is refused
is never sent again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from strop.engines.openai_answers import Answer, Choice, Token, told_usage
from strop.engines.openai_scoring import echo_request, ending_logprob, reaches_its_end
from strop.engines.openai_server import CHAT, COMPLETIONS, KEY_STATUSES, Refused, Server
from strop.errors import ModelError
from strop.records import Usage, total_usage

QUESTION = "Question: 2+3\nAnswer:"
PROBE_TOKENS = 16
OPTIONS = (" Correct", " Incorrect")
FEWER_TOP = 5
"""Number of likeliest tokens to request if the server refuses the full number."""
REQUIRED = {"temperature": 0.5, "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
SAMPLERS = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""All off. Servers that know these fields fill unset ones from the model's own configuration."""
LLAMA_SAMPLERS = {
    "repeat_penalty": 1.0,
    "typical_p": 1.0,
    "top_n_sigma": -1.0,
    "xtc_probability": 0.0,
    "dry_multiplier": 0.0,
    "dynatemp_range": 0.0,
    "mirostat": 0,
}
"""The other samplers of llama.cpp, all off; some are on unless a request says otherwise."""
LLAMA_BUILD = re.compile(r"b\d+-")
"""The beginning of a build's name of llama.cpp."""
OLLAMA = "fp_ollama"
"""Ollama's build. It ignores all samplers but temperature and top-p, and applies its own."""
TEMPERATURE_SHIFT = 0.3
"""Log-probabilities computed after temperature 0.5 have differences twice as large. Those of
temperature 1 vary by rounding only, far below this share."""
MISSING_STATUSES = (404, 405)
"""Status codes of an interface that the server does not have."""


@dataclass(frozen=True)
class Abilities:
    """The abilities of a server.

    ``chat``: answer chats, else completions. ``always``: the fields that every request contains.
    ``limit``: the name of the field for the most tokens to generate. ``seed``: take a seed.
    ``several``: honour n. ``logprobs``: give log-probabilities at temperature 1; ``why_none`` is
    the reason if not. ``ends``: these include the token that ended a response; None if no probe
    showed it. ``top``: the most likeliest tokens per position. ``token_ids``: give the ids of an
    answer's tokens. ``echo``: score a given text. ``system``: the build of the server.
    """

    chat: bool
    always: Mapping[str, Any] = field(default_factory=dict)
    limit: str = "max_tokens"
    seed: bool = False
    several: bool = False
    logprobs: bool = False
    why_none: str = ""
    ends: bool | None = None
    top: int = 0
    token_ids: bool = False
    echo: bool = False
    system: str = ""

    @property
    def path(self) -> str:
        return CHAT if self.chat else COMPLETIONS

    def logprob_fields(self, top: int) -> dict[str, Any]:
        """Return the fields that request log-probabilities and ``top`` likeliest tokens."""
        if not self.logprobs:
            return {}
        if self.chat:
            # With 0 likeliest tokens, llama.cpp gives no log-probabilities at all.
            return {"logprobs": True, "top_logprobs": min(max(1, top), self.top)}
        return {"logprobs": min(max(1, top), self.top)}

    def describe(self) -> dict[str, str]:
        """Describe the abilities in words, for the run record."""
        endings = {
            True: "with the token that ended a response",
            False: "without the token that ended a response",
            None: "end not seen",
        }
        log_probabilities = f"none: {self.why_none}"
        ways = []
        if self.logprobs:
            log_probabilities = f"temperature 1, {endings[self.ends]}"
            ways.append("likeliest tokens")
        if self.echo:
            ways.append("echoed text")
        facts = {
            "interface": "chat" if self.chat else "completions",
            "samples_per_request": "several" if self.several else "one",
            "log_probabilities": log_probabilities,
            "scores_texts_by": ", ".join(ways) or "nothing",
            "token_ids": "given" if self.token_ids else "not given",
            "seed": "sent" if self.seed else "refused",
            "top_k": "sent as off" if "top_k" in self.always else "not known to the server",
        }
        if self.system:
            facts["server"] = self.system
        return facts


@dataclass(slots=True)
class Probe:
    """Sends the probing requests and adds up their cost.

    ``top``: the number of likeliest tokens to request.
    """

    server: Server
    top: int
    usage: Usage = field(default_factory=Usage)

    def find(self, chat: bool | None) -> Abilities:
        """Return the abilities of the server.

        ``chat`` None: by chat if the server answers chats, else by completions.
        """
        refusals = []
        for by_chat in (True, False) if chat is None else (chat,):
            try:
                return self._find(by_chat)
            except Refused as error:
                if error.status in KEY_STATUSES:
                    raise
                refusals.append(error)
        # A missing chat interface explains nothing; the refusal of the completions does.
        if chat or refusals[0].status not in MISSING_STATUSES:
            raise refusals[0]
        raise refusals[-1]

    def _ask(self, path: str, body: Mapping[str, Any]) -> Answer:
        answer = self.server.ask(path, body)
        usage = answer.usage if body.get("echo") else told_usage(answer.usage, answer.choices)
        self.usage = total_usage([self.usage, usage])
        return answer

    def _find(self, chat: bool) -> Abilities:
        path = CHAT if chat else COMPLETIONS
        body, answer = self._fullest_request(chat, path)
        abilities = self._read_abilities(chat, path, body, answer)
        tells_tokens = abilities.logprobs or abilities.token_ids
        if abilities.several and not tells_tokens and not self._counts_all(path, body):
            # Only one answer at a time has a token count that can be trusted.
            return replace(abilities, several=False)
        return abilities

    def _read_abilities(
        self, chat: bool, path: str, body: dict[str, Any], answer: Answer
    ) -> Abilities:
        first = answer.choices[0]
        always = {}
        for name in ("presence_penalty", "frequency_penalty", *SAMPLERS, *LLAMA_SAMPLERS):
            ignored = answer.system == OLLAMA and name in (SAMPLERS | LLAMA_SAMPLERS)
            if name in body and not ignored:
                always[name] = body[name]
        if first.token_ids is not None:
            always["return_token_ids"] = True
        top = 0
        if "logprobs" in body:
            top = int(body["top_logprobs"] if chat else body["logprobs"])
        abilities = Abilities(
            chat=chat,
            always=always,
            limit="max_tokens" if "max_tokens" in body else "max_completion_tokens",
            seed="seed" in body,
            several=self._gives_several(path, body, answer),
            top=top,
            token_ids=first.token_ids is not None,
            system=answer.system,
        )
        if not first.tokens:
            return replace(abilities, why_none="the server gives none")
        if not first.is_spelled:
            return replace(abilities, why_none="the server's tokens do not spell its text")
        if self._after_temperature(path, body, first.tokens[0]):
            return replace(
                abilities, why_none="the server's are those after temperature, not at temperature 1"
            )
        ends = self._counts_end(path, body, answer.choices)
        echo = not chat and self._echoes(abilities)
        return replace(abilities, logprobs=True, ends=ends, echo=echo)

    def _fullest_request(self, chat: bool, path: str) -> tuple[dict[str, Any], Answer]:
        """Return the request with the most fields that the server takes, and its answer.

        Raise Refused if the server does not even take the plainest request.
        """
        question: dict[str, Any] = {"prompt": QUESTION}
        if chat:
            question = {"messages": [{"role": "user", "content": QUESTION}]}
        # Each group holds alternatives: the first one that is accepted is used.
        groups: list[list[dict[str, Any]]] = [
            [{"seed": 1}],
            [{"n": 2}],
            [SAMPLERS],
            [LLAMA_SAMPLERS],
            [_top_fields(chat, self.top), _top_fields(chat, FEWER_TOP)],
            [{"return_token_ids": True}],
        ]
        body = question | REQUIRED | {"max_tokens": PROBE_TOKENS}
        full = dict(body)
        for group in groups:
            full |= group[0]
        try:
            return full, self._ask(path, full)
        except Refused as error:
            if error.status in (*KEY_STATUSES, *MISSING_STATUSES):
                raise
        body, answer = self._plainest_request(path, question)
        for group in groups:
            if group == [LLAMA_SAMPLERS] and not LLAMA_BUILD.match(answer.system):
                continue  # a server that refuses fields has refused these
            for fields in group:
                try:
                    answer = self._ask(path, body | fields)
                except Refused:
                    continue
                body = body | fields
                break
        return body, answer

    def _plainest_request(
        self, path: str, question: dict[str, Any]
    ) -> tuple[dict[str, Any], Answer]:
        """Return a request with the required fields; newer models rename the token limit."""
        body = question | REQUIRED | {"max_tokens": PROBE_TOKENS}
        try:
            return body, self._ask(path, body)
        except Refused as first:
            renamed = question | REQUIRED | {"max_completion_tokens": PROBE_TOKENS}
            try:
                return renamed, self._ask(path, renamed)
            except Refused:
                raise first from None

    def _gives_several(self, path: str, body: Mapping[str, Any], answer: Answer) -> bool:
        """Return whether the server honours n."""
        if len(answer.choices) == 2:
            return True
        # A single wrong answer may be an accident, so it is asked again.
        return "n" in body and len(self._ask(path, body).choices) == 2

    def _counts_all(self, path: str, body: Mapping[str, Any]) -> bool:
        """Return whether the server's usage counts all answers of a request, not one of them."""
        limit = "max_tokens" if "max_tokens" in body else "max_completion_tokens"
        try:
            answer = self._ask(path, {**body, limit: 1})
        except Refused:
            return False
        return answer.usage.generated_tokens >= len(answer.choices)

    def _after_temperature(self, path: str, body: Mapping[str, Any], cold: Token) -> bool:
        """Return whether log-probabilities change with the temperature.

        ``cold``: the first token at temperature 0.5, to be compared with that at temperature 1.
        """
        warm = self._ask(path, {**body, "temperature": 1.0})
        tokens = warm.choices[0].tokens
        if not tokens:
            return False
        shared = set(cold.top) & set(tokens[0].top)
        if len(shared) < 2:
            return False
        ranked = sorted(shared, key=lambda text: (cold.top[text], text))
        cold_gap = cold.top[ranked[-1]] - cold.top[ranked[0]]
        warm_gap = tokens[0].top[ranked[-1]] - tokens[0].top[ranked[0]]
        if not math.isfinite(cold_gap):
            return True
        return abs(cold_gap - warm_gap) > TEMPERATURE_SHIFT * max(abs(cold_gap), abs(warm_gap))

    def _counts_end(
        self, path: str, body: Mapping[str, Any], choices: Sequence[Choice]
    ) -> bool | None:
        """Return whether the tokens of an answer that ended reach beyond its text.

        If no probe ended by itself, another one ends at a stop string taken from their texts. None
        if that does not end either.
        """
        ended = _ended(choices)
        text = "".join(choice.text for choice in choices)[1:]
        letters = "".join(dict.fromkeys(text))[:4]
        if not ended and letters:
            ended = _ended(self._ask(path, {**body, "stop": list(letters)}).choices)
        if not ended:
            return None
        return any(reaches_its_end(choice) for choice in ended)

    def _echoes(self, abilities: Abilities) -> bool:
        """Return whether two given texts in one request come back with log-probabilities."""
        try:
            answer = self._ask(COMPLETIONS, echo_request(abilities.always, QUESTION, OPTIONS))
        except ModelError:
            return False
        if len(answer.choices) != len(OPTIONS):
            return False
        for choice, option in zip(answer.choices, OPTIONS, strict=True):
            if math.isnan(ending_logprob(choice.tokens or [], option)):
                return False
        return True


def _top_fields(chat: bool, top: int) -> dict[str, Any]:
    if chat:
        return {"logprobs": True, "top_logprobs": top}
    return {"logprobs": top}


def _ended(choices: Iterable[Choice]) -> list[Choice]:
    return [choice for choice in choices if choice.finish != "length"]
