"""Measure an engine's speed in seconds, with a few short texts (``--dry-run``).

No text is longer than ``PROBE_TOKENS``, whatever the run's limits. Reading a prompt and writing a
token are timed apart, and writing with few rows and with many: a step costs about as much for one
row as for several on a GPU, and more with every row on a CPU.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from strop.engines.base import Engine, Generation
from strop.generate import draw_responses, response_seeds
from strop.prompts import solution_prompt
from strop.records import Problem, Sampling, blind
from strop.run.executors import one_blas_thread
from strop.run.plan import Plan

PROBE_PROBLEMS = 2
PROBE_TOKENS = 16
MANY_SAMPLES = 8
MANY_TOKENS = 8
PATIENCE = 15.0
"""Seconds after which no further call is begun."""


@dataclass(frozen=True)
class Speed:
    """Seconds per token of a prompt, per step of writing, and per token that a step writes."""

    prompt_token: float
    step: float
    token: float

    def reading(self, tokens: float) -> float:
        """Return the seconds that reading so many tokens of prompts takes."""
        return self.prompt_token * tokens

    def writing(self, texts: int, length: int, rows: int) -> float:
        """Return the seconds that writing texts takes, ``rows`` of them at once."""
        batches = -(-texts // max(1, rows))  # rounded up
        return length * (batches * self.step + texts * self.token)


@dataclass(frozen=True)
class Probe:
    """A few beginnings of responses to the first problem, and the engine's speed.

    ``shares_prefix``: what several prompts of a call have in common is read once.
    """

    responses: tuple[str, ...]
    speed: Speed
    shares_prefix: bool

    @classmethod
    def of(cls, plan: Plan, engine: Engine, samples: int) -> Probe:
        """Draw beginnings of ``samples`` responses to each of a few problems, and time them."""
        with one_blas_thread(engine):
            return _Timer(plan, engine).probe(samples)


@dataclass(frozen=True)
class _Call:
    """A timed call: its texts, the steps in which they were written, and their number."""

    generation: Generation
    seconds: float
    steps: int
    rows: int


class _Timer:
    """Times calls of an engine. The first one warms it up: it may compile or allocate."""

    def __init__(self, plan: Plan, engine: Engine) -> None:
        self.plan = plan
        self.engine = engine
        self.problems = [blind(problem) for problem in plan.draw_problems()[:PROBE_PROBLEMS]]
        self.shots = plan.draw_shots()
        self.started = time.perf_counter()

    def probe(self, samples: int) -> Probe:
        warm_up = self._call(self.problems[:1], [], 1, 1)
        whole = self._prompt_tokens(self.shots)
        bare = self._prompt_tokens([])
        # The examples are the same for both problems.
        to_read = whole[0] + bare[-1] if self.engine.shares_prefix else sum(whole)
        if warm_up.seconds / max(1, bare[0]) * to_read > PATIENCE:
            # Examples alone would take too long to read: the questions tell the speed.
            self.shots = []
        reading = self._call(self.problems, self.shots, 1, 1)
        few = self._call(self.problems, self.shots, samples, PROBE_TOKENS)
        lengths = whole if self.shots else bare
        read_tokens = reading.generation.usage.prompt_tokens or sum(lengths)
        shares_prefix = self.engine.shares_prefix
        if self.shots and len(self.problems) > 1:
            shares_prefix = read_tokens < sum(lengths)  # some models cannot, which shows here
        texts = tuple(sample.text for sample in few.generation.samples[0])
        return Probe(texts, self._speed(reading, few, read_tokens), shares_prefix)

    def _speed(self, reading: _Call, few: _Call, read_tokens: int) -> Speed:
        prompt_token = reading.seconds / max(1, read_tokens)
        step_few = _seconds_per_step(few, reading)
        # Without a call with many rows, assume that they cost as much as one after the other.
        slow = Speed(prompt_token, 0.0, step_few / few.rows)
        is_late = time.perf_counter() - self.started > PATIENCE
        if is_late or self.engine.cost(1, 1) > 0:
            return slow
        many = self._call(self.problems, self.shots, MANY_SAMPLES, MANY_TOKENS)
        step_many = _seconds_per_step(many, reading)
        if many.rows <= few.rows:
            return slow
        token = max(0.0, (step_many - step_few) / (many.rows - few.rows))
        return Speed(prompt_token, max(0.0, step_few - few.rows * token), token)

    def _call(
        self, problems: Sequence[Problem], shots: list[Problem], samples: int, tokens: int
    ) -> _Call:
        sampling = self._sampling(tokens)
        seeds = [
            response_seeds(self.plan.seed, "responses", problem, samples) for problem in problems
        ]
        started = time.perf_counter()
        drawn = draw_responses(self.engine, self.plan.task, problems, shots, sampling, seeds)
        seconds = time.perf_counter() - started
        written = [sample.tokens or tokens for row in drawn.samples for sample in row]
        return _Call(drawn, seconds, max(written), len(written))

    def _sampling(self, tokens: int) -> Sampling:
        sampling = self.plan.sampling()
        return replace(sampling, max_tokens=min(tokens, sampling.max_tokens))

    def _prompt_tokens(self, shots: list[Problem]) -> list[int]:
        prompts = [solution_prompt(self.plan.task, problem, shots) for problem in self.problems]
        return [self.engine.count_tokens(prompt) for prompt in prompts]


def _seconds_per_step(call: _Call, reading: _Call) -> float:
    """Return the seconds of a step of writing; 0 where every text ends with its first token."""
    # The call that reads the prompts also writes their first tokens.
    steps = call.steps - 1
    return max(0.0, call.seconds - reading.seconds) / steps if steps else 0.0


def shared_share(texts: Sequence[str]) -> float:
    """Return the share of the texts, of similar length, that is their common beginning."""
    if len(texts) < 2:
        return 0.0
    average = sum(map(len, texts)) / len(texts)
    common = 0
    for characters in zip(*texts, strict=False):
        if len(set(characters)) > 1:
            break
        common += 1
    return common / max(1.0, average)
