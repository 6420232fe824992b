"""Adaptive best-of-N: each problem's responses are drawn until the likeliest of them is likely enough for their number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strop.engines.base import Engine, Generation, Request
from strop.measure.adaptive import stopping_times_P
from strop.prompts import solution_prompt
from strop.records import Problem, Sample, Sampling, total_usage
from strop.tasks.base import Task

FIRST_ROUND = 4


def draw_adaptively(
    engine: Engine,
    task: Task,
    problems: Sequence[Problem],
    shots: list[Problem],
    sampling: Sampling,
    seeds: Sequence[tuple[int, ...]],
    mu: float,
) -> Generation:
    """Responses to each problem (blind) up to its stopping time, or as many as it has seeds.

    They come in rounds that double in size, and what a round drew beyond the stopping time is thrown away: the responses are those of
    drawing one after the other, and the usage is what was spent.
    """
    prompts = [solution_prompt(task, problem, shots) for problem in problems]
    samples: list[list[Sample]] = [[] for _ in problems]
    usages, open_, size = [], [place for place, own in enumerate(seeds) if own], FIRST_ROUND
    while open_:
        asked = [
            Request(prompts[place], seeds[place][len(samples[place]) : len(samples[place]) + size])
            for place in open_
        ]
        drawn = engine.sample(asked, sampling)
        usages.append(drawn.usage)
        for place, more in zip(open_, drawn.samples, strict=True):
            samples[place] += more
        size = 2 * size
        open_ = [place for place in open_ if _goes_on(samples[place], len(seeds[place]), mu)]
    return Generation([own[: _stop(own, mu)[0]] for own in samples], total_usage(usages))


def _goes_on(samples: list[Sample], most: int, mu: float) -> bool:
    return len(samples) < most and not _stop(samples, mu)[1]


def _stop(samples: list[Sample], mu: float) -> tuple[int, bool]:
    """The stopping time, and whether it was reached. The log-probability of a truncated response is not its own."""
    if not samples:
        return 0, False
    logprob_PK = np.array(
        [[np.nan if sample.finish == "length" else sample.logprob for sample in samples]]
    )
    count_P, reached_P = stopping_times_P(logprob_PK, np.ones_like(logprob_PK, bool), mu)
    return int(count_P[0]), bool(reached_P[0])
