"""What studies would cost, before anything is sampled: ``strop study NAME --dry-run``. Runs that several studies read count once;
courses and fits count as if nothing were shared.

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
from strop.improvement.course import Course
from strop.prompts import solution_prompt
from strop.records import Prompt, Sample, Sampling, Usage, blind
from strop.run.preview import PROBE_PROBLEMS, Probe, preview
from strop.studies.frame.runs import RunSpec, merged
from strop.verify import PromptedVerifier, find_verifiers

PROBE_SAMPLES = 16
CHARACTERS = 4
"""Of a token, roughly, in English text under a large vocabulary."""
_COUNT = re.compile(r"(\d+(?:\.\d+)?(?:e\d+)?)([kKmMbBtT]?)")
_TIMES = {"": 1, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


@dataclass(frozen=True)
class Cost:
    """Of one run, or of several. ``seconds`` is a guess for one core of this machine, without the fits, None where no model was loaded;
    ``at_most``: every text is taken to run to its limit.
    """

    runs: int
    responses: int
    verifications: int
    prompt_tokens: int
    generated_at_most: int
    flops_at_most: float
    seconds_at_most: float | None
    fits: int = 0
    trained_tokens_at_most: int = 0

    @property
    def told(self) -> str:
        """In a line."""
        sampling = (
            ""
            if self.seconds_at_most is None
            else f"; sampling takes about {self.seconds_at_most:,.0f} s or less on one core"
        )
        fits = (
            f", {self.fits} fits to at most {self.trained_tokens_at_most:,} tokens"
            if self.fits
            else ""
        )
        return (
            f"{self.runs} runs, {self.responses:,} responses, {self.verifications:,} verifications; {self.prompt_tokens:,} prompt "
            f"tokens and at most {self.generated_at_most:,} generated{fits}, at most {self.flops_at_most:.1e} FLOPs{sampling}"
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def total(costs: Iterable[Cost]) -> Cost:
    """The sum; seconds are unknown where one of them is."""
    rows = list(costs)
    seconds = [row.seconds_at_most for row in rows]
    sums = (
        {
            name: sum(getattr(row, name) for row in rows)
            for name in asdict(rows[0])
            if name != "seconds_at_most"
        }
        if rows
        else {}
    )
    known = (
        None
        if any(one is None for one in seconds)
        else math.fsum(one for one in seconds if one is not None)
    )
    return Cost(**sums, seconds_at_most=known) if rows else Cost(0, 0, 0, 0, 0, 0.0, 0.0)


def cost_of(wanted: Sequence[RunSpec]) -> Cost:
    """What it takes to make these runs from nothing. The problems of one seed stand for those of another."""
    return total(
        _cost(replace(one, seed=0)) for one in sorted(merged(wanted), key=lambda one: one.model)
    )


def cost_of_fit(drawn: RunSpec, rows: int, epochs: float = 1.0) -> Cost:
    """A fit that goes ``epochs`` times through at most ``rows`` responses of a run: forward, and twice that backward."""
    plan, engine = drawn.plan, stand_in(drawn.model)
    shots = plan.draw_shots()
    read = max(
        engine.count_tokens(solution_prompt(plan.task, blind(problem), shots))
        for problem in plan.draw_problems()
    )
    length, passes = read + plan.sampling().max_tokens, math.ceil(rows * epochs)
    return Cost(
        0, 0, 0, 0, 0, 3 * passes * engine.forward_flops(0, length), 0.0, 1, passes * length
    )


def cost_of_course(course: Course) -> Cost:
    """All rounds: every model on the held-out problems, verified by itself and by the base model; training samples; fits. A fixed verifier
    is counted beside the model's own, and every training response as a row.
    """
    judges, verifiers = (
        (course.verify_with,) if course.verify_with else (),
        (*course.judge.verifiers, *course.filter.verifiers),
    )
    asked = {name: course.drawing()[name] for name in ("temperature", "top_p")}
    bare = RunSpec(
        course.model, course.task, problems=course.problems, samples=course.samples, **asked
    )
    held_out = replace(bare, verifiers=tuple(dict.fromkeys(verifiers)), judged_by=judges)
    drawn = (course.train_samples or course.samples) if course.method != "xpo" else 2 * course.pairs
    train = replace(held_out, problems=course.train_problems, samples=drawn, split="train")
    again = less(_cost(held_out), _cost(bare))
    fit = cost_of_fit(
        train, course.train_problems * drawn, float(course.trainer.settings()["epochs"])
    )
    return total([_cost(held_out), *course.rounds * [_cost(held_out), again, _cost(train), fit]])


def less(whole: Cost, part: Cost) -> Cost:
    """What is left of the numbers; the runs are the whole's."""
    names = [name for name in asdict(whole) if name not in ("runs", "seconds_at_most")]
    known = whole.seconds_at_most is not None and part.seconds_at_most is not None
    seconds = (
        max(0.0, (whole.seconds_at_most or 0.0) - (part.seconds_at_most or 0.0)) if known else None
    )
    return replace(
        whole,
        runs=0,
        seconds_at_most=seconds,
        **{name: getattr(whole, name) - getattr(part, name) for name in names},
    )


@lru_cache(maxsize=1024)
def _cost(wanted: RunSpec) -> Cost:
    if wanted.judged_by:  # as if each judge drew and judged, but for what it would draw
        alone = replace(wanted, judged_by=())
        others = [
            replace(alone, model=judge)
            for judge in dict.fromkeys(wanted.judged_by)
            if judge != wanted.model
        ]
        return total(
            [_cost(alone), *(less(_cost(one), _cost(replace(one, verifiers=()))) for one in others)]
        )
    plan, engine = wanted.plan, stand_in(wanted.model)
    asked = [
        verifier
        for verifier in find_verifiers(wanted.verifiers)
        if isinstance(verifier, PromptedVerifier)
    ]
    questions = sum(
        one.questions(plan.samples) * (wanted.draws if one.samples_text else 1) for one in asked
    )
    probe = _probe(replace(wanted, verifiers=(), draws=1, problems=PROBE_PROBLEMS, samples=1))
    found = preview(plan, engine, asked, wanted.draws, probe)
    return Cost(
        1,
        plan.problems * (plan.samples + 1),
        plan.problems * questions,
        found.prompt_tokens,
        found.generated_at_most,
        found.flops_at_most,
        None if isinstance(engine, Sketch) else found.seconds_estimated,
    )


@lru_cache(maxsize=1024)
def _probe(asked: RunSpec) -> Probe:
    """Large enough to tell how fast samples come."""
    return Probe.of(asked.plan, stand_in(asked.model), PROBE_SAMPLES)


@lru_cache(maxsize=8)
def stand_in(name: str) -> Engine:
    """The model itself where it is at hand, else what is known of its size. UsageError where nothing is."""
    if (parameters := parameters_of(name)) is not None:
        return Sketch(name, parameters)
    is_here = (
        name.startswith(("ladder/", "llama:", "tabular:", "openai:", "vllm:"))
        or Path(name.partition("?")[0]).expanduser().is_dir()
    )
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
        return Generation(
            [[sample] * len(request.seeds) for request in requests],
            Usage(prompt_tokens=read, generated_tokens=written),
        )

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        return Scored(np.zeros((len(prompts), len(continuations))), Usage())

    def render(self, prompt: Prompt) -> str:
        return plain_text(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return -(-len(plain_text(prompt)) // CHARACTERS)
