"""Measure the gap of a model on a task; add verifiers to a run; import samples as a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from strop.engines import DEFAULT_MODEL, Engine
from strop.engines.thinking import MARK, read_option
from strop.errors import RunMismatchError, StoreError, UsageError
from strop.progress import Silent, Watcher
from strop.run.executors import Execution, Executor, as_executor
from strop.run.importing import import_run
from strop.run.loop import run_round, verify_stage
from strop.run.part_size import part_size
from strop.run.plan import VERIFY_LIMIT, Plan
from strop.run.record import begin_verifier, finish_verifier, new_record
from strop.run.reuse import reuse_scores
from strop.run.run import Run, write_estimates
from strop.run.store import RunFolder, default_folder
from strop.run.updates import UPDATES, of_courses
from strop.run.updates import write as write_updates
from strop.run.verification import Verification, check_abilities, check_verification_room
from strop.tasks import Task, find_task
from strop.tasks.qa import QuestionsAndAnswers
from strop.verify import Verifier, find_verifier, find_verifiers
from strop.verify.self_reward import Majority
from strop.weigh import check_weights

DEFAULT_VERIFIERS = ("mc", "cot-binary")
IMPORTED = "imported"
"""The model name of imported samples whose model is not given."""


def gap(
    model: str | Engine = DEFAULT_MODEL,
    task: str | Task = "arithmetic",
    *,
    verifiers: Sequence[str | Verifier] = DEFAULT_VERIFIERS,
    verify_with: str | Engine | None = None,
    draws: int = 1,
    weights: Sequence[str] = (),
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
    max_tokens_total: int | None = None,
    past: Sequence[str | Path] = (),
    **options: Any,
) -> Run:
    """Measure the generation-verification gap of a model on a task: sample, verify, weigh, measure.

    ``task``: a name, a name and a difficulty as in "arithmetic:hard", or an instance.
    ``verify_with``: the model that verifiers ask; the generator by default.
    ``draws``: verifications of each response, which are averaged. A verifier that samples no text
    has one.
    ``weights``: weights such as "quantile:0.7"; each verifier's default weight by default.
    ``out``: the run folder. With the same arguments and ``out`` a stopped run is resumed. Without
    ``out`` the folder's name follows from the arguments.
    ``workers``: threads of the embedded engine, or an executor such as
    ``strop.cluster.RayCluster``.
    ``max_tokens_total``: once the run has used this many tokens, no new part is begun
    (TokenLimitError).
    ``past``: folders of ``strop improve``; the verdict may use the updates measured there.
    ``options``: the fields of ``strop.Plan``: problems, samples, shots, temperature, top_p,
    max_tokens, verify_max_tokens, seed, revision.

    Raises a StropError whose message says what to do.
    """
    found_verifiers = find_verifiers(verifiers)
    checked_weights = check_weights(weights, options.get("samples", Plan.samples))
    token_limit = _checked_limit(max_tokens_total)
    execution = Execution(as_executor(workers), watcher or Silent(), token_limit)
    updates = of_courses(map(Path, past))
    engine = model
    if isinstance(engine, str):
        engine = execution.executor.load(engine, options.get("revision"))
    judge = _judge(found_verifiers, verify_with, engine, execution.executor)
    found_task = find_task(task)
    verifications = [Verification.of(verifier, judge, draws) for verifier in found_verifiers]
    run = _run_plan(engine, found_task, judge, verifications, out, execution, options, draws)
    if updates:
        write_updates(updates, run.path / UPDATES)
    return write_estimates(Run(run.path, checked_weights, found_task))


def sample(
    engine: Engine,
    task: str | Task,
    *,
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
    reuse: Path | None = None,
    **options: Any,
) -> Run:
    """Draw responses alone, with the ``options`` of ``gap``.

    Add verifiers with ``verify_run``; ``write_estimates`` then measures the run. ``reuse``: another
    run; its responses are copied if this run would draw the same ones.
    """
    execution = Execution(as_executor(workers), watcher or Silent())
    return _run_plan(engine, find_task(task), engine, (), out, execution, options, reuse=reuse)


def add_verifier(
    run: str | Path,
    verifier: str | Verifier,
    *,
    verify_with: str | Engine | None = None,
    draws: int = 1,
    verify_max_tokens: int | None = None,
    weights: Sequence[str] = (),
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
) -> Run:
    """Add a verifier to an existing run.

    The stored responses are read and never drawn again. A verifier that asks no model loads none.
    ``verify_max_tokens``: the most tokens of a verification; by default that of the run.
    """
    found_verifier = find_verifier(verifier)
    opened = Run(Path(run), check_weights(weights))
    execution = Execution(as_executor(workers), watcher or Silent())
    opened.check_fixed()
    check_complete(opened)
    judge = None
    if found_verifier.asks_model:
        judge = _judge_of_run(opened, verify_with, execution.executor)
    verification = Verification.of(found_verifier, judge, draws, verify_max_tokens)
    verify_run(opened, verification, execution)
    return write_estimates(Run(opened.path, opened.weights))


def verify_run(
    run: Run, verification: Verification, execution: Execution, reuse: Path | None = None
) -> None:
    """Score every response of a complete run, with a loaded model. Existing scores are kept.

    ``reuse``: another run; its scores are copied if this run would make the same ones.
    """
    plan = run.plan
    problems = run.stored_problems()
    longest = run.responses.select("tokens").max().item() or 0
    check_abilities(verification, None)
    _check_votes(run, verification)
    check_verification_room(plan, verification, problems, longest)
    record = verification.record()
    stage = verification.stage(plan.model)
    with run.folder.writing():
        begin_verifier(run.folder, stage, record)
        reuse_scores(run.folder, reuse, stage, record)
        verify_stage(plan, verification, problems, run.folder, execution)
        finish_verifier(run.folder, stage, record)


def import_samples(
    file: str | Path,
    out: str | Path,
    *,
    model: str = IMPORTED,
    task: str | Task | None = None,
    columns: Mapping[str, str] | None = None,
    think: str = MARK,
) -> Run:
    """Make a run folder of samples made elsewhere.

    ``strop.run.import_rows`` describes the file, and ``columns`` for a file with other names. The
    questions and answers of the task "qa" are those of the file. ``think``: the name of the marks
    around a span of thinking, which is removed from the texts as an engine does; "" keeps it.
    Everything that reads runs can read the folder.
    """
    thinking = read_option(think)
    data = file if task == QuestionsAndAnswers.name else None
    found_task = None if task is None else find_task(task, data)
    return write_estimates(import_run(Path(file), Path(out), model, found_task, columns, thinking))


def _check_votes(run: Run, verification: Verification) -> None:
    """Raise UsageError if a majority is to be counted of imported responses without answers."""
    if verification.verifier.name != Majority.name or "imported" not in run.record:
        return
    if run.responses["answer_strict"].is_null().all():
        raise UsageError(
            f"verifier {Majority.name} counts answers, and no response of {run.path} has one; "
            "import it again with answers in the field answer, or with --task NAME, which finds "
            "them in the texts"
        )


def check_complete(run: Run) -> None:
    """Raise StoreError if a part of the run is missing."""
    for stage in run.stages:
        for number in range(run.plan.parts):
            if not run.folder.has_part(stage, number):
                raise StoreError(
                    f"{run.path} is not complete; finish it first: repeat the command that began it"
                )


def _run_plan(
    engine: Engine,
    task: Task,
    judge: Engine,
    verifications: Sequence[Verification],
    out: str | Path | None,
    execution: Execution,
    options: dict[str, Any],
    draws: int = 1,
    reuse: Path | None = None,
) -> Run:
    """Sample and verify the run that the options describe, and return it."""
    settings = {"shots": task.default_shots} | options
    plan = _with_limit_of(Plan.fitting(engine.name, task, **settings), out)
    # Problems before the record: a hub data set names its resolved revision once it is loaded.
    problems = plan.draw_problems()
    record = new_record(plan, engine, judge, verifications, draws)
    path = Path(out) if out is not None else default_folder("gap", record["asked"])
    folder = RunFolder(path)
    # A run that was begun keeps its parts.
    size = folder.part_problems if folder.exists else part_size(plan, engine, verifications)
    plan = replace(plan, part_problems=size)
    record["problems_per_part"] = size
    run_round(plan, engine, problems, verifications, record, folder, execution, reuse)
    return Run(path, (), task)


def _with_limit_of(plan: Plan, out: str | Path | None) -> Plan:
    """Return the plan with the verifications' limit of an old run that ``out`` holds.

    A run of before has one limit for responses and verifications, ``max_tokens``, and goes on with
    it.
    """
    if out is None or plan.verify_max_tokens is not None or not RunFolder(Path(out)).exists:
        return plan
    if VERIFY_LIMIT in RunFolder(Path(out)).record()["asked"]:
        return plan
    return replace(plan, verify_max_tokens=plan.max_tokens)


def _judge(
    verifiers: Sequence[Verifier],
    verify_with: str | Engine | None,
    generator: Engine,
    executor: Executor,
) -> Engine:
    """Return the model that verifiers ask; another one than the generator is loaded if needed."""
    if isinstance(verify_with, Engine):
        return verify_with
    if verify_with is None or verify_with == generator.name:
        return generator
    if not any(verifier.asks_model for verifier in verifiers):
        return generator
    return executor.load(verify_with)


def _judge_of_run(run: Run, verify_with: str | Engine | None, executor: Executor) -> Engine:
    """Return the model that verifies a finished run, by default its generator.

    Raises RunMismatchError if the generator's weights have changed since the run.
    """
    plan = run.plan
    is_imported = "imported" in run.record
    judge = plan.model if verify_with is None else verify_with
    if is_imported and judge == IMPORTED:
        raise UsageError(
            f"{run.path} was imported without naming its model; "
            "name the model that verifies with --verify-with"
        )
    if isinstance(judge, str):
        revision = plan.revision if judge == plan.model else None
        judge = executor.load(judge, revision)
    if is_imported or judge.name != plan.model:
        return judge
    if judge.fingerprint != run.record["asked"]["fingerprints"][0]:
        raise RunMismatchError(
            f"{judge.name} is not the model that {run.path} was sampled from: its weights changed "
            "since; name another model"
        )
    return judge


def _checked_limit(tokens: int | None) -> int | None:
    if tokens is not None and tokens < 1:
        raise UsageError(f"--max-tokens-total {tokens}: expected 1 or more")
    return tokens
