"""What studies would cost, before anything is sampled: ``strop study NAME --dry-run``. Runs that several studies read count once.

A model may be given as any engine takes it, or by its number of parameters alone: ``7B``, ``1.5e9``, or the hub id of a model whose
parameters are known (``strop/engines/pretraining.py``). Then nothing is loaded, and a token is taken for four characters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from strop.engines import Engine, Generation, Request, Scored, load_engine
from strop.engines.base import plain_text
from strop.engines.pretraining import pretraining_flops
from strop.errors import UsageError
from strop.preview import Preview, preview
from strop.records import Prompt, Sample, Sampling, Usage
from strop.studies.runs import Wanted, merged
from strop.verify import PromptedVerifier, Verifier

CHARACTERS = 4
"""Of a token, roughly, in English text under a large vocabulary."""
_COUNT = re.compile(r"(\d+(?:\.\d+)?(?:e\d+)?)([kKmMbBtT]?)")
_TIMES = {"": 1, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


@dataclass(frozen=True)
class Cost:
    """Of one run, or of several. ``seconds`` is a guess for one core of this machine, None where no model was loaded; ``at_most``: every
    text is taken to run to its limit.
    """

    runs: int
    responses: int
    verifications: int
    prompt_tokens: int
    generated_at_most: int
    flops_at_most: float
    seconds_at_most: float | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def total(costs: Iterable[Cost]) -> Cost:
    """The sum; seconds are unknown where one of them is."""
    rows = list(costs)
    seconds = [row.seconds_at_most for row in rows]
    sums = {name: sum(getattr(row, name) for row in rows) for name in asdict(rows[0]) if name != "seconds_at_most"} if rows else {}
    known = None if any(one is None for one in seconds) else math.fsum(one for one in seconds if one is not None)
    return Cost(**sums, seconds_at_most=known) if rows else Cost(0, 0, 0, 0, 0, 0.0, 0.0)


def cost_of(wanted: Sequence[Wanted]) -> Cost:
    """What it takes to make these runs from nothing."""
    return total(map(_cost, merged(wanted)))


@lru_cache(maxsize=1024)
def _cost(wanted: Wanted) -> Cost:
    plan, known = wanted.plan, not any(isinstance(stand_in(name), Sketch) for name in (wanted.model, *wanted.judged_by))
    parts, verifications = [preview(plan, stand_in(wanted.model), ())], 0
    for verifier, judge in wanted.stages.values():
        if isinstance(verifier, PromptedVerifier):
            verifications += plan.problems * verifier.questions(plan.samples) * (wanted.draws if verifier.samples_text else 1)
            parts.append(_judging(wanted, stand_in(judge), verifier))
    return Cost(
        1, plan.problems * (plan.samples + 1), verifications, sum(part.prompt_tokens for part in parts),
        sum(part.generated_at_most for part in parts), sum(part.flops_at_most for part in parts),
        sum(part.seconds_estimated for part in parts) if known else None,
    )  # fmt: skip


def _judging(wanted: Wanted, engine: Engine, verifier: Verifier) -> Preview:
    """A verifier alone: what a run with it takes more than one without."""
    both, drawn = preview(wanted.plan, engine, [verifier], wanted.draws), preview(wanted.plan, engine, ())
    names = ("prompt_tokens", "generated_at_most", "flops_at_most")
    more = {name: getattr(both, name) - getattr(drawn, name) for name in names}
    return replace(both, **more, seconds_estimated=max(0.0, both.seconds_estimated - drawn.seconds_estimated))


@lru_cache(maxsize=4)
def stand_in(name: str) -> Engine:
    """The model itself where it is at hand, else what is known of its size. UsageError where nothing is."""
    if (parameters := parameters_of(name)) is not None:
        return Sketch(name, parameters)
    is_here = name.startswith(("ladder/", "llama:", "tabular:", "openai:", "vllm:")) or Path(name.partition("?")[0]).expanduser().is_dir()
    if is_here:
        return load_engine(name)
    try:
        known = pretraining_flops(name).parameters
    except UsageError:
        known = None
    if known is None:
        raise UsageError(
            f"--dry-run: {name!r} is no local model and its size is not known; give a folder, or a number of parameters such as 7B"
        )
    return Sketch(name, int(known))


def parameters_of(text: str) -> int | None:
    """7B as 7,000,000,000; None for what is no number."""
    found = _COUNT.fullmatch(text)
    return round(float(found[1]) * _TIMES[found[2].lower()]) if found else None


class Sketch(Engine):
    """A model of which only the size is known: it counts, and answers every prompt with a text as long as may be."""

    def __init__(self, label: str, parameters: int) -> None:
        self._label, self._parameters = label, parameters

    @property
    def name(self) -> str:
        return self._label

    @property
    def parameters(self) -> int:
        return self._parameters

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        text = "x" * CHARACTERS * sampling.max_tokens
        sample = Sample(text, None, math.nan, "length", sampling.max_tokens)
        written = sum(len(request.seeds) for request in requests) * sampling.max_tokens
        read = sum(self.count_tokens(request.prompt) for request in requests)
        return Generation([[sample] * len(request.seeds) for request in requests], Usage(prompt_tokens=read, generated_tokens=written))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        return Scored(np.zeros((len(prompts), len(continuations))), Usage())

    def render(self, prompt: Prompt) -> str:
        return plain_text(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return -(-len(plain_text(prompt)) // CHARACTERS)
