"""The values that rooms pass to each other. They are frozen, and only read their own fields.

    Problem     one question with its reference              tasks      -> everyone
    Message     one turn of a prompt                         prompts    -> engines
    Sampling    the settings of drawing                      user       -> engines
    Sample      one drawn response                           engines    -> generate, verify
    Score       one verifier's score of one response         verify     -> weigh, through the store
    Usage       tokens, FLOPs, seconds                       engines    -> report
    Estimate    a number with its interval and definition    measure    -> report, users

Only graders see a problem's reference.

Axes of arrays are named in suffixes: P problems, K responses, M verification draws, T tokens,
B bootstrap resamples.
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
    """One question of a task.

    ``reference`` is the gold answer. It is None in every problem that engines and verifiers get.
    """

    id: str
    split: str
    question: str
    reference: str | None
    metadata: Mapping[str, str | int | float] = field(default_factory=dict)


def blind(problem: Problem) -> Problem:
    """Return the problem as engines and verifiers see it, without its reference.

    The metadata is removed too, because it may hold a solution.
    """
    return replace(problem, reference=None, metadata={})


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a prompt.

    ``content`` is the plain text; assistant turns begin with the space that follows a colon.
    """

    role: Literal["user", "assistant"]
    content: str


Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The settings with which responses are drawn.

    ``temperature`` 0 is greedy. ``stop`` strings end a response and are not part of its text.
    """

    temperature: float
    top_p: float
    max_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One response.

    ``token_ids``: the generated tokens, up to and including the one that ended the response (the
    end token, or the last token of a stop string).
    ``logprob``: the sum of their temperature-1 log-probabilities, in nats.
    ``finish``: "length" means truncated; no token ended the response.

    A server may not report them: then ``logprob`` is NaN, ``token_ids`` None, and ``count`` the
    number of tokens, None if that is unknown too.
    """

    text: str
    token_ids: tuple[int, ...] | None
    logprob: float
    finish: Finish
    count: int | None = None

    @property
    def tokens(self) -> int | None:
        """The number of generated tokens; None if unknown."""
        return self.count if self.token_ids is None else len(self.token_ids)


@dataclass(frozen=True, slots=True)
class Score:
    """A verifier's score of one response in one draw.

    ``parsed`` is False if the verification could not be read; its score is then 0.
    """

    score: float
    parsed: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """The resources that some work took.

    ``flops`` counts forward passes at 2 per parameter and token plus attention. ``seconds`` are
    summed over workers. ``cost`` is in dollars, where a server's prices are given. ``failures``
    counts requests to a server that failed and were repeated.

    The other fields count responses: ``empty`` of a server, without any text; ``refused`` by it;
    ``thoughts``, with a span of thinking that was removed; ``unclosed``, cut off while thinking;
    ``cut``, verifications that the limit of tokens ended before they could be read.
    Of questions that offer options: ``options`` counts those whose options have a known
    probability, ``option_mass`` is the sum of what the options hold together, and ``low_mass``
    counts the questions where that is below a tenth.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    cost: float = 0.0
    failures: int = 0
    empty: int = 0
    refused: int = 0
    thoughts: int = 0
    unclosed: int = 0
    options: int = 0
    option_mass: float = 0.0
    low_mass: int = 0
    cut: int = 0

    @property
    def spent_tokens(self) -> int:
        """All tokens read (cached ones too) and written: what ``--max-tokens-total`` counts."""
        return self.prompt_tokens + self.cached_tokens + self.generated_tokens

    def as_json(self) -> dict[str, int | float]:
        """Return what was spent and counted; fields after ``seconds`` only if they are not 0.

        The probability of options is no cost; it is reported with the verifier.
        """
        rare = ("cost", "failures", "empty", "refused", "thoughts", "unclosed", "cut")
        of_options = ("options", "option_mass", "low_mass")
        document = {}
        for name, value in asdict(self).items():
            if name not in of_options and (value or name not in rare):
                document[name] = value
        return document


def total_usage(usages: Iterable[Usage]) -> Usage:
    """Return the sum, field by field."""
    rows = list(usages)
    return Usage(**{f.name: sum(getattr(row, f.name) for row in rows) for f in fields(Usage)})


def interval_sign(low: float | None, high: float | None) -> int:
    """Return 1 if the whole interval lies above zero, -1 if below, and else 0.

    It is 0 if the interval contains zero, and if there is none.
    """
    if low is None or high is None:
        return 0
    return int(low > 0) - int(high < 0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, its interval, and its definition.

    ``value`` is None where the quantity is undefined; ``why`` is the reason. ``low`` and ``high``
    are None where the value has no interval (with one problem, say), again with ``why``.
    ``n`` is the number of problems behind the value. ``caution`` says why an interval may cover
    less often than its level.
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
        """1 if the whole interval lies above zero, -1 if below, and else 0."""
        return interval_sign(self.low, self.high)

    def as_json(self, definition: bool = False) -> dict[str, Any]:
        """Return the JSON form: ``{"value": null, "why": ...}`` where undefined.

        A document states each definition once, so it is left out unless ``definition`` is true.
        """
        document: dict[str, Any] = {"value": self.value}
        if self.value is None:
            document["why"] = self.why
        else:
            document |= {"low": self.low, "high": self.high, "level": self.level, "n": self.n}
            if self.why:
                document["why"] = self.why
            if self.caution:
                document["caution"] = self.caution
        if definition:
            document["definition"] = self.definition
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Estimate:
        """Return the estimate that ``as_json`` wrote. KeyError or ValueError for anything else."""
        numbers = [document.get(name) for name in ("value", "low", "high")]
        value, low, high = [None if number is None else float(number) for number in numbers]
        return cls(
            value,
            low,
            high,
            level=float(document.get("level", 0.95)),
            n=int(document.get("n", 0)),
            definition=str(document.get("definition", "")),
            why=document.get("why"),
            caution=document.get("caution"),
        )

    def _repr_html_(self) -> str:
        """Return a table of the number and its interval, with notes, for a notebook."""
        columns = {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "problems": self.n,
        }
        header = "".join(f"<th scope='col'>{name}</th>" for name in columns)
        cells = ""
        for number in columns.values():
            cells += f"<td>{'–' if number is None else format(number, '.6g')}</td>"
        notes = ""
        for note in (self.definition, self.why, self.caution):
            if note:
                notes += f"<p style='margin: 0'><small>{html.escape(note)}</small></p>"
        head = f"<thead><tr>{header}</tr></thead>"
        return f"<div><table>{head}<tbody><tr>{cells}</tr></tbody></table>{notes}</div>"

    def __format__(self, spec: str) -> str:
        """Format the value and its interval.

        ``f"{estimate:.1%}"`` gives "41.2% [36.0%, 46.4%]"; an undefined estimate gives a dash.
        """
        if self.value is None:
            return "–"
        value = format(self.value, spec)
        if self.low is None or self.high is None or math.isnan(self.low):
            return f"{value} [–]"
        return f"{value} [{format(self.low, spec)}, {format(self.high, spec)}]"
