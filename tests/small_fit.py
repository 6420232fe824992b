"""A small fit, for tests of trainers, in this process or in a process of its own.

python tests/small_fit.py OUT NAME:RANK[:ACCUMULATION[:STEPS]] ...
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

from strop.distill import TRAINERS, Comparison, Preference, Row, Weighted
from strop.engines import embedded_folder, load_engine
from strop.engines.base import Request
from strop.prompts import solution_prompt
from strop.records import Prompt, Sample, Sampling
from strop.tasks import Arithmetic

MODEL = embedded_folder("ladder/25k")
PROBLEMS, STEPS, CHECKPOINT_EVERY = 11, 24, 4


@cache
def drawn() -> list[tuple[str, str, Sample, Sample, Prompt]]:
    """Return two responses to each problem.

    A tuple is the problem's id, the prompt as it was sent, two samples, the prompt as messages.
    """
    engine, task = load_engine("ladder/25k"), Arithmetic()
    problems = task.problems("train", PROBLEMS, seed=0)
    prompts = [solution_prompt(task, problem, []) for problem in problems]
    rows = engine.sample(
        [Request(prompt, (1, 2)) for prompt in prompts], Sampling(1.0, 1.0, 48)
    ).samples
    return [
        (problem.id, engine.render(prompt), *row, prompt)
        for problem, prompt, row in zip(problems, prompts, rows, strict=True)
    ]


def rows_for(name: str) -> list[Row]:
    """Return rows of the type that the trainer reads.

    The reward is the base model's log-probability, and the likelier response is the kept one.
    """
    row_type = TRAINERS[name].row
    rows: list[Row] = []
    for problem, prompt, first, second, _ in drawn():
        if row_type is Weighted:
            rows.append(Weighted(problem, prompt, first.token_ids, 1.0))
            rows.append(Weighted(problem, prompt, second.token_ids, 0.25))
        elif row_type is Preference:
            kept, rejected = sorted((first, second), key=lambda sample: -sample.logprob)
            rows.append(Preference(problem, prompt, kept.token_ids, rejected.token_ids))
        else:
            difference = first.logprob - second.logprob
            rows.append(Comparison(problem, prompt, first.token_ids, second.token_ids, difference))
    return rows


def fit_small(
    out: Path, name: str, rank: int = 0, accumulation: int = 1, steps: int = STEPS
) -> Path:
    trainer = TRAINERS[name](
        learning_rate=3e-3,
        batch_size=4,
        steps=steps,
        checkpoint_every=CHECKPOINT_EVERY,
        lora_rank=rank,
        gradient_accumulation=accumulation,
    )
    return replace(trainer, seed=3).fit(MODEL, rows_for(name), out)


if __name__ == "__main__":
    for spec in sys.argv[2:]:
        name, *numbers = spec.split(":")
        fit_small(Path(sys.argv[1], name), name, *map(int, numbers))
