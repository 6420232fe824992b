"""What walks between the rooms. Frozen, and without behaviour beyond reading their own fields.

    Problem     one question with its reference              tasks      -> everyone (the reference: to graders only)
    Message     one turn of a prompt                         prompts    -> engines
    Sampling    how to draw                                  user       -> engines
    Sample      one drawn response                           engines    -> generate, verify
    Score       one verifier's opinion of one response       verify     -> weigh, through the store
    Usage       tokens, FLOPs, seconds                       engines    -> report
    Estimate    a number with its interval and definition    measure    -> report, users

Axes of arrays, named in suffixes: P problems, K responses, M verification draws, T tokens, B bootstrap resamples.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

Finish = Literal["end", "stop", "length"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One question of a task. ``reference`` is the gold answer, and is None wherever an engine or a verifier looks."""

    id: str
    split: str
    question: str
    reference: str | None
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)


def blind(problem: Problem) -> Problem:
    """The problem as engines and verifiers see it: without its reference, and without metadata, which may hold a solution."""
    return replace(problem, reference=None, metadata={})


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``content`` is the plain text; assistant turns begin with the space that follows a colon."""

    role: Literal["user", "assistant"]
    content: str


Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How responses are drawn. ``temperature`` 0 is greedy. ``stop`` strings end a response and are not part of its text."""

    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One response.

    ``logprob``: sum of temperature-1 log-probabilities (nats) of every generated token, up to and including the one that ended the
    response (the end token, or the last token of a stop string). ``finish`` "length" means truncated: no token ended it.
    ``token_ids`` holds exactly the tokens that ``logprob`` sums over. A server may not tell: then ``logprob`` is NaN, ``token_ids`` None,
    and ``count`` the number of tokens, None if that is not known either.
    """

    text: str
    token_ids: tuple[int, ...] | None
    logprob: float
    finish: Finish
    count: int | None = None

    @property
    def tokens(self) -> int | None:
        """How many tokens were generated; None where nobody knows."""
        return self.count if self.token_ids is None else len(self.token_ids)


@dataclass(frozen=True, slots=True)
class Score:
    """A verifier's score of one response in one draw. ``parsed`` False: the verification could not be read and counts 0."""

    score: float
    parsed: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent. ``flops`` counts forward passes at 2 per parameter and token plus attention; ``seconds`` are summed over workers.

    ``cost`` is in dollars, where a server's prices are given. ``failures`` counts requests to a server that failed and were repeated.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    cost: float = 0.0
    failures: int = 0

    @property
    def spent_tokens(self) -> int:
        """Tokens read, from a cache or not, and written: what a server bills and ``--max-tokens-total`` counts."""
        return self.prompt_tokens + self.cached_tokens + self.generated_tokens

    def as_json(self) -> dict[str, int | float]:
        """Every field; cost and failures only where there are any."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value or name not in ("cost", "failures")
        }


def total_usage(usages: Iterable[Usage]) -> Usage:
    """The sum, field by field."""
    rows = list(usages)
    return Usage(**{f.name: sum(getattr(row, f.name) for row in rows) for f in fields(Usage)})


def interval_sign(low: float | None, high: float | None) -> int:
    """Return 1 if the whole interval lies above zero, -1 if below, and 0 if it does not tell."""
    if low is None or high is None:
        return 0
    return int(low > 0) - int(high < 0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, its interval, and what it means.

    ``value`` is None where the quantity is undefined, and ``why`` says so; ``low`` and ``high`` are None where the value stands but
    no interval can be given (one problem, say), again with ``why``. ``n`` counts the problems that the value rests on. ``caution`` says
    why an interval that stands may cover less often than its level.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    definition: str
    why: str | None = None
    caution: str | None = None

    @property
    def interval_sign(self) -> int:
        """Return 1 if the whole interval lies above zero, -1 if below, and 0 if it does not tell."""
        return interval_sign(self.low, self.high)

    def as_json(self, definition: bool = False) -> dict[str, Any]:
        """The contract's form: ``{"value": null, "why": ...}`` where undefined. The definition stands once a document, unless asked for."""
        told = {"definition": self.definition} if definition else {}
        if self.value is None:
            return {"value": None, "why": self.why} | told
        document = {
            k: v for k, v in asdict(self).items() if k not in ("definition", "why", "caution")
        }
        return (
            document
            | {key: text for key, text in (("why", self.why), ("caution", self.caution)) if text}
            | told
        )

    def _repr_html_(self) -> str:
        """In a notebook: the number, its interval, and what it means."""
        rows = {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "problems": self.n,
        }
        cells = "".join(f"<th scope='col'>{name}</th>" for name in rows)
        numbers = "".join(
            f"<td>{'–' if value is None else format(value, '.6g')}</td>" for value in rows.values()
        )
        notes = [self.definition, *(note for note in (self.why, self.caution) if note)]
        told = "".join(
            f"<p style='margin: 0'><small>{html.escape(note)}</small></p>" for note in notes
        )
        return f"<div><table><thead><tr>{cells}</tr></thead><tbody><tr>{numbers}</tr></tbody></table>{told}</div>"

    def __format__(self, spec: str) -> str:
        """``f"{estimate:.1%}"`` gives "41.2% [36.0%, 46.4%]"; an undefined estimate gives a dash."""
        if self.value is None:
            return "–"
        value = format(self.value, spec)
        if self.low is None or self.high is None or math.isnan(self.low):
            return f"{value} [–]"
        return f"{value} [{format(self.low, spec)}, {format(self.high, spec)}]"
