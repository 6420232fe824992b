"""A small fit, in this process or in one of its own:  python tests/small_fit.py OUT NAME:RANK[:ACCUMULATION[:STEPS]] ..."""

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
    """Two responses of each problem: its id, its prompt as it was sent, the samples, the prompt as messages."""
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
    """Rows of the trainer's kind; the reward is the base model's log-probability, and the likelier response the kept one."""
    rows: list[Row] = []
    for problem, prompt, one, other, _ in drawn():
        if TRAINERS[name].row is Weighted:
            rows += [
                Weighted(problem, prompt, one.token_ids, 1.0),
                Weighted(problem, prompt, other.token_ids, 0.25),
            ]
        elif TRAINERS[name].row is Preference:
            kept, rejected = sorted((one, other), key=lambda sample: -sample.logprob)
            rows.append(Preference(problem, prompt, kept.token_ids, rejected.token_ids))
        else:
            rows.append(
                Comparison(
                    problem, prompt, one.token_ids, other.token_ids, one.logprob - other.logprob
                )
            )
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
        kind, *numbers = spec.split(":")
        fit_small(Path(sys.argv[1], kind), kind, *map(int, numbers))
