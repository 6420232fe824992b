"""Costs of studies before anything is sampled, for ``strop study NAME --dry-run``.

A run that several studies read counts once; courses and fits count as if nothing were shared.

A model may be given as any engine takes it, or by its number of parameters alone: ``7B``,
``1.5e9``, or a hub id whose parameters are known (``strop/engines/pretraining.py``). A model given
by its size is not loaded, and four characters count as one token.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
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
from strop.run.preview import preview
from strop.run.probe import PROBE_PROBLEMS, Probe
from strop.studies.frame.runs import RunSpec, merge_specs
from strop.verify import PromptedVerifier, find_verifiers

PROBE_SAMPLES = 16
"""Enough samples to measure how fast a model samples."""
CHARACTERS_PER_TOKEN = 4
"""A rough average for English text under a large vocabulary."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?(?:e\d+)?)([kKmMbBtT]?)")
_UNITS = {"": 1, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_ENGINE_PREFIXES = ("ladder/", "llama:", "tabular:", "openai:", "vllm:")


@dataclass(frozen=True)
class Cost:
    """The cost of one run, or of several.

    ``at_most``: every text is assumed to run to its limit.
    ``seconds_at_most`` is estimated for sampling on one core of this machine, without fits; None if
    a model was not loaded.
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
    def summary(self) -> str:
        """The cost in one line."""
        parts = [
            f"{self.runs} runs, {self.responses:,} responses, {self.verifications:,} verifications;"
            f" {self.prompt_tokens:,} prompt tokens"
            f" and at most {self.generated_at_most:,} generated"
        ]
        if self.fits:
            parts.append(f"{self.fits} fits to at most {self.trained_tokens_at_most:,} tokens")
        parts.append(f"at most {self.flops_at_most:.1e} FLOPs")
        text = ", ".join(parts)
        if self.seconds_at_most is not None:
            text += f"; sampling takes about {self.seconds_at_most:,.0f} s or less on one core"
        return text

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


COUNTED = tuple(field.name for field in fields(Cost) if field.name != "seconds_at_most")
NOTHING = Cost(0, 0, 0, 0, 0, 0.0, 0.0)


def total(costs: Iterable[Cost]) -> Cost:
    """Return the sum. Its seconds are unknown if those of one cost are."""
    rows = list(costs)
    if not rows:
        return NOTHING
    sums: dict[str, Any] = {}
    for name in COUNTED:
        sums[name] = sum(getattr(row, name) for row in rows)
    known = [row.seconds_at_most for row in rows if row.seconds_at_most is not None]
    seconds = None
    if len(known) == len(rows):
        seconds = math.fsum(known)
    return Cost(**sums, seconds_at_most=seconds)


def subtract(whole: Cost, part: Cost) -> Cost:
    """Subtract a part from the whole. The rest is further work within the same runs: no new run."""
    rest: dict[str, Any] = {}
    for name in COUNTED:
        rest[name] = getattr(whole, name) - getattr(part, name)
    rest["runs"] = 0
    rest["seconds_at_most"] = None
    if whole.seconds_at_most is not None and part.seconds_at_most is not None:
        # Both are measured, so the difference may come out slightly negative.
        rest["seconds_at_most"] = max(0.0, whole.seconds_at_most - part.seconds_at_most)
    return replace(whole, **rest)


# --- runs ---


def cost_of(wanted: Sequence[RunSpec]) -> Cost:
    """Return the cost of making these runs when nothing is stored.

    The problems of seed 0 stand for those of every seed, so that equal runs are measured once.
    """
    specs = sorted(merge_specs(wanted), key=lambda spec: spec.model)
    return total(_cost(replace(spec, seed=0)) for spec in specs)


# Cached, because studies share runs, and because a model on this machine samples for its estimate.
@lru_cache(maxsize=1024)
def _cost(spec: RunSpec) -> Cost:
    if spec.judged_by:
        return _cost_with_judges(spec)
    plan = spec.plan
    engine = stand_in(spec.model)
    verifiers = []
    questions = 0
    for verifier in find_verifiers(spec.verifiers):
        # Verifications are counted of verifiers with a prompt of their own.
        if not isinstance(verifier, PromptedVerifier):
            continue
        verifiers.append(verifier)
        # A score read from one distribution is the same in every draw.
        draws = spec.draws if verifier.samples_text else 1
        questions += verifier.questions(plan.samples) * draws
    # The same probe serves all runs of a model on a task.
    small = replace(spec, verifiers=(), draws=1, problems=PROBE_PROBLEMS, samples=1)
    probe = _probe(small)
    estimate = preview(plan, engine, verifiers, spec.draws, probe)
    return Cost(
        runs=1,
        responses=plan.problems * (plan.samples + 1),  # one more for the greedy response
        verifications=plan.problems * questions,
        prompt_tokens=estimate.prompt_tokens,
        generated_at_most=estimate.generated_at_most,
        flops_at_most=estimate.flops_at_most,
        # A sketch of a model says nothing about its speed.
        seconds_at_most=None if isinstance(engine, Sketch) else estimate.seconds_estimated,
    )


def _cost_with_judges(spec: RunSpec) -> Cost:
    """Count a judge as a run of its own that also verifies, less the same run without verifying."""
    alone = replace(spec, judged_by=())
    costs = [_cost(alone)]
    for judge in dict.fromkeys(spec.judged_by):
        if judge != spec.model:
            verified = replace(alone, model=judge)
            sampled = replace(verified, verifiers=())
            costs.append(subtract(_cost(verified), _cost(sampled)))
    return total(costs)


@lru_cache(maxsize=1024)
def _probe(spec: RunSpec) -> Probe:
    """Sample a few responses to measure the speed of a model on a task."""
    return Probe.of(spec.plan, stand_in(spec.model), PROBE_SAMPLES)


# --- fits and courses ---


def cost_of_fit(drawn: RunSpec, rows: int, epochs: float = 1.0) -> Cost:
    """Return the cost of a fit that goes ``epochs`` times through at most ``rows`` responses.

    The backward pass counts twice the forward pass.
    """
    plan = drawn.plan
    engine = stand_in(drawn.model)
    shots = plan.draw_shots()
    longest_prompt = 0
    for problem in plan.draw_problems():
        prompt = solution_prompt(plan.task, blind(problem), shots)
        longest_prompt = max(longest_prompt, engine.count_tokens(prompt))
    length = longest_prompt + plan.sampling().max_tokens
    passes = math.ceil(rows * epochs)
    return replace(
        NOTHING,
        flops_at_most=3 * passes * engine.forward_flops(0, length),
        fits=1,
        trained_tokens_at_most=passes * length,
    )


def cost_of_course(course: Course) -> Cost:
    """Return the cost of all rounds of a course, at most.

    Every model answers the held-out problems and is verified by itself and by the base model; every
    round draws training samples and fits. A fixed verifier is counted beside the model's own, and
    every training response counts as a row.
    """
    verifiers = (*course.judge.verifiers, *course.filter.verifiers)
    sampling = course.drawing()
    only_responses = RunSpec(
        course.model,
        course.task,
        problems=course.problems,
        samples=course.samples,
        temperature=sampling["temperature"],
        top_p=sampling["top_p"],
    )
    held_out = replace(
        only_responses,
        verifiers=tuple(dict.fromkeys(verifiers)),
        judged_by=(course.verify_with,) if course.verify_with else (),
    )
    # XPO draws pairs; every other method trains on single responses.
    if course.method == "xpo":
        train_samples = 2 * course.pairs
    else:
        train_samples = course.train_samples or course.samples
    train = replace(held_out, problems=course.train_problems, samples=train_samples, split="train")
    rows = course.train_problems * train_samples
    epochs = float(course.trainer.settings()["epochs"])
    fit = cost_of_fit(train, rows, epochs)
    # In each round the base model also verifies the new model's held-out responses.
    verified_by_base = subtract(_cost(held_out), _cost(only_responses))
    one_round = [_cost(held_out), verified_by_base, _cost(train), fit]
    return total([_cost(held_out), *course.rounds * one_round])


# --- models ---


@lru_cache(maxsize=8)
def stand_in(name: str) -> Engine:
    """Return the model itself if it is on this machine, else a sketch of its size.

    Raises UsageError if neither the model nor its size is known.
    """
    parameters = parameters_of(name)
    if parameters is not None:
        return Sketch(name, parameters)
    folder = Path(name.partition("?")[0]).expanduser()
    if name.startswith(_ENGINE_PREFIXES) or folder.is_dir():
        return load_engine(name)
    try:
        known = pretraining_flops(name).parameters
    except UsageError:
        known = None
    if known is None:
        raise UsageError(
            f"--dry-run: {name!r} is no local model and its size is not known;"
            " give a folder, or a number of parameters such as 7B"
        )
    return Sketch(name, int(known))


def parameters_of(text: str) -> int | None:
    """Read a number of parameters: 7,000,000,000 for ``7B``. None if the text is no number."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    number, unit = match.groups()
    return round(float(number) * _UNITS[unit.lower()])


class Sketch(Engine):
    """A model of which only the size is known.

    It counts tokens by characters, and answers every prompt with a text of the greatest length.
    """

    def __init__(self, label: str, parameters: int) -> None:
        self._label = label
        self._parameters = parameters

    @property
    def name(self) -> str:
        return self._label

    @property
    def parameters(self) -> int:
        return self._parameters

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        text = "x" * CHARACTERS_PER_TOKEN * sampling.max_tokens
        sample = Sample(text, None, math.nan, "length", sampling.max_tokens)
        samples = [[sample] * len(request.seeds) for request in requests]
        usage = Usage(
            prompt_tokens=sum(self.count_tokens(request.prompt) for request in requests),
            generated_tokens=sum(map(len, samples)) * sampling.max_tokens,
        )
        return Generation(samples, usage)

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        return Scored(np.zeros((len(prompts), len(continuations))), Usage())

    def render(self, prompt: Prompt) -> str:
        return plain_text(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return math.ceil(len(plain_text(prompt)) / CHARACTERS_PER_TOKEN)
