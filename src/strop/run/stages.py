"""The two kinds of stages: draw responses to a part's problems, and score them."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any

import polars as pl

from strop.engines import Engine
from strop.errors import ModelError
from strop.generate import draw_adaptively, draw_responses, response_seeds
from strop.measure.adaptive import mu_for
from strop.records import Problem, Sample, Sampling, Usage, blind
from strop.run.executors import Stage
from strop.run.plan import Part, Plan
from strop.run.store import RESPONSE_SCHEMA, SCORE_SCHEMA, RunFolder
from strop.run.verification import SCORES
from strop.seeds import derive
from strop.tasks import Task
from strop.verify import Candidate, VerificationContext, Verifier


@dataclass(frozen=True)
class SampleResponses(Stage):
    """Draw ``count`` responses to every problem, and grade them."""

    name: str
    plan: Plan
    shots: list[Problem]
    count: int
    sampling: Sampling

    @property
    def responses(self) -> int:
        return self.count

    def rows(
        self, part: Part, engine: Engine | None, folder: RunFolder
    ) -> tuple[pl.DataFrame, Usage]:
        assert engine is not None
        plan = self.plan
        problems = [blind(problem) for problem in part.problems]
        seeds = [
            response_seeds(plan.seed, self.name, problem, self.count) for problem in part.problems
        ]
        settings = (engine, plan.task, problems, self.shots, self.sampling, seeds)
        if plan.adaptive is None or self.count == 1:
            generation = draw_responses(*settings)
        else:
            generation = draw_adaptively(*settings, mu_for(plan.adaptive))
        rows = [
            _response_row(plan.task, problem, number, sample)
            for problem, samples in zip(part.problems, generation.samples, strict=True)
            for number, sample in enumerate(samples)
        ]
        return pl.DataFrame(rows, schema=RESPONSE_SCHEMA, orient="row"), generation.usage


@dataclass(frozen=True)
class ScoreResponses(Stage):
    """Score every stored response with a verifier, ``draws`` times.

    ``max_tokens``: the most tokens of a verification, if that is not the plan's limit.
    """

    name: str
    plan: Plan
    shots: list[Problem]
    verifier: Verifier
    draws: int
    max_tokens: int | None = None

    @property
    def responses(self) -> int:
        return self.plan.samples

    def rows(
        self, part: Part, engine: Engine | None, folder: RunFolder
    ) -> tuple[pl.DataFrame, Usage]:
        candidates = self._candidates(part, folder)
        sampling = self.plan.verification_sampling(self.verifier, self.max_tokens)
        context = VerificationContext(self.plan.task, engine, self.shots, sampling)
        verdicts = self.verifier.score(candidates, context)
        if any(math.isinf(score.score) for score in verdicts.scores):
            raise ModelError(
                f"verifier {self.verifier.name} gave an infinite score; expected a finite one, "
                "or NaN to leave a response out"
            )
        rows = [
            (item.problem.id, item.sample, item.draw, score.score, score.parsed, score.text)
            for item, score in zip(candidates, verdicts.scores, strict=True)
        ]
        return pl.DataFrame(rows, schema=SCORE_SCHEMA, orient="row"), verdicts.usage

    def _candidates(self, part: Part, folder: RunFolder) -> list[Candidate]:
        problems = {problem.id: blind(problem) for problem in part.problems}
        responses = folder.read_part("responses", part.number)
        return [
            self._candidate(problems[row["problem"]], row, draw)
            for row in responses.iter_rows(named=True)
            for draw in range(self.draws)
        ]

    def _candidate(self, problem: Problem, row: dict[str, Any], draw: int) -> Candidate:
        stage = self.name.removeprefix(SCORES)
        return Candidate(
            problem,
            row["text"],
            derive(self.plan.seed, stage, problem.id, row["sample"], draw),
            row["sample"],
            draw,
            row["logprob"],
            row["tokens"] or 0,
            row["finish"],
            row["answer_strict"],
            row["utility_strict"] if self.verifier.sees_references else None,
        )


def _response_row(task: Task, problem: Problem, number: int, sample: Sample) -> tuple[Any, ...]:
    """Return one row of RESPONSE_SCHEMA."""
    grade = task.grade(sample.text, problem)
    return (
        problem.id,
        number,
        sample.text,
        sample.token_ids,
        sample.tokens,
        sample.logprob,
        sample.finish,
        *astuple(grade),
    )
