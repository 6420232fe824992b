"""What a server can do, found out by a few tiny requests before anything else is sent.

Each ability is asked for together with all others; only where that is refused, one by one. What is refused is never sent again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from strop.engines.openai_server import CHAT, COMPLETIONS, Answer, Choice, Refused, Server, Token
from strop.errors import ModelError
from strop.records import Usage, total_usage

QUESTION = "Question: 2+3\nAnswer:"
PROBE_TOKENS = 16
OPTIONS = (" Correct", " Incorrect")
FEWER_TOP = 5
"""How many of the likeliest tokens a server reports that does not report as many as asked for."""
REQUIRED = {"temperature": 0.5, "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
SAMPLERS = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""All off. Servers that know these fields fill unset ones from the model's own configuration."""
TEMPERATURE_SHIFT = 0.3
"""Log-probabilities after temperature 0.5 have differences twice as large; ours may vary by rounding, far below this share."""


@dataclass(frozen=True)
class Abilities:
    """What a server can do. ``always`` holds the fields that every request carries.

    ``limit``: what it calls the most tokens to generate. ``several``: it honours n. ``logprobs``: at temperature 1; ``why_none`` says why
    not. ``ends``: they include the token that ended a response, None if no probe could tell. ``top``: how many likeliest tokens it reports.
    ``echo``: it scores a given text.
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
        """The fields that ask for log-probabilities and this many likeliest tokens in each place."""
        if not self.logprobs:
            return {}
        return (
            {"logprobs": True, "top_logprobs": min(top, self.top)}
            if self.chat
            else {"logprobs": min(max(1, top), self.top)}
        )

    def describe(self) -> dict[str, str]:
        """In words, for the run record."""
        ending = {
            True: "with the token that ended a response",
            False: "without the token that ended a response",
            None: "end not seen",
        }
        scoring = [
            way
            for way, can in (("likeliest tokens", self.logprobs), ("echoed text", self.echo))
            if can
        ]
        return {
            "interface": "chat" if self.chat else "completions",
            "samples_per_request": "several" if self.several else "one",
            "log_probabilities": f"temperature 1, {ending[self.ends]}"
            if self.logprobs
            else f"none: {self.why_none}",
            "scores_texts_by": ", ".join(scoring) or "nothing",
            "token_ids": "given" if self.token_ids else "not given",
            "seed": "sent" if self.seed else "refused",
            "top_k": "sent as off" if "top_k" in self.always else "not known to the server",
        } | ({"server": self.system} if self.system else {})


@dataclass(slots=True)
class Probe:
    """Asks, and adds up what asking cost. ``top``: how many likeliest tokens to ask for."""

    server: Server
    top: int
    usage: Usage = field(default_factory=Usage)

    def find(self, chat: bool | None) -> Abilities:
        """What the server can do, by chat or by completions: chat where it answers one and nothing else is asked for."""
        refusals = []
        for is_chat in (True, False) if chat is None else (chat,):
            try:
                return self._abilities(is_chat)
            except Refused as error:
                if error.status in (401, 403):
                    raise
                refusals.append(error)
        raise refusals[0] if chat or refusals[0].status not in (404, 405) else refusals[-1]

    def _ask(self, path: str, body: Mapping[str, Any]) -> Answer:
        answer = self.server.ask(path, body)
        self.usage = total_usage([self.usage, answer.usage])
        return answer

    def _abilities(self, chat: bool) -> Abilities:
        path = CHAT if chat else COMPLETIONS
        body, answer = self._accepted(chat, path)
        several = len(answer.choices) == 2 or (
            "n" in body and len(self._ask(path, body).choices) == 2
        )  # once may be an accident
        first = answer.choices[0]
        abilities = Abilities(
            chat=chat,
            always={
                name: body[name]
                for name in ("presence_penalty", "frequency_penalty", *SAMPLERS)
                if name in body
            }
            | ({"return_token_ids": True} if first.token_ids is not None else {}),
            limit="max_tokens" if "max_tokens" in body else "max_completion_tokens",
            seed="seed" in body,
            several=several,
            top=int(body["top_logprobs"] if chat else body["logprobs"])
            if "logprobs" in body
            else 0,
            token_ids=first.token_ids is not None,
            system=answer.system,
        )
        if not first.tokens:
            return replace(abilities, why_none="the server gives none")
        if self._after_temperature(path, body, first.tokens[0]):
            return replace(
                abilities, why_none="the server's are those after temperature, not at temperature 1"
            )
        ends = self._counts_end(path, body, answer.choices)
        return replace(
            abilities, logprobs=True, ends=ends, echo=not chat and self._echoes(abilities)
        )

    def _accepted(self, chat: bool, path: str) -> tuple[dict[str, Any], Answer]:
        """The fullest request that the server takes, and its answer. Refused where it does not even take the plainest."""
        said = (
            {"messages": [{"role": "user", "content": QUESTION}]} if chat else {"prompt": QUESTION}
        )
        tops = [
            {"logprobs": True, "top_logprobs": n} if chat else {"logprobs": n}
            for n in (self.top, FEWER_TOP)
        ]
        groups: list[list[dict[str, Any]]] = [
            [{"seed": 1}],
            [{"n": 2}],
            [SAMPLERS],
            tops,
            [{"return_token_ids": True}],
        ]
        plain = said | REQUIRED | {"max_tokens": PROBE_TOKENS}
        full = plain
        for group in groups:
            full = full | group[0]
        try:
            return full, self._ask(path, full)
        except Refused as error:
            if error.status in (401, 403, 404, 405):
                raise
        body, answer = self._plainest(path, said, plain)
        for group in groups:
            for fields in group:
                try:
                    answer, body = self._ask(path, body | fields), body | fields
                    break
                except Refused:
                    continue
        return body, answer

    def _plainest(
        self, path: str, said: dict[str, Any], plain: dict[str, Any]
    ) -> tuple[dict[str, Any], Answer]:
        try:
            return plain, self._ask(path, plain)
        except Refused as first:
            renamed = said | REQUIRED | {"max_completion_tokens": PROBE_TOKENS}
            try:
                return renamed, self._ask(path, renamed)
            except Refused:
                raise first from None

    def _after_temperature(self, path: str, body: Mapping[str, Any], cold: Token) -> bool:
        """Whether log-probabilities change with temperature: the same first place at temperature 1."""
        warm = self._ask(path, dict(body) | {"temperature": 1.0})
        tokens = warm.choices[0].tokens
        both = (
            sorted(set(cold.top) & set(tokens[0].top), key=lambda text: -cold.top[text])
            if tokens
            else []
        )
        if len(both) < 2:
            return False
        one, other = (
            top[both[0]] - top[both[-1]] for top in (cold.top, tokens[0].top if tokens else {})
        )
        return not math.isfinite(one) or abs(one - other) > TEMPERATURE_SHIFT * max(
            abs(one), abs(other)
        )

    def _counts_end(
        self, path: str, body: Mapping[str, Any], choices: Sequence[Choice]
    ) -> bool | None:
        """Whether the tokens reach beyond the text of an answer that ended: by itself in the probe, or at a stop string from its text."""
        ended = [choice for choice in choices if choice.finish != "length"]
        letters = "".join(dict.fromkeys("".join(choice.text for choice in choices)[1:]))[:4]
        if not ended and letters:
            ended = [
                choice
                for choice in self._ask(path, dict(body) | {"stop": list(letters)}).choices
                if choice.finish != "length"
            ]
        return any(reaches_its_end(choice) for choice in ended) if ended else None

    def _echoes(self, abilities: Abilities) -> bool:
        """Whether a given text can be scored: its tokens come back with log-probabilities, for two texts in one request."""
        try:
            answer = self._ask(COMPLETIONS, echo_request(abilities, QUESTION, OPTIONS))
        except ModelError:
            return False
        return len(answer.choices) == len(OPTIONS) and all(
            not math.isnan(ending_logprob(choice.tokens or [], option))
            for choice, option in zip(answer.choices, OPTIONS, strict=True)
        )


def reaches_its_end(choice: Choice) -> bool:
    """Whether an answer's tokens include the one that ended it, which is no part of its text."""
    if not choice.tokens:
        return False
    return not choice.tokens[-1].text or sum(len(token.text) for token in choice.tokens) > len(
        choice.text.encode(errors="replace")
    )


def echo_request(abilities: Abilities, prompt: str, continuations: Sequence[str]) -> dict[str, Any]:
    """Ask for the log-probabilities of given texts; nothing is generated, so how to sample does not matter, but is said."""
    texts = [prompt + continuation for continuation in continuations]
    return {
        **abilities.always,
        "prompt": texts,
        "echo": True,
        "logprobs": 1,
        "max_tokens": 0,
        "temperature": 1.0,
        "top_p": 1.0,
        "n": 1,
    }


def ending_logprob(tokens: Sequence[Token], ending: str) -> float:
    """Log-probability of the tokens that spell the end of a text; NaN where no whole tokens do (it merged with what precedes it).

    Servers may write a token without the space that it begins with; the space alone may also be a token, and then counts.
    """
    wanted, spelled, total, bare = ending.encode(), b"", 0.0, math.nan
    for token in reversed(tokens):
        spelled, total = token.text + spelled, total + token.logprob
        if spelled == wanted:
            return total
        if spelled == wanted.lstrip():
            bare = total
        if len(spelled) > len(wanted):
            break
    return bare
