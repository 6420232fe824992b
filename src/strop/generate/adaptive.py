"""Adaptive best-of-N: draw responses until the likeliest one is likely enough to stop.

"Sharpening", Appendix D. ``strop.measure.adaptive`` has the stopping rule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strop.engines.base import Engine, Generation, Request
from strop.measure.adaptive import stopping_times_P
from strop.prompts import solution_prompt
from strop.records import Problem, Sample, Sampling, total_usage
from strop.tasks.base import Task

FIRST_ROUND = 4
"""Responses to each problem in the first round; every later round doubles."""


def draw_adaptively(
    engine: Engine,
    task: Task,
    problems: Sequence[Problem],
    shots: list[Problem],
    sampling: Sampling,
    seeds: Sequence[tuple[int, ...]],
    mu: float,
) -> Generation:
    """Draw responses to each problem (blind) up to its stopping time, or until its seeds are used.

    The responses come in rounds that double in size, since an engine is fast on batches. What a
    round drew beyond the stopping time is thrown away. So the responses are those of drawing one
    after the other, and the usage is what was spent.
    """
    prompts = [solution_prompt(task, problem, shots) for problem in problems]
    samples: list[list[Sample]] = [[] for _ in problems]
    usages = []
    unfinished = [index for index, seeds_of_problem in enumerate(seeds) if seeds_of_problem]
    round_size = FIRST_ROUND
    while unfinished:
        requests = []
        for index in unfinished:
            start = len(samples[index])
            requests.append(Request(prompts[index], seeds[index][start : start + round_size]))
        generation = engine.draw(requests, sampling)
        usages.append(generation.usage)
        for index, drawn in zip(unfinished, generation.samples, strict=True):
            samples[index] += drawn
        round_size *= 2
        unfinished = [
            index
            for index in unfinished
            if len(samples[index]) < len(seeds[index]) and not _stop(samples[index], mu)[1]
        ]
    kept = []
    for drawn in samples:
        count, _ = _stop(drawn, mu)
        kept.append(drawn[:count])
    return Generation(kept, total_usage(usages))


def _stop(samples: list[Sample], mu: float) -> tuple[int, bool]:
    """Return the stopping time of one problem, and whether it was reached."""
    if not samples:
        return 0, False
    logprobs = []
    for sample in samples:
        # The sum of a truncated response lacks the terms that were never drawn: it is unknown.
        logprobs.append(np.nan if sample.finish == "length" else sample.logprob)
    logprob_1K = np.array([logprobs])
    everything_1K = np.ones_like(logprob_1K, bool)
    count_P, reached_P = stopping_times_P(logprob_1K, everything_1K, mu)
    return int(count_P[0]), bool(reached_P[0])
