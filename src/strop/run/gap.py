"""Measure the gap of a model on a task: sample, verify, weigh, measure. Add verifiers to a run, or import samples as one."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from strop.engines import DEFAULT_MODEL, Engine
from strop.errors import CorruptPartError, RunMismatchError, StoreError, UsageError
from strop.measure import GAP_DEFINITION
from strop.progress import Silent, Watcher
from strop.run.executors import Execution, Executor, as_executor
from strop.run.importing import import_run
from strop.run.loop import problem_frame, sample_stages, verify_stage
from strop.run.plan import Plan
from strop.run.run import Run, write_estimates
from strop.run.store import FORMAT_VERSION, PART_PROBLEMS, RunFolder, default_folder, differences
from strop.run.updates import UPDATES, of_courses
from strop.run.updates import write as write_updates
from strop.run.verification import Verification, check_abilities, check_verification_room
from strop.tasks import Task, find_task
from strop.verify import Verifier, find_verifier, find_verifiers
from strop.weigh import check_weights

DEFAULT_VERIFIERS = ("mc", "cot-binary")


IMPORTED = "imported"


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
    """Sample, verify, weigh, measure: the generation-verification gap of a model on a task.

    ``task``: a name, a name and a difficulty as in "arithmetic:hard", or an instance. ``draws``: verifications of each response, averaged;
    verifiers that sample nothing have one. ``verify_with``: the model that verifiers ask, the generator by default. ``workers``: threads of
    the embedded engine, or an executor such as ``strop.cluster.RayCluster``. ``options`` are the fields of ``strop.Plan``: problems,
    samples, shots, temperature, top_p, max_tokens, seed, revision. With the same arguments and ``out`` a stopped run goes on where it was;
    without ``out`` the folder's name follows from the arguments. ``max_tokens_total``: no part is begun once the run has spent so many
    tokens (TokenLimitError). ``past``: folders of ``strop improve`` whose updates the verdict may rest on. Raises a StropError whose
    message says what to do.
    """
    asked, weighed = (
        find_verifiers(verifiers),
        check_weights(weights, options.get("samples", Plan.samples)),
    )
    crew, updates = (
        Execution(as_executor(workers), watcher or Silent(), _checked_limit(max_tokens_total)),
        of_courses(map(Path, past)),
    )
    engine = crew.executor.load(model, options.get("revision")) if isinstance(model, str) else model
    judge = _judge(asked, verify_with, engine, crew.executor)
    found, stages = find_task(task), [Verification.of(verifier, judge, draws) for verifier in asked]
    run = _run_plan(engine, found, judge, stages, out, crew, options, draws)
    if updates:
        write_updates(updates, run.path / UPDATES)
    return write_estimates(Run(run.path, weighed, found))


def sample(
    engine: Engine,
    task: str | Task,
    *,
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> Run:
    """Responses alone, with ``options`` as of ``gap``: ``verify_run`` adds who judges them, and ``measured`` measures the run then."""
    return _run_plan(
        engine,
        find_task(task),
        engine,
        (),
        out,
        Execution(as_executor(workers), watcher or Silent()),
        options,
    )


def _run_plan(
    engine: Engine,
    task: Task,
    judge: Engine,
    stages: Sequence[Verification],
    out: str | Path | None,
    crew: Execution,
    options: dict[str, Any],
    draws: int = 1,
) -> Run:
    """The run, sampled and verified; what is stored is left alone."""
    plan = Plan(model=engine.name, task=task, **{"shots": task.default_shots} | options)
    problems = plan.draw_problems()
    record = _record(plan, engine, judge, stages, draws)
    path = Path(out) if out is not None else default_folder("gap", record["asked"])
    folder, frame = RunFolder(path), problem_frame(plan, engine, problems)
    if plan.adaptive is not None and (reason := engine.lacks.get("logprob")):
        raise UsageError(
            f"--adaptive cannot be used with {engine.name}: {reason}; draw a fixed number of responses"
        )
    for verification in stages:
        check_abilities(verification, engine)
        check_verification_room(plan, verification, problems, plan.sampling().max_tokens)
    with folder.writing():
        stored = folder.start(record, frame)
        sample_stages(plan, engine, problems, folder, crew)
        for verification in stages:
            verify_stage(plan, verification, problems, folder, crew)
        if not set(record["verifiers"]) <= set(stored.get("verifiers", ())):
            raise CorruptPartError(
                f"{path / 'run.json'} lacks verifiers that were asked for; restore it, or choose another --out"
            )
    return Run(path, (), task)


def add_verifier(
    run: str | Path,
    verifier: str | Verifier,
    *,
    verify_with: str | Engine | None = None,
    draws: int = 1,
    weights: Sequence[str] = (),
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
) -> Run:
    """Add a verifier to an existing run. The generator's responses are read, never drawn again; no model is loaded if none is asked."""
    asked, opened = find_verifier(verifier), Run(Path(run), check_weights(weights))
    crew = Execution(as_executor(workers), watcher or Silent())
    opened.check_fixed()
    check_complete(opened)
    judge = _judge_of_run(opened, verify_with, crew.executor) if asked.asks_model else None
    verify_run(opened, Verification.of(asked, judge, draws), crew)
    return write_estimates(Run(opened.path, opened.weights))


def verify_run(run: Run, verification: Verification, crew: Execution) -> None:
    """Let a loaded model score every response of a complete run; what is scored already is left alone."""
    plan, problems = run.plan, run.stored_problems()
    check_abilities(verification, None)
    check_verification_room(
        plan, verification, problems, run.responses.select("tokens").max().item() or 0
    )
    with run.folder.writing():
        entry, stage = verification.record(), verification.stage(plan.model)
        _register_verifier(run.folder, "begun", stage, entry)
        verify_stage(plan, verification, problems, run.folder, crew)
        # Entered when it is whole: until then, the run's own command need not know of it.
        _register_verifier(run.folder, "verifiers", stage, entry)


def import_samples(
    file: str | Path, out: str | Path, *, model: str = IMPORTED, task: str | Task | None = None
) -> Run:
    """Make a run folder of samples made elsewhere (``strop.run.importing`` describes the file); everything that reads runs reads it."""
    return write_estimates(
        import_run(Path(file), Path(out), model, None if task is None else find_task(task))
    )


def check_complete(run: Run) -> None:
    """StoreError where a part of the run has yet to be made."""
    if not all(
        run.folder.has_part(stage, number)
        for stage in run.stages
        for number in range(run.plan.parts)
    ):
        raise StoreError(
            f"{run.path} is not complete; finish it first: repeat the command that began it"
        )


def _judge(
    verifiers: Sequence[Verifier],
    verify_with: str | Engine | None,
    generator: Engine,
    executor: Executor,
) -> Engine:
    """The model that verifiers ask; another than the generator is loaded only if one of them does."""
    if isinstance(verify_with, Engine):
        return verify_with
    is_generator = (
        verify_with is None
        or verify_with == generator.name
        or not any(verifier.asks_model for verifier in verifiers)
    )
    return generator if is_generator else executor.load(str(verify_with))


def _judge_of_run(run: Run, verify_with: str | Engine | None, executor: Executor) -> Engine:
    """The model to ask about a finished run, the generator by default. RunMismatchError if its weights changed since."""
    plan, name = run.plan, run.plan.model if verify_with is None else verify_with
    if "imported" in run.record and name == IMPORTED:
        raise UsageError(
            f"{run.path} was imported without naming its model; name the model that verifies with --verify-with"
        )
    judge = (
        name
        if isinstance(name, Engine)
        else executor.load(name, plan.revision if name == plan.model else None)
    )
    if (
        "imported" not in run.record
        and judge.name == plan.model
        and judge.fingerprint != run.record["asked"]["fingerprints"][0]
    ):
        raise RunMismatchError(
            f"{judge.name} is not the model that {run.path} was sampled from: its weights changed since; name another model"
        )
    return judge


SCORES_DEPEND_ON = ("draws", "settings", "model", "fingerprint")


def _register_verifier(folder: RunFolder, shelf: str, stage: str, entry: dict[str, Any]) -> None:
    """Note a verifier that was added: among the "begun" first, among the "verifiers" when it is whole. A different one is refused."""
    record = folder.record()
    begun = record.setdefault("begun", {})
    is_begun = any((folder.path / "scores" / stage).glob("part-*"))
    stored = record["verifiers"].get(stage) or (begun.get(stage) if is_begun else None) or {}
    known = [key for key in SCORES_DEPEND_ON if key in stored]
    for name, there, asked in differences(
        {key: stored[key] for key in known}, {key: entry[key] for key in known}
    ):
        raise RunMismatchError(
            f"{folder.path} has scores of {stage} with {name} {there}, and {name} {asked} was asked for; "
            "a run holds one set of scores a verifier: ask for the same, or start another run"
        )
    begun.pop(stage, None)
    if stage not in record["verifiers"]:
        record[shelf][stage] = entry
    folder.write_json(
        "run.json", {key: value for key, value in record.items() if key != "begun" or value}
    )


def _record(
    plan: Plan, engine: Engine, judge: Engine, verifications: Sequence[Verification], draws: int
) -> dict[str, Any]:
    verifiers = {
        verification.stage(plan.model): verification.record() for verification in verifications
    }
    settings = {stage: entry["settings"] for stage, entry in verifiers.items()}
    fingerprints = [engine.fingerprint, judge.fingerprint]
    return {
        "format_version": FORMAT_VERSION,
        "design": "fixed" if plan.adaptive is None else "adaptive",
        "asked": plan.as_record()
        | ({"data": source} if (source := plan.task.source()) else {})
        | {
            "verifiers": settings,
            "draws": draws,
            "verifier_model": judge.name,
            "fingerprints": fingerprints,
        },
        "model": engine.describe(),
        "verifier_model": judge.name,
        "verifiers": verifiers,
        "problems_per_part": PART_PROBLEMS,
        "bootstrap_seed": plan.bootstrap_seed,
        "versions": {
            "strop": version("strop"),
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "polars": version("polars"),
        },
        "definitions": {"gap": GAP_DEFINITION},
    }


def _checked_limit(tokens: int | None) -> int | None:
    if tokens is not None and tokens < 1:
        raise UsageError(f"--max-tokens-total {tokens}: expected 1 or more")
    return tokens
