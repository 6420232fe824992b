"""Draw K responses per problem, each with its own seed."""

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
    """Draw one response for each problem (blind) and each of its seeds."""
    requests = [
        Request(solution_prompt(task, problem, shots), seeds_of_problem)
        for problem, seeds_of_problem in zip(problems, seeds, strict=True)
    ]
    return engine.draw(requests, sampling)


def response_seeds(seed: int, stage: str, problem: Problem, count: int) -> tuple[int, ...]:
    """Return the seeds of the first ``count`` responses to a problem.

    A larger count begins with the same seeds, so a run can be extended.
    """
    return tuple(derive(seed, stage, problem.id, number) for number in range(count))
