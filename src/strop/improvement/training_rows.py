"""Training rows, made of a run's stored samples and weights.

No reference is read: weights come from scores, and only the oracle's scores know what is right. A
truncated response would teach the model to stop in the middle, so it is left out; what is left out
is counted.

Axes: P problems, K responses.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar, get_args

import numpy as np

from strop.distill.rows import Comparison, Ids, Preference, Row, Weighted
from strop.engines import Engine
from strop.errors import UsageError
from strop.measure.intervals import Floats
from strop.run.run import Run
from strop.seeds import derive
from strop.weigh import Product

Trained = TypeVar("Trained", bound=Row)
Distinct = Literal["", "answer", "text"]
Balance = Literal["problems", "responses", "hard"]


@dataclass(frozen=True)
class Keeping:
    """Selection among kept responses, and the weight of each problem.

    These options may preserve diversity. ``cap``: the largest number of responses of a problem,
    chosen at random. ``distinct``: one response of each answer, or of each text. ``balance``:
    "problems" count the same, which is f[w] itself; "responses" count the same, so that easy
    problems count more, as if all kept responses were pooled; "hard" weighs a problem by
    1 / (its share of kept weight), the verifier's own estimate of its accuracy.
    """

    cap: int | None = None
    distinct: Distinct = ""
    balance: Balance = "problems"

    def __post_init__(self) -> None:
        if self.cap is not None and self.cap < 1:
            raise UsageError(f"--cap {self.cap}: expected 1 or more")
        for name, choices in (("distinct", get_args(Distinct)), ("balance", get_args(Balance))):
            value = getattr(self, name)
            if value not in choices:
                expected = " or ".join(filter(None, choices))
                raise UsageError(f"--{name} {value}: expected {expected}")


@dataclass(frozen=True)
class TrainingRows:
    """The rows of one round.

    ``problems``: the number of problems that they come from; ``problems_without``: the number of
    problems that gave none; ``truncated``: the number of truncated responses that were skipped.
    """

    rows: Sequence[Row]
    problems: int
    problems_without: int
    truncated: int


def rows_for(
    row_type: type[Row], run: Run, kept_by: Product, keeping: Keeping, pairs: int
) -> TrainingRows:
    """Return rows of the type that a trainer reads, from the weights or scores of ``kept_by``.

    ``keeping`` is for single responses, ``pairs`` for pairs of them.
    """
    if row_type is Weighted:
        return weighted(run, run.evidence.weigh(kept_by), keeping)
    if row_type is Preference:
        return preferences(run, run.evidence.weigh(kept_by), pairs)
    if row_type is Comparison:
        reward_PK = run.evidence.judges[kept_by.verifiers[0]].score_PK
        return comparisons(run, reward_PK, pairs)
    raise UsageError(
        f"there are no training rows of type {row_type.__name__}; "
        "expected Weighted, Preference or Comparison"
    )


def weighted(run: Run, weight_PK: Floats, keeping: Keeping = Keeping()) -> TrainingRows:
    """Return each response with its weight under f[w].

    The weights of a problem sum to 1, unless ``keeping`` balances otherwise. A problem of which
    nothing is kept gives no row.
    """
    rows: list[Row] = []
    for problem, weight_K in zip(_problems(run), weight_PK, strict=True):
        kept = [index for index in problem.whole if weight_K[index] > 0]
        if not kept:
            continue
        kept_weight = sum(weight_K[index] for index in kept)
        # 1 if every response is kept with the largest weight.
        share = kept_weight / (max(weight_K[index] for index in kept) * len(weight_K))
        total = _problem_weight(keeping.balance, share, len(weight_K))
        # The chosen responses share the whole weight of the problem.
        chosen = _thinned(problem, kept, keeping, run.plan.seed)
        chosen_weight = sum(weight_K[index] for index in chosen)
        for index in chosen:
            weight = float(weight_K[index] * total / chosen_weight)
            rows.append(Weighted(problem.id, problem.prompt, problem.tokens[index], weight))
    return _with_counts(run, rows)


def _problem_weight(balance: Balance, share: float, samples: int) -> float:
    """Return the total weight of a problem of which the verifier keeps this share."""
    if balance == "responses":
        return share * samples
    if balance == "hard":
        return 1 / share
    return 1.0


def _thinned(problem: _Problem, kept: list[int], keeping: Keeping, seed: int) -> list[int]:
    """Return the first response of each answer or text, and at most ``cap`` of them."""
    first: dict[Hashable, int] = {}
    for index in kept:
        key: Hashable = index
        if keeping.distinct == "answer":
            key = problem.answers[index]
        elif keeping.distinct == "text":
            key = problem.tokens[index]
        first.setdefault(key, index)
    chosen = list(first.values())
    if keeping.cap is None or len(chosen) <= keeping.cap:
        return chosen
    # Sorted again: the rows stand in the order of the samples.
    rng = random.Random(derive(seed, "cap", problem.id))
    return sorted(rng.sample(chosen, keeping.cap))


def unfiltered(run: Run) -> list[Weighted]:
    """Return every whole response; each problem has the same total weight."""
    rows = []
    for problem in _problems(run):
        for index in problem.whole:
            tokens = problem.tokens[index]
            rows.append(Weighted(problem.id, problem.prompt, tokens, 1 / len(problem.whole)))
    return rows


def preferences(run: Run, weight_PK: Floats, most: int) -> TrainingRows:
    """Return pairs of a kept and a rejected response, at most ``most`` of each problem.

    No response is in two pairs.
    """
    rows: list[Row] = []
    for problem, weight_K in zip(_problems(run), weight_PK, strict=True):
        rng = random.Random(derive(run.plan.seed, "preferences", problem.id))
        kept = [index for index in problem.whole if weight_K[index] > 0]
        rejected = [index for index in problem.whole if not weight_K[index] > 0]
        # Shuffled, so that a pair does not depend on the order of sampling.
        kept = rng.sample(kept, len(kept))
        rejected = rng.sample(rejected, len(rejected))
        for good, bad in list(zip(kept, rejected, strict=False))[:most]:
            tokens = problem.tokens
            rows.append(Preference(problem.id, problem.prompt, tokens[good], tokens[bad]))
    return _with_counts(run, rows)


def comparisons(run: Run, reward_PK: Floats, most: int) -> TrainingRows:
    """Return pairs of neighbouring responses with the difference of their rewards.

    At most ``most`` of each problem; a response of unknown reward is in no pair.
    """
    rows: list[Row] = []
    for problem, reward_K in zip(_problems(run), reward_PK, strict=True):
        known = [index for index in problem.whole if np.isfinite(reward_K[index])]
        # Neighbours: no response is in two pairs, so the pairs are independent.
        for first, second in list(zip(known[::2], known[1::2], strict=False))[:most]:
            comparison = Comparison(
                problem.id,
                problem.prompt,
                problem.tokens[first],
                problem.tokens[second],
                float(reward_K[first] - reward_K[second]),
            )
            rows.append(comparison)
    return _with_counts(run, rows)


def one_of_each(run: Run, number: int) -> list[Weighted]:
    """Return each problem's response of this number, whole or truncated."""
    return [
        Weighted(problem.id, problem.prompt, problem.tokens[number]) for problem in _problems(run)
    ]


def first_responses(run: Run, most: int) -> tuple[list[tuple[int, int]], list[Weighted]]:
    """Return each problem's first ``most`` responses with tokens, and their indices in (P, K)."""
    indices, rows = [], []
    for index, problem in enumerate(_problems(run)):
        for number in sorted(problem.tokens)[:most]:
            tokens = problem.tokens[number]
            if tokens:
                indices.append((index, number))
                rows.append(Weighted(problem.id, problem.prompt, tokens))
    return indices, rows


def prompt_tokens(run: Run, engine: Engine) -> dict[str, Ids]:
    """Return the tokens of a run's prompts by their text, as its engine sent them.

    Empty for an engine that does not know them.
    """
    prompts = run.plan.solution_prompts(run.stored_problems())
    tokens = {}
    for text, prompt in zip(run.problems["prompt"], prompts, strict=True):
        ids = engine.prompt_tokens(prompt)
        if ids:
            tokens[text] = ids
    return tokens


def with_prompt_tokens(rows: Sequence[Trained], tokens: Mapping[str, Ids]) -> list[Trained]:
    """Return the rows with their prompts' tokens; a prompt that is not among them has none."""
    return [replace(row, prompt_ids=tokens.get(row.prompt, ())) for row in rows]


@dataclass(frozen=True)
class _Problem:
    """One problem's responses by their number.

    ``answers``: the strict answer, None if there is none. ``whole``: the numbers of the responses
    that were not truncated.
    """

    id: str
    prompt: str
    tokens: dict[int, Ids]
    answers: dict[int, str | None]
    whole: list[int]


def _problems(run: Run) -> Iterator[_Problem]:
    """Yield the responses to each problem, in the order of the run's problems."""
    if run.responses["token_ids"].has_nulls():
        raise UsageError(
            f"{run.path} does not know its responses' tokens (a server, or an import); "
            "train on samples of a local model"
        )
    columns = ("problem", "sample", "token_ids", "finish", "answer_strict")
    responses: dict[str, list[tuple[int, Ids, str, str | None]]] = {}
    for problem, sample, token_ids, finish, answer in run.responses.select(columns).iter_rows():
        responses.setdefault(problem, []).append((sample, tuple(token_ids), finish, answer))
    for problem, prompt in run.problems.select("problem", "prompt").iter_rows():
        tokens: dict[int, Ids] = {}
        answers: dict[int, str | None] = {}
        whole = []
        for sample, token_ids, finish, answer in sorted(responses[problem]):
            tokens[sample] = token_ids
            answers[sample] = answer
            # "length": cut off at the token limit. An empty response has no tokens to learn.
            if finish != "length" and token_ids:
                whole.append(sample)
        yield _Problem(problem, prompt, tokens, answers, whole)


def _with_counts(run: Run, rows: list[Row]) -> TrainingRows:
    problems = len({row.problem for row in rows})
    return TrainingRows(rows, problems, run.plan.problems - problems, run.truncated)
