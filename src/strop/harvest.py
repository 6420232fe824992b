"""What a run's responses teach: the rows that trainers take, made of stored samples and weights.

No reference is read: weights come from scores, and the oracle's scores alone know what is right. A truncated response teaches nothing but
to be cut off, and is left out; what is left out is counted.

Axes: P problems, K responses.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from strop.distill.base import Comparison, Ids, Preference, Row, Weighted
from strop.errors import UsageError
from strop.measure.intervals import Floats
from strop.run import Run
from strop.seeds import derive


@dataclass(frozen=True)
class Harvest:
    """``rows``, and of how many problems; ``problems_without`` gave none; so many ``truncated`` responses were not looked at."""

    rows: Sequence[Row]
    problems: int
    problems_without: int
    truncated: int


def weighted(run: Run, weight_PK: Floats) -> Harvest:
    """Each response with its weight under f[w]: a problem's weights sum to 1, one without a survivor teaches nothing."""
    rows: list[Row] = []
    for field, own_K in zip(_fields(run), weight_PK, strict=True):
        kept = {number: own_K[number] for number in field.whole if own_K[number] > 0}
        total = sum(kept.values())
        rows += [Weighted(field.problem, field.prompt, field.tokens[number], float(weight / total)) for number, weight in kept.items()]
    return _harvest(run, rows)


def preferences(run: Run, weight_PK: Floats, most: int) -> Harvest:
    """Pairs of a kept and a rejected response to one problem, at most ``most`` of each problem, no response twice."""
    rows: list[Row] = []
    for field, own_K in zip(_fields(run), weight_PK, strict=True):
        rng = random.Random(derive(run.plan.seed, "preferences", field.problem))
        kept, rejected = ([n for n in field.whole if (own_K[n] > 0) == is_kept] for is_kept in (True, False))
        pairs = zip(rng.sample(kept, len(kept)), rng.sample(rejected, len(rejected)), strict=False)
        rows += [Preference(field.problem, field.prompt, field.tokens[a], field.tokens[b]) for a, b in list(pairs)[:most]]
    return _harvest(run, rows)


def comparisons(run: Run, reward_PK: Floats, most: int) -> Harvest:
    """Pairs of neighbouring responses, the difference of their rewards; at most ``most`` a problem. An unknown reward pairs with none."""
    rows: list[Row] = []
    for field, own_K in zip(_fields(run), reward_PK, strict=True):
        known = [n for n in field.whole if np.isfinite(own_K[n])]
        pairs = list(zip(known[::2], known[1::2], strict=False))[:most]
        rows += [Comparison(field.problem, field.prompt, field.tokens[a], field.tokens[b], float(own_K[a] - own_K[b])) for a, b in pairs]
    return _harvest(run, rows)


def one_of_each(run: Run, number: int) -> list[Weighted]:
    """Each problem's response of this number, whole or truncated."""
    return [Weighted(field.problem, field.prompt, field.tokens[number]) for field in _fields(run)]


@dataclass(frozen=True)
class _Field:
    """One problem's responses: ``tokens`` of each, and which are ``whole``."""

    problem: str
    prompt: str
    tokens: dict[int, Ids]
    whole: list[int]


def _fields(run: Run) -> Iterator[_Field]:
    """In the order of the run's problems."""
    if run.responses["token_ids"].has_nulls():
        raise UsageError(f"{run.path} does not know its responses' tokens (a server, or an import); train on samples of a model at hand")
    columns = ("problem", "sample", "token_ids", "finish")
    rows: dict[str, list[tuple[int, Ids, str]]] = {}
    for problem, sample, token_ids, finish in run.responses.select(columns).iter_rows():
        rows.setdefault(problem, []).append((sample, tuple(token_ids), finish))
    for problem, prompt in run.problems.select("problem", "prompt").iter_rows():
        own = sorted(rows[problem])
        yield _Field(problem, prompt, {n: ids for n, ids, _ in own}, [n for n, ids, finish in own if finish != "length" and ids])


def _harvest(run: Run, rows: list[Row]) -> Harvest:
    problems = len({row.problem for row in rows})
    return Harvest(rows, problems, run.plan.problems - problems, run.truncated)
