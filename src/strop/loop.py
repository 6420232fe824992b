"""The spine: one round of measuring, in parts that survive being killed.

    problems  --engine.sample-->  responses  --verifier-->  scores

Weights and estimates follow from what is stored (``run.py``). Each stage is done part by part, PART_PROBLEMS problems in
each, by an executor: threads here, or workers elsewhere. Parts that exist are left alone, so the same loop starts a run, resumes it, or
adds a verifier to it.
"""

from __future__ import annotations

import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from itertools import islice
from typing import Any, Protocol, cast

import polars as pl
import threadpoolctl

from strop.engines import load_engine
from strop.engines.base import Engine, check_room
from strop.errors import ModelError, StoreError, TokenLimitError, UsageError
from strop.generate import draw_adaptively, draw_responses, response_seeds
from strop.measure.adaptive import enough
from strop.prompts import solution_prompt, stop_strings
from strop.records import Problem, Sampling, Usage, blind
from strop.seeds import derive
from strop.store import PART_PROBLEMS, PROBLEM_SCHEMA, RESPONSE_SCHEMA, SCORE_SCHEMA, RunFolder, slug
from strop.tasks import ELSEWHERE, TASKS, Task
from strop.verify import Bench, Candidate, PromptedVerifier, Verifier

SHOTS_SEED = 0
INTERRUPT_SECONDS = 0.2
"""How long an interrupt may go unheard: once polars has worked, its own signal handler lets a wait without end go on."""
LATER = (("split", "test"), ("adaptive", None))
"""Settings that came later, and what they are where a run's record does not name them."""
SCORES = "scores/"


@dataclass(frozen=True)
class Part:
    """The problems whose rows are made and stored together."""

    number: int
    problems: Sequence[Problem]


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
    split: str = "test"
    adaptive: float | None = None
    """The delta of adaptive best-of-N; ``samples`` is then the most that a problem gets."""

    def __post_init__(self) -> None:
        for name, low in (("problems", 1), ("samples", 1), ("shots", 0), ("max_tokens", 1)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise UsageError(f"--{name.replace('_', '-')} {value}: expected {low} or more")
        if self.temperature != 0 and not 0.01 <= self.temperature <= 10:
            raise UsageError(f"--temperature {self.temperature:g}: expected 0 (greedy), or a number from 0.01 to 10")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"--top-p {self.top_p:g}: expected a number above 0 and up to 1")
        if self.adaptive is not None and (self.temperature, self.top_p) != (1, 1):
            raise UsageError("--adaptive stops by probabilities at temperature 1, top-p 1; leave --temperature and --top-p as they are")

    def asked(self) -> dict[str, Any]:
        """As JSON, for the run record."""
        own = {name: value for name, value in self.__dict__.items() if name != "task" and (name, value) not in LATER}
        settings: dict[str, Any] = json.loads(json.dumps({f.name: getattr(self.task, f.name) for f in fields(cast(Any, self.task))}))
        return own | {"task": self.task.name, "task_class": type(self.task).__qualname__, "task_settings": settings}

    @classmethod
    def from_asked(cls, asked: dict[str, Any], task: Task | None = None) -> Plan:
        """Back from the run record; ``task`` is the instance itself, where TASKS does not know it."""
        try:
            settings = {key: tuple(value) if isinstance(value, list) else value for key, value in asked["task_settings"].items()}
            own = {f.name: asked[f.name] for f in fields(cls) if f.name != "task" and f.name not in dict(LATER)}
            own |= {name: asked.get(name, usual) for name, usual in LATER}
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
        """The split's problems; of the training split, none that an example shows with its answer."""
        seed = derive(self.seed, "problems")
        if self.split == "test":
            return self.task.problems("test", self.problems, seed)
        shown = {shot.question for shot in self.draw_shots()}
        found = self.task.problems(self.split, self.problems + len(shown), seed)
        return [problem for problem in found if problem.question not in shown][: self.problems]

    def draw_shots(self) -> list[Problem]:
        return self.task.shots(self.shots, SHOTS_SEED)

    @property
    def bootstrap_seed(self) -> int:
        return derive(self.seed, "bootstrap")

    @property
    def parts(self) -> int:
        return -(-self.problems // PART_PROBLEMS)

    def divide(self, problems: Sequence[Problem]) -> list[Part]:
        return [Part(number, problems[number * PART_PROBLEMS : (number + 1) * PART_PROBLEMS]) for number in range(self.parts)]


class Watcher(Protocol):
    """Is told how a stage goes on."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, usage: Usage) -> None: ...


class Stage(ABC):
    """One stage of a run: how the rows of a part are made. A plain value without the model, so that it can be sent to other machines."""

    name: str
    """Under which its parts are stored."""

    @abstractmethod
    def rows(self, part: Part, engine: Engine | None, folder: RunFolder) -> tuple[pl.DataFrame, Usage]:
        """The part's rows, and what they cost."""

    def do(self, part: Part, engine: Engine | None, folder: RunFolder) -> Usage:
        """Make a part and write it."""
        rows, usage = self.rows(part, engine, folder)
        folder.write_part(self.name, part.number, rows, usage)
        return usage


class Executor(Protocol):
    """Where parts are made: in threads of this process (``Threads``), or by workers elsewhere (``strop.cluster``)."""

    def load(self, model: str, revision: str | None = None) -> Engine:
        """A model by its name, as this executor needs it."""
        ...

    def work(self, stage: Stage, parts: Iterable[Part], engine: Engine | None, folder: RunFolder, done: Callable[[Usage], None]) -> None:
        """Do these parts, in any order; say of each that it is done when it stands in the folder. Ends with the first error.

        ``parts`` may end sooner by what ``done`` was told: take the next one only when somebody is free to do it.
        """
        ...


@dataclass(frozen=True)
class Threads:
    """Here, in so many threads where the engine gains by them."""

    workers: int

    def load(self, model: str, revision: str | None = None) -> Engine:
        return load_engine(model, revision)

    def work(self, stage: Stage, parts: Iterable[Part], engine: Engine | None, folder: RunFolder, done: Callable[[Usage], None]) -> None:
        workers = self.workers if engine and engine.worker_threads else 1
        with one_blas_thread(engine), ThreadPoolExecutor(workers) as pool:
            waiting, running = iter(parts), set[Future[Usage]]()
            try:
                while running := running | {
                    pool.submit(stage.do, part, engine, folder) for part in islice(waiting, workers - len(running))
                }:
                    finished, running = wait(running, INTERRUPT_SECONDS, FIRST_COMPLETED)
                    for future in finished:
                        done(future.result())
            except KeyboardInterrupt:
                if engine:
                    engine.cancel()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


@dataclass(frozen=True)
class Crew:
    """Who works on the parts, who is told, and how many tokens the run may spend."""

    executor: Executor
    watcher: Watcher
    token_limit: int | None = None


def default_workers() -> int:
    """The cores this process may use, eight at most."""
    return min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@dataclass(frozen=True)
class Answering(Stage):
    """Draw ``count`` responses to every problem, and grade them."""

    name: str
    plan: Plan
    shots: list[Problem]
    count: int
    sampling: Sampling

    def rows(self, part: Part, engine: Engine | None, folder: RunFolder) -> tuple[pl.DataFrame, Usage]:
        assert engine is not None
        seeds = [response_seeds(self.plan.seed, self.name, problem, self.count) for problem in part.problems]
        asked = [blind(problem) for problem in part.problems]
        if self.plan.adaptive is None or self.count == 1:
            generation = draw_responses(engine, self.plan.task, asked, self.shots, self.sampling, seeds)
        else:
            generation = draw_adaptively(engine, self.plan.task, asked, self.shots, self.sampling, seeds, enough(self.plan.adaptive))
        rows = [
            _response_row(self.plan.task, problem, number, sample)
            for problem, samples in zip(part.problems, generation.samples, strict=True)
            for number, sample in enumerate(samples)
        ]
        return pl.DataFrame(rows, schema=RESPONSE_SCHEMA, orient="row"), generation.usage


def sample_stages(plan: Plan, engine: Engine, problems: list[Problem], folder: RunFolder, crew: Crew) -> None:
    """Draw the K responses of every problem, and the greedy one."""
    shots = plan.draw_shots()
    for stage in (
        Answering("responses", plan, shots, plan.samples, plan.sampling()),
        Answering("greedy", plan, shots, 1, replace(plan.sampling(), temperature=0.0)),
    ):
        run_stage(stage, plan.divide(problems), engine, folder, crew)


def stage_name(verifier: str, judge: str, generator: str) -> str:
    """The name under which scores stand: the verifier's, with that of the model it asks where that is not the generator."""
    return verifier if judge == generator else f"{verifier}--{slug(judge)}"


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
        """The name under which its scores stand."""
        return stage_name(self.verifier.name, self.engine.name if self.engine else generator, generator)

    def record(self) -> dict[str, Any]:
        """What run.json says of it. The scores depend on ``settings``, ``draws``, ``model`` and ``fingerprint``."""
        asked = {"settings": self.verifier.settings(), "draws": self.draws}
        name, fingerprint = (self.engine.name, self.engine.fingerprint) if self.engine else (None, None)
        return self.verifier.describe() | asked | {"model": name, "fingerprint": fingerprint}


@dataclass(frozen=True)
class Judging(Stage):
    """Let a verifier score every stored response, ``draws`` times."""

    name: str
    plan: Plan
    shots: list[Problem]
    verifier: Verifier
    draws: int

    def rows(self, part: Part, engine: Engine | None, folder: RunFolder) -> tuple[pl.DataFrame, Usage]:
        plan, verifier, scored = self.plan, self.verifier, self.name.removeprefix(SCORES)
        by_id = {problem.id: blind(problem) for problem in part.problems}
        candidates = [
            Candidate(
                by_id[row["problem"]], row["text"], derive(plan.seed, scored, row["problem"], row["sample"], draw), row["sample"], draw,
                row["logprob"], row["tokens"] or 0, row["finish"], row["answer_strict"],
                row["utility_strict"] if verifier.sees_references else None,
            )
            for row in folder.read_part("responses", part.number).iter_rows(named=True)
            for draw in range(self.draws)
        ]  # fmt: skip
        verdicts = verifier.score(candidates, Bench(plan.task, engine, self.shots, plan.verification_sampling(verifier)))
        if any(math.isinf(score.score) for score in verdicts.scores):
            raise ModelError(f"verifier {verifier.name} gave an infinite score; expected a finite one, or NaN to leave a response out")
        rows = [
            (item.problem.id, item.sample, item.draw, score.score, score.parsed, score.text)
            for item, score in zip(candidates, verdicts.scores, strict=True)
        ]
        return pl.DataFrame(rows, schema=SCORE_SCHEMA, orient="row"), verdicts.usage


def verify_stage(plan: Plan, verification: Verification, problems: list[Problem], folder: RunFolder, crew: Crew) -> None:
    """Let the verifier score every stored response."""
    name = SCORES + verification.stage(plan.model)
    stage = Judging(name, plan, plan.draw_shots(), verification.verifier, verification.draws)
    run_stage(stage, plan.divide(problems), verification.engine, folder, crew)


def check_abilities(verification: Verification, generator: Engine | None) -> None:
    """UsageError where a verifier needs what its model, or the generator for log-probabilities, cannot tell."""
    verifier = verification.verifier
    asked = verification.engine if verifier.needs == "score" else generator
    if asked is not None and (reason := asked.lacks.get(verifier.needs)):
        raise UsageError(f"verifier {verifier.name} cannot be used with {asked.name}: {reason}; use another verifier or another model")


def check_verification_room(plan: Plan, verification: Verification, problems: list[Problem], longest: int) -> None:
    """UsageError where a question about responses of up to ``longest`` tokens may leave no room for its verification."""
    verifier, engine, shots = verification.verifier, verification.engine, plan.draw_shots()
    if not isinstance(verifier, PromptedVerifier) or engine is None:
        return
    written = plan.verification_sampling(verifier).max_tokens if verifier.samples_text else 0
    for problem in problems:
        empty = engine.count_tokens(verifier.prompt(plan.task, blind(problem), ("",) * verifier.shown, shots))
        check_room(engine, empty + longest * verifier.shown, written)


def run_stage(stage: Stage, parts: Sequence[Part], engine: Engine | None, folder: RunFolder, crew: Crew) -> None:
    """Do the parts that are missing.

    TokenLimitError where the run has spent its ``token_limit`` with parts still to begin; those under way are finished and kept.
    """
    missing = [part for part in parts if not folder.has_part(stage.name, part.number)]
    crew.watcher.begin(stage.name, len(parts), len(parts) - len(missing))
    left = math.inf if crew.token_limit is None or engine is None else crew.token_limit - folder.spent_tokens()

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


@contextmanager
def one_blas_thread(engine: Engine | None) -> Iterator[None]:
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
