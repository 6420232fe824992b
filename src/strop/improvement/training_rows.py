"""What a run's responses teach: the rows that trainers take, made of stored samples and weights.

No reference is read: weights come from scores, and the oracle's scores alone know what is right. A truncated response teaches nothing but
to be cut off, and is left out; what is left out is counted.

Axes: P problems, K responses.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from strop.distill.base import Comparison, Ids, Preference, Row, Weighted
from strop.errors import UsageError
from strop.measure.intervals import Floats
from strop.run.run import Run
from strop.seeds import derive

Distinct = Literal["", "answer", "text"]
Balance = Literal["problems", "responses", "hard"]


@dataclass(frozen=True)
class Keeping:
    """Which of the responses that a weight keeps are trained on, and how much each problem counts; what may keep diversity.

    ``cap``: at most so many of a problem, drawn by lot. ``distinct``: of those with the same answer, or the same text, one. ``balance``:
    "problems" count the same, which is f[w] itself; "responses" count the same, so that easy problems count more, as when all kept
    responses are thrown together; "hard" weighs a problem by 1 / (its share of kept weight), the verifier's own guess of its accuracy.
    """

    cap: int | None = None
    distinct: Distinct = ""
    balance: Balance = "problems"

    def __post_init__(self) -> None:
        if self.cap is not None and self.cap < 1:
            raise UsageError(f"--cap {self.cap}: expected 1 or more")
        for name, known in (("distinct", get_args(Distinct)), ("balance", get_args(Balance))):
            if getattr(self, name) not in known:
                raise UsageError(
                    f"--{name} {getattr(self, name)}: expected {' or '.join(filter(None, known))}"
                )


@dataclass(frozen=True)
class Harvest:
    """``rows``, and of how many problems; ``problems_without`` gave none; so many ``truncated`` responses were not looked at."""

    rows: Sequence[Row]
    problems: int
    problems_without: int
    truncated: int


def weighted(run: Run, weight_PK: Floats, keeping: Keeping = Keeping()) -> Harvest:
    """Each response with its weight under f[w]: a problem's weights sum to 1 (unless ``keeping`` balances otherwise), one without a
    survivor teaches nothing."""
    rows: list[Row] = []
    for field, own_K in zip(_fields(run), weight_PK, strict=True):
        kept = [number for number in field.whole if own_K[number] > 0]
        if not kept:
            continue
        share = sum(own_K[number] for number in kept) / (
            max(own_K[number] for number in kept) * len(own_K)
        )
        counts = {"problems": 1.0, "responses": share * len(own_K), "hard": 1 / share}[
            keeping.balance
        ]
        chosen = _thinned(field, kept, keeping, run.plan.seed)
        total = sum(own_K[number] for number in chosen)
        rows += [
            Weighted(field.problem, field.prompt, field.tokens[n], float(own_K[n] * counts / total))
            for n in chosen
        ]
    return _harvest(run, rows)


def _thinned(field: _Field, kept: list[int], keeping: Keeping, seed: int) -> list[int]:
    """Of each answer or text the first response, then as many as the cap allows."""
    same: dict[str, Callable[[int], Hashable]] = {
        "answer": field.answers.__getitem__,
        "text": field.tokens.__getitem__,
        "": lambda n: n,
    }
    first: dict[Hashable, int] = {}
    for number in kept:
        first.setdefault(same[keeping.distinct](number), number)
    chosen = list(first.values())
    if keeping.cap is None or len(chosen) <= keeping.cap:
        return chosen
    return sorted(random.Random(derive(seed, "cap", field.problem)).sample(chosen, keeping.cap))


def unfiltered(run: Run) -> list[Weighted]:
    """Every whole response, each problem's with the same total weight."""
    return [
        Weighted(f.problem, f.prompt, f.tokens[number], 1 / len(f.whole))
        for f in _fields(run)
        for number in f.whole
    ]


def preferences(run: Run, weight_PK: Floats, most: int) -> Harvest:
    """Pairs of a kept and a rejected response to one problem, at most ``most`` of each problem, no response twice."""
    rows: list[Row] = []
    for field, own_K in zip(_fields(run), weight_PK, strict=True):
        rng = random.Random(derive(run.plan.seed, "preferences", field.problem))
        kept, rejected = (
            [n for n in field.whole if (own_K[n] > 0) == is_kept] for is_kept in (True, False)
        )
        pairs = zip(rng.sample(kept, len(kept)), rng.sample(rejected, len(rejected)), strict=False)
        rows += [
            Preference(field.problem, field.prompt, field.tokens[a], field.tokens[b])
            for a, b in list(pairs)[:most]
        ]
    return _harvest(run, rows)


def comparisons(run: Run, reward_PK: Floats, most: int) -> Harvest:
    """Pairs of neighbouring responses, the difference of their rewards; at most ``most`` a problem. An unknown reward pairs with none."""
    rows: list[Row] = []
    for field, own_K in zip(_fields(run), reward_PK, strict=True):
        known = [n for n in field.whole if np.isfinite(own_K[n])]
        pairs = list(zip(known[::2], known[1::2], strict=False))[:most]
        rows += [
            Comparison(
                field.problem,
                field.prompt,
                field.tokens[a],
                field.tokens[b],
                float(own_K[a] - own_K[b]),
            )
            for a, b in pairs
        ]
    return _harvest(run, rows)


def one_of_each(run: Run, number: int) -> list[Weighted]:
    """Each problem's response of this number, whole or truncated."""
    return [Weighted(field.problem, field.prompt, field.tokens[number]) for field in _fields(run)]


@dataclass(frozen=True)
class _Field:
    """One problem's responses: ``tokens`` of each, its strict answer (None if there is none), and which are ``whole``."""

    problem: str
    prompt: str
    tokens: dict[int, Ids]
    answers: dict[int, str | None]
    whole: list[int]


def _fields(run: Run) -> Iterator[_Field]:
    """In the order of the run's problems."""
    if run.responses["token_ids"].has_nulls():
        raise UsageError(
            f"{run.path} does not know its responses' tokens (a server, or an import); train on samples of a model at hand"
        )
    columns = ("problem", "sample", "token_ids", "finish", "answer_strict")
    rows: dict[str, list[tuple[int, Ids, str, str | None]]] = {}
    for problem, sample, token_ids, finish, answer in run.responses.select(columns).iter_rows():
        rows.setdefault(problem, []).append((sample, tuple(token_ids), finish, answer))
    for problem, prompt in run.problems.select("problem", "prompt").iter_rows():
        own = sorted(rows[problem])
        whole = [n for n, ids, finish, _ in own if finish != "length" and ids]
        yield _Field(
            problem,
            prompt,
            {n: ids for n, ids, *_ in own},
            {n: answer for n, *_, answer in own},
            whole,
        )


def _harvest(run: Run, rows: list[Row]) -> Harvest:
    problems = len({row.problem for row in rows})
    return Harvest(rows, problems, run.plan.problems - problems, run.truncated)
