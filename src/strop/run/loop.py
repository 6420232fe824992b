"""Sample and verify one run, in parts, so that a killed run can go on.

    problems  --engine.sample-->  responses  --verifier-->  scores

Weights and estimates follow from what is stored (``run.py``). Each arrow is a stage
(``stages.py``). A stage is done part by part, with PART_PROBLEMS problems in each part, by an
executor: threads of this process, or workers elsewhere (``executors.py``). Parts that exist are
skipped, so the same loop starts a run, resumes it, and adds a verifier to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from strop.engines import Engine
from strop.engines.base import check_room
from strop.errors import CorruptPartError, TokenLimitError, UsageError
from strop.records import Problem, Usage
from strop.run.executors import Execution, Stage
from strop.run.plan import Part, Plan
from strop.run.reuse import reuse_responses
from strop.run.stages import SampleResponses, ScoreResponses
from strop.run.store import PROBLEM_SCHEMA, RunFolder
from strop.run.verification import (
    SCORES,
    Verification,
    check_abilities,
    check_verification_room,
)


def run_round(
    plan: Plan,
    engine: Engine,
    problems: list[Problem],
    verifications: Sequence[Verification],
    record: dict[str, Any],
    folder: RunFolder,
    execution: Execution,
    reuse: Path | None = None,
) -> None:
    """Draw the responses and score them. Parts that the folder holds already are kept.

    Wrong settings are refused before anything is written to the folder. ``reuse``: another run; its
    responses are copied if this run would draw the same ones.
    """
    frame = problem_frame(plan, engine, problems)
    check_adaptive(plan, engine)
    for verification in verifications:
        check_abilities(verification, engine)
        check_verification_room(plan, verification, problems, plan.sampling().max_tokens)
    with folder.writing():
        stored = folder.start(record, frame)
        reuse_responses(folder, reuse)
        sample_stages(plan, engine, problems, folder, execution)
        for verification in verifications:
            verify_stage(plan, verification, problems, folder, execution)
        if not set(record["verifiers"]) <= set(stored.get("verifiers", ())):
            raise CorruptPartError(
                f"{folder.path / 'run.json'} lacks verifiers of this command; restore it, "
                "or choose another --out"
            )


def sample_stages(
    plan: Plan, engine: Engine, problems: list[Problem], folder: RunFolder, execution: Execution
) -> None:
    """Draw the K responses of every problem, and the greedy one."""
    shots = plan.draw_shots()
    parts = plan.divide(problems)
    sampling = plan.sampling()
    greedy = replace(sampling, temperature=0.0)
    for stage in (
        SampleResponses("responses", plan, shots, plan.samples, sampling),
        SampleResponses("greedy", plan, shots, 1, greedy),
    ):
        run_stage(stage, parts, engine, folder, execution)


def verify_stage(
    plan: Plan,
    verification: Verification,
    problems: list[Problem],
    folder: RunFolder,
    execution: Execution,
) -> None:
    """Score every stored response with one verifier."""
    stage = ScoreResponses(
        SCORES + verification.stage(plan.model),
        plan,
        plan.draw_shots(),
        verification.verifier,
        verification.draws,
        verification.max_tokens,
    )
    run_stage(stage, plan.divide(problems), verification.engine, folder, execution)


def run_stage(
    stage: Stage,
    parts: Sequence[Part],
    engine: Engine | None,
    folder: RunFolder,
    execution: Execution,
) -> None:
    """Make the parts of a stage that are missing.

    Raises TokenLimitError when the run has used its ``token_limit`` and parts are left. Parts that
    were begun before that are finished and kept.
    """
    missing = [part for part in parts if not folder.has_part(stage.name, part.number)]
    problems = sum(len(part.problems) for part in parts)
    done = len(parts) - len(missing)
    execution.watcher.begin(stage.name, len(parts), done, problems * stage.responses)
    tokens_left = math.inf
    if execution.token_limit is not None and engine is not None:
        tokens_left = execution.token_limit - folder.spent_tokens()

    # The executor takes a part only when a worker is free, so that the limit is checked against
    # all that was used up to that moment.
    def parts_within_limit() -> Iterator[Part]:
        while missing and tokens_left > 0:
            yield missing.pop(0)

    def part_done(usage: Usage) -> None:
        nonlocal tokens_left
        tokens_left -= usage.spent_tokens
        execution.watcher.advance(usage)

    execution.executor.work(stage, parts_within_limit(), engine, folder, part_done)
    if missing:
        raise TokenLimitError(
            f"{folder.path} has spent {folder.spent_tokens():,} tokens, and --max-tokens-total is "
            f"{execution.token_limit:,}; all finished parts are kept: "
            "the same command with a higher limit goes on"
        )


def problem_frame(plan: Plan, engine: Engine, problems: list[Problem]) -> pl.DataFrame:
    """Return the content of problems.parquet, with each prompt exactly as it is sent.

    Raises UsageError if a prompt leaves no room for a response.
    """
    prompts = plan.solution_prompts(problems)
    for prompt in prompts:
        check_room(engine, engine.count_tokens(prompt), plan.sampling().max_tokens)
    rows = []
    for problem, prompt in zip(problems, prompts, strict=True):
        metadata = json.dumps(dict(problem.metadata))
        question, reference = problem.question, problem.reference
        rows.append(
            (problem.id, problem.split, question, reference, engine.render(prompt), metadata)
        )
    return pl.DataFrame(rows, schema=PROBLEM_SCHEMA, orient="row")


def check_adaptive(plan: Plan, engine: Engine) -> None:
    """Raise UsageError if adaptive stopping needs log-probabilities that the engine cannot give."""
    reason = engine.lacks.get("logprob")
    if plan.adaptive is not None and reason:
        raise UsageError(
            f"--adaptive cannot be used with {engine.name}: {reason}; "
            "draw a fixed number of responses"
        )
