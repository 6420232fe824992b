"""The spine: one round of measuring, in parts that survive being killed.

    problems  --engine.sample-->  responses  --verifier-->  scores

Weights and estimates follow from what is stored (``run.py``). Each stage is done part by part, PART_PROBLEMS problems in
each, by an executor: threads here, or workers elsewhere. Parts that exist are left alone, so the same loop starts a run, resumes it, or
adds a verifier to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any

import polars as pl

from strop.engines import Engine
from strop.engines.base import check_room
from strop.errors import ModelError, TokenLimitError
from strop.generate import draw_adaptively, draw_responses, response_seeds
from strop.measure.adaptive import enough
from strop.prompts import solution_prompt
from strop.records import Problem, Sampling, Usage, blind
from strop.run.executors import Execution, Stage
from strop.run.plan import Part, Plan
from strop.run.store import PROBLEM_SCHEMA, RESPONSE_SCHEMA, SCORE_SCHEMA, RunFolder
from strop.run.verification import SCORES, Verification
from strop.seeds import derive
from strop.tasks import Task
from strop.verify import Candidate, VerificationContext, Verifier


@dataclass(frozen=True)
class Answering(Stage):
    """Draw ``count`` responses to every problem, and grade them."""

    name: str
    plan: Plan
    shots: list[Problem]
    count: int
    sampling: Sampling

    def rows(
        self, part: Part, engine: Engine | None, folder: RunFolder
    ) -> tuple[pl.DataFrame, Usage]:
        assert engine is not None
        seeds = [
            response_seeds(self.plan.seed, self.name, problem, self.count)
            for problem in part.problems
        ]
        asked = [blind(problem) for problem in part.problems]
        if self.plan.adaptive is None or self.count == 1:
            generation = draw_responses(
                engine, self.plan.task, asked, self.shots, self.sampling, seeds
            )
        else:
            generation = draw_adaptively(
                engine,
                self.plan.task,
                asked,
                self.shots,
                self.sampling,
                seeds,
                enough(self.plan.adaptive),
            )
        rows = [
            _response_row(self.plan.task, problem, number, sample)
            for problem, samples in zip(part.problems, generation.samples, strict=True)
            for number, sample in enumerate(samples)
        ]
        return pl.DataFrame(rows, schema=RESPONSE_SCHEMA, orient="row"), generation.usage


def sample_stages(
    plan: Plan, engine: Engine, problems: list[Problem], folder: RunFolder, crew: Execution
) -> None:
    """Draw the K responses of every problem, and the greedy one."""
    shots = plan.draw_shots()
    for stage in (
        Answering("responses", plan, shots, plan.samples, plan.sampling()),
        Answering("greedy", plan, shots, 1, replace(plan.sampling(), temperature=0.0)),
    ):
        run_stage(stage, plan.divide(problems), engine, folder, crew)


@dataclass(frozen=True)
class Judging(Stage):
    """Let a verifier score every stored response, ``draws`` times."""

    name: str
    plan: Plan
    shots: list[Problem]
    verifier: Verifier
    draws: int

    def rows(
        self, part: Part, engine: Engine | None, folder: RunFolder
    ) -> tuple[pl.DataFrame, Usage]:
        plan, verifier, scored = self.plan, self.verifier, self.name.removeprefix(SCORES)
        by_id = {problem.id: blind(problem) for problem in part.problems}
        candidates = [
            Candidate(
                by_id[row["problem"]],
                row["text"],
                derive(plan.seed, scored, row["problem"], row["sample"], draw),
                row["sample"],
                draw,
                row["logprob"],
                row["tokens"] or 0,
                row["finish"],
                row["answer_strict"],
                row["utility_strict"] if verifier.sees_references else None,
            )
            for row in folder.read_part("responses", part.number).iter_rows(named=True)
            for draw in range(self.draws)
        ]
        verdicts = verifier.score(
            candidates,
            VerificationContext(
                plan.task, engine, self.shots, plan.verification_sampling(verifier)
            ),
        )
        if any(math.isinf(score.score) for score in verdicts.scores):
            raise ModelError(
                f"verifier {verifier.name} gave an infinite score; expected a finite one, or NaN to leave a response out"
            )
        rows = [
            (item.problem.id, item.sample, item.draw, score.score, score.parsed, score.text)
            for item, score in zip(candidates, verdicts.scores, strict=True)
        ]
        return pl.DataFrame(rows, schema=SCORE_SCHEMA, orient="row"), verdicts.usage


def verify_stage(
    plan: Plan,
    verification: Verification,
    problems: list[Problem],
    folder: RunFolder,
    crew: Execution,
) -> None:
    """Let the verifier score every stored response."""
    name = SCORES + verification.stage(plan.model)
    stage = Judging(name, plan, plan.draw_shots(), verification.verifier, verification.draws)
    run_stage(stage, plan.divide(problems), verification.engine, folder, crew)


def run_stage(
    stage: Stage, parts: Sequence[Part], engine: Engine | None, folder: RunFolder, crew: Execution
) -> None:
    """Do the parts that are missing.

    TokenLimitError where the run has spent its ``token_limit`` with parts still to begin; those under way are finished and kept.
    """
    missing = [part for part in parts if not folder.has_part(stage.name, part.number)]
    crew.watcher.begin(stage.name, len(parts), len(parts) - len(missing))
    left = (
        math.inf
        if crew.token_limit is None or engine is None
        else crew.token_limit - folder.spent_tokens()
    )

    def within_limit() -> Iterator[Part]:
        while missing and left > 0:
            yield missing.pop(0)

    def done(usage: Usage) -> None:
        nonlocal left
        left -= usage.spent_tokens
        crew.watcher.advance(usage)

    crew.executor.work(stage, within_limit(), engine, folder, done)
    if missing:
        raise TokenLimitError(
            f"{folder.path} has spent {folder.spent_tokens():,} tokens, and --max-tokens-total is {crew.token_limit:,}; all finished parts "
            "are kept: the same command with a higher limit goes on"
        )


def problem_frame(plan: Plan, engine: Engine, problems: list[Problem]) -> pl.DataFrame:
    """problems.parquet: with each prompt exactly as sent. UsageError where a prompt leaves no room for a response."""
    shots = plan.draw_shots()
    prompts = [solution_prompt(plan.task, blind(problem), shots) for problem in problems]
    for prompt in prompts:
        check_room(engine, engine.count_tokens(prompt), plan.sampling().max_tokens)
    rows = [
        (
            p.id,
            p.split,
            p.question,
            p.reference,
            engine.render(prompt),
            json.dumps(dict(p.metadata)),
        )
        for p, prompt in zip(problems, prompts, strict=True)
    ]
    return pl.DataFrame(rows, schema=PROBLEM_SCHEMA, orient="row")


def _response_row(task: Task, problem: Problem, number: int, sample: Any) -> tuple[Any, ...]:
    drawn = (
        problem.id,
        number,
        sample.text,
        sample.token_ids,
        sample.tokens,
        sample.logprob,
        sample.finish,
    )
    return (*drawn, *astuple(task.grade(sample.text, problem)))
