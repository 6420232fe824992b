"""The spine: one round of measuring, in parts that survive being killed.

    problems  --engine.sample-->  responses  --verifier-->  scores

Weights and estimates follow from what is stored (``run.py``). Each stage maps one function over parts of PART_PROBLEMS problems;
parts that exist are left alone, so the same loop starts a run, resumes it, or adds a verifier to it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, Protocol, cast

import polars as pl
import threadpoolctl

from strop.engines.base import Engine, check_room
from strop.errors import ModelError, StoreError, TokenLimitError, UsageError
from strop.generate import draw_responses, response_seeds
from strop.prompts import solution_prompt, stop_strings
from strop.records import Problem, Sampling, Usage, blind
from strop.seeds import derive
from strop.store import PART_PROBLEMS, PROBLEM_SCHEMA, RESPONSE_SCHEMA, SCORE_SCHEMA, RunFolder, slug
from strop.tasks import ELSEWHERE, TASKS, Task
from strop.verify import Bench, Candidate, PromptedVerifier, Verifier

SHOTS_SEED = 0
INTERRUPT_SECONDS = 0.2
"""How long an interrupt may go unheard: once polars has worked, its own signal handler lets a wait without end go on."""


@dataclass(frozen=True)
class Plan:
    """What is asked of a run: everything that its stored rows depend on."""

    model: str
    task: Task
    problems: int = 200
    samples: int = 32
    shots: int = 0
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int | None = None
    seed: int = 0
    revision: str | None = None

    def __post_init__(self) -> None:
        for name, low in (("problems", 1), ("samples", 1), ("shots", 0), ("max_tokens", 1)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise UsageError(f"--{name.replace('_', '-')} {value}: expected {low} or more")
        if self.temperature != 0 and not 0.01 <= self.temperature <= 10:
            raise UsageError(f"--temperature {self.temperature:g}: expected 0 (greedy), or a number from 0.01 to 10")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"--top-p {self.top_p:g}: expected a number above 0 and up to 1")

    def asked(self) -> dict[str, Any]:
        """As JSON, for the run record."""
        own = {name: value for name, value in self.__dict__.items() if name != "task"}
        settings: dict[str, Any] = json.loads(json.dumps({f.name: getattr(self.task, f.name) for f in fields(cast(Any, self.task))}))
        return own | {"task": self.task.name, "task_class": type(self.task).__qualname__, "task_settings": settings}

    @classmethod
    def from_asked(cls, asked: dict[str, Any], task: Task | None = None) -> Plan:
        """Back from the run record; ``task`` is the instance itself, where TASKS does not know it."""
        try:
            settings = {key: tuple(value) if isinstance(value, list) else value for key, value in asked["task_settings"].items()}
            own = {f.name: asked[f.name] for f in fields(cls) if f.name != "task"}
            return cls(task=task or (TASKS | ELSEWHERE)[asked["task"]](**settings), **own)
        except (KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise StoreError(f"run.json cannot be understood ({reason}); it was changed, or written by another strop: restore it") from None

    def sampling(self) -> Sampling:
        """How responses are drawn."""
        return Sampling(self.temperature, self.top_p, self.max_tokens or self.task.max_tokens, stop_strings(self.task, self.shots))

    def verification_sampling(self, verifier: Verifier) -> Sampling:
        """How verifications are drawn: where a question shows two responses, the task's limit counts twice.

        What ends a response of the task does not end a check of it: natural-questions answers in a line, and a verdict has its own.
        """
        shown = verifier.shown if isinstance(verifier, PromptedVerifier) else 1
        longest = self.max_tokens or shown * self.task.verification_max_tokens
        return replace(self.sampling(), max_tokens=longest, stop=verifier.stop_strings(self.shots))

    def draw_problems(self) -> list[Problem]:
        return self.task.problems("test", self.problems, derive(self.seed, "problems"))

    def draw_shots(self) -> list[Problem]:
        return self.task.shots(self.shots, SHOTS_SEED)

    @property
    def bootstrap_seed(self) -> int:
        return derive(self.seed, "bootstrap")

    @property
    def parts(self) -> int:
        return -(-self.problems // PART_PROBLEMS)

    def part(self, problems: Sequence[Problem], number: int) -> Sequence[Problem]:
        return problems[number * PART_PROBLEMS : (number + 1) * PART_PROBLEMS]


class Watcher(Protocol):
    """Is told how a stage goes on."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, usage: Usage) -> None: ...


@dataclass(frozen=True)
class Crew:
    """How parts are worked on: threads for engines that gain by them, who is told, and how many tokens the run may spend."""

    workers: int
    watcher: Watcher
    token_limit: int | None = None


def default_workers() -> int:
    """The cores this process may use, eight at most."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def sample_stages(plan: Plan, engine: Engine, problems: list[Problem], folder: RunFolder, crew: Crew) -> None:
    """Draw the K responses of every problem, and the greedy one."""
    shots = plan.draw_shots()
    stages = (("responses", plan.samples, plan.sampling()), ("greedy", 1, replace(plan.sampling(), temperature=0.0)))
    for stage, count, sampling in stages:

        def respond(number: int, stage: str = stage, count: int = count, sampling: Sampling = sampling) -> tuple[pl.DataFrame, Usage]:
            part = plan.part(problems, number)
            seeds = [response_seeds(plan.seed, stage, problem, count) for problem in part]
            generation = draw_responses(engine, plan.task, [blind(problem) for problem in part], shots, sampling, seeds)
            rows = [
                _response_row(plan.task, problem, number, sample)
                for problem, samples in zip(part, generation.samples, strict=True)
                for number, sample in enumerate(samples)
            ]
            return pl.DataFrame(rows, schema=RESPONSE_SCHEMA, orient="row"), generation.usage

        run_parts(stage, plan.parts, respond, engine, folder, crew)


@dataclass(frozen=True)
class Verification:
    """One verifier's stage of a run: which model it asks, and how many verifications of each response it draws (M).

    ``engine`` is None where no model is asked, and ``draws`` is 1 where nothing is sampled: more of them would all be the same.
    """

    verifier: Verifier
    engine: Engine | None
    draws: int

    @classmethod
    def of(cls, verifier: Verifier, engine: Engine | None, draws: int = 1) -> Verification:
        """UsageError for fewer than one draw."""
        if draws < 1:
            raise UsageError(f"--draws {draws}: expected 1 or more")
        assert engine is not None or not verifier.asks_model, f"{verifier.name} asks a model, and none was given"
        return cls(verifier, engine if verifier.asks_model else None, draws if verifier.samples_text else 1)

    def stage(self, generator: str) -> str:
        """The name under which its scores stand: the verifier's, with the model's where that is not the generator."""
        if self.engine is None or self.engine.name == generator:
            return self.verifier.name
        return f"{self.verifier.name}--{slug(self.engine.name)}"

    def record(self) -> dict[str, Any]:
        """What run.json says of it. The scores depend on ``settings``, ``draws``, ``model`` and ``fingerprint``."""
        asked = {"settings": self.verifier.settings(), "draws": self.draws}
        name, fingerprint = (self.engine.name, self.engine.fingerprint) if self.engine else (None, None)
        return self.verifier.describe() | asked | {"model": name, "fingerprint": fingerprint}


def check_abilities(verification: Verification, generator: Engine | None) -> None:
    """UsageError where a verifier needs what its model, or the generator for log-probabilities, cannot tell."""
    verifier = verification.verifier
    asked = verification.engine if verifier.needs == "score" else generator
    if asked is not None and (reason := asked.lacks.get(verifier.needs)):
        raise UsageError(f"verifier {verifier.name} cannot be used with {asked.name}: {reason}; use another verifier or another model")


def verify_stage(plan: Plan, verification: Verification, problems: list[Problem], folder: RunFolder, crew: Crew) -> None:
    """Let the verifier score every stored response."""
    verifier, engine, stage = verification.verifier, verification.engine, verification.stage(plan.model)
    bench = Bench(plan.task, engine, plan.draw_shots(), plan.verification_sampling(verifier))

    def judge(number: int) -> tuple[pl.DataFrame, Usage]:
        by_id = {problem.id: blind(problem) for problem in plan.part(problems, number)}
        candidates = [
            Candidate(
                by_id[row["problem"]], row["text"], derive(plan.seed, stage, row["problem"], row["sample"], draw), row["sample"], draw,
                row["logprob"], row["tokens"] or 0, row["finish"], row["answer_strict"],
                row["utility_strict"] if verifier.sees_references else None,
            )
            for row in folder.read_part("responses", number).iter_rows(named=True)
            for draw in range(verification.draws)
        ]  # fmt: skip
        verdicts = verifier.score(candidates, bench)
        if any(math.isinf(score.score) for score in verdicts.scores):
            raise ModelError(f"verifier {verifier.name} gave an infinite score; expected a finite one, or NaN to leave a response out")
        rows = [
            (item.problem.id, item.sample, item.draw, score.score, score.parsed, score.text)
            for item, score in zip(candidates, verdicts.scores, strict=True)
        ]
        return pl.DataFrame(rows, schema=SCORE_SCHEMA, orient="row"), verdicts.usage

    run_parts(f"scores/{stage}", plan.parts, judge, engine, folder, crew)


def check_verification_room(plan: Plan, verification: Verification, problems: list[Problem], longest: int) -> None:
    """UsageError where a question about responses of up to ``longest`` tokens may leave no room for its verification."""
    verifier, engine, shots = verification.verifier, verification.engine, plan.draw_shots()
    if not isinstance(verifier, PromptedVerifier) or engine is None:
        return
    written = plan.verification_sampling(verifier).max_tokens if verifier.samples_text else 0
    for problem in problems:
        empty = engine.count_tokens(verifier.prompt(plan.task, blind(problem), ("",) * verifier.shown, shots))
        check_room(engine, empty + longest * verifier.shown, written)


def run_parts(
    stage: str, parts: int, work: Callable[[int], tuple[pl.DataFrame, Usage]], engine: Engine | None, folder: RunFolder, crew: Crew
) -> None:
    """Do the parts that are missing, several at once where the engine gains by it; this thread alone writes.

    TokenLimitError where the run has spent its ``token_limit`` with parts still to begin; those under way are finished and kept.
    """
    missing = [number for number in range(parts) if not folder.has_part(stage, number)]
    crew.watcher.begin(stage, parts, parts - len(missing))
    workers = crew.workers if engine and engine.worker_threads else 1
    left = math.inf if crew.token_limit is None else crew.token_limit - folder.spent_tokens()
    with _one_blas_thread(engine), ThreadPoolExecutor(workers) as pool:
        running: dict[Future[tuple[pl.DataFrame, Usage]], int] = {}
        try:
            while True:
                while len(running) < workers and missing and (left > 0 or engine is None):
                    number = missing.pop(0)
                    running[pool.submit(work, number)] = number
                if not running:
                    break
                for future in wait(running, INTERRUPT_SECONDS, FIRST_COMPLETED).done:
                    frame, usage = future.result()
                    folder.write_part(stage, running.pop(future), frame, usage)
                    crew.watcher.advance(usage)
                    left -= usage.spent_tokens
        except BaseException:
            if engine:
                engine.cancel()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    if missing:
        raise TokenLimitError(
            f"{folder.path} has spent {folder.spent_tokens():,} tokens, and --max-tokens-total is {crew.token_limit:,}; all finished parts "
            "are kept: the same command with a higher limit goes on"
        )


@contextmanager
def _one_blas_thread(engine: Engine | None) -> Iterator[None]:
    """Engines that run in several of our threads get one BLAS thread each: faster, and the same rounding whatever the machine."""
    if not (engine and engine.worker_threads):
        yield
        return
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        yield


def problem_frame(plan: Plan, engine: Engine, problems: list[Problem]) -> pl.DataFrame:
    """problems.parquet: with each prompt exactly as sent. UsageError where a prompt leaves no room for a response."""
    shots = plan.draw_shots()
    prompts = [solution_prompt(plan.task, blind(problem), shots) for problem in problems]
    for prompt in prompts:
        check_room(engine, engine.count_tokens(prompt), plan.sampling().max_tokens)
    rows = [
        (p.id, p.split, p.question, p.reference, engine.render(prompt), json.dumps(dict(p.metadata)))
        for p, prompt in zip(problems, prompts, strict=True)
    ]
    return pl.DataFrame(rows, schema=PROBLEM_SCHEMA, orient="row")


def _response_row(task: Task, problem: Problem, number: int, sample: Any) -> tuple[Any, ...]:
    drawn = (problem.id, number, sample.text, sample.token_ids, sample.tokens, sample.logprob, sample.finish)
    return (*drawn, *astuple(task.grade(sample.text, problem)))
