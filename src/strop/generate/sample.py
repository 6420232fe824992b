"""Draw responses: K per problem, every one with a seed of its own."""

from __future__ import annotations

from collections.abc import Sequence

from strop.engines.base import Engine, Generation, Request
from strop.prompts import solution_prompt
from strop.records import Problem, Sampling
from strop.seeds import derive
from strop.tasks.base import Task


def draw_responses(
    engine: Engine,
    task: Task,
    problems: Sequence[Problem],
    shots: list[Problem],
    sampling: Sampling,
    seeds: Sequence[tuple[int, ...]],
) -> Generation:
    """One response for each problem (blind) and seed."""
    requests = [
        Request(solution_prompt(task, problem, shots), own)
        for problem, own in zip(problems, seeds, strict=True)
    ]
    return engine.sample(requests, sampling)


def response_seeds(seed: int, stage: str, problem: Problem, count: int) -> tuple[int, ...]:
    """Seeds of the first ``count`` responses to a problem; a larger count begins with the same ones."""
    return tuple(derive(seed, stage, problem.id, number) for number in range(count))
