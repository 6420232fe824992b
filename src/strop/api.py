"""The documented Python face: every command of the command line has its function here."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from strop.engines import DEFAULT_MODEL, Engine, load_engine
from strop.errors import CorruptPartError, RunMismatchError, StoreError, UsageError
from strop.loop import Crew, Plan, Watcher, default_workers, problem_frame, sample_stages, score_stage, verify_stage
from strop.measure import GAP_DEFINITION
from strop.progress import Silent
from strop.run import Run
from strop.store import FORMAT_VERSION, PART_PROBLEMS, RunFolder, slug
from strop.tasks import TASKS, Task
from strop.verify import VERIFIERS, Verifier
from strop.weigh import parse_weight

DEFAULT_VERIFIERS = ("mc", "cot-binary")


def gap(
    model: str | Engine = DEFAULT_MODEL,
    task: str | Task = "arithmetic",
    *,
    verifiers: Sequence[str | Verifier] = DEFAULT_VERIFIERS,
    verify_with: str | Engine | None = None,
    weights: Sequence[str] = (),
    out: str | Path | None = None,
    workers: int | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> Run:
    """Sample, verify, weigh, measure: the generation-verification gap of a model on a task.

    ``options`` are the fields of ``strop.Plan``: problems, samples, shots, temperature, top_p, max_tokens, seed, revision. With the
    same arguments and ``out`` a stopped run goes on where it was; without ``out`` the folder's name follows from the arguments.
    Raises a StropError whose message says what to do.
    """
    asked_verifiers = [find_verifier(verifier) for verifier in verifiers]
    for spec in weights:
        parse_weight(spec)
    engine = load_engine(model, options.get("revision")) if isinstance(model, str) else model
    judge = load_engine(verify_with) if isinstance(verify_with, str) and verify_with != engine.name else verify_with
    judge_engine = judge if isinstance(judge, Engine) else engine
    found = find_task(task)
    plan = Plan(model=engine.name, task=found, **{"shots": found.default_shots} | options)
    crew = Crew(_checked_workers(workers), watcher or Silent())
    problems = plan.draw_problems()
    record = _record(plan, engine, judge_engine, asked_verifiers)
    path = Path(out) if out is not None else default_folder("gap", record["asked"])
    folder, frame = RunFolder(path), problem_frame(plan, engine, problems)
    with folder.writing():
        stored = folder.start(record, frame)
        sample_stages(plan, engine, problems, folder, crew)
        for verifier in asked_verifiers:
            stage = score_stage(verifier, plan.model, judge_engine.name)
            verify_stage(plan, verifier, stage, judge_engine, problems, folder, crew)
        if not set(record["verifiers"]) <= set(stored.get("verifiers", ())):
            raise CorruptPartError(f"{path / 'run.json'} lacks verifiers that were asked for; restore it, or choose another --out")
        return _measured(Run(path, tuple(weights), plan.task))


def add_verifier(
    run: str | Path,
    verifier: str | Verifier,
    *,
    verify_with: str | Engine | None = None,
    weights: Sequence[str] = (),
    workers: int | None = None,
    watcher: Watcher | None = None,
) -> Run:
    """Add a verifier to an existing run. The generator's responses are read, never drawn again."""
    asked = find_verifier(verifier)
    for spec in weights:
        parse_weight(spec)
    crew = Crew(_checked_workers(workers), watcher or Silent())
    opened = Run(Path(run))
    plan = opened.plan
    if not all(opened.folder.has_part(stage, number) for stage in opened.stages for number in range(plan.parts)):
        raise StoreError(f"{run} is not complete; finish it first: repeat the command that began it")
    name = verify_with if verify_with is not None else plan.model
    judge = name if isinstance(name, Engine) else load_engine(name, plan.revision if name == plan.model else None)
    if judge.name == plan.model and judge.fingerprint != opened.record["asked"]["fingerprints"][0]:
        raise RunMismatchError(f"{judge.name} is not the model that {run} was sampled from: its weights changed since; name another model")
    stage = score_stage(asked, plan.model, judge.name)
    with opened.folder.writing():
        verify_stage(plan, asked, stage, judge, plan.draw_problems(), opened.folder, crew)
        # Entered when it is whole: until then, the run's own command need not know of it.
        record = opened.folder.record()
        record["verifiers"][stage] = asked.describe() | {"model": judge.name}
        opened.folder.write_json("run.json", record)
        return _measured(Run(opened.path, tuple(weights)))


def find_task(task: str | Task) -> Task:
    """A task by name, or the instance itself."""
    if isinstance(task, Task):
        return task
    if task not in TASKS:
        raise UsageError(f"there is no task {task!r}; there are {', '.join(TASKS)}")
    return TASKS[task]()


def find_verifier(verifier: str | Verifier) -> Verifier:
    """A verifier by name, or the instance itself."""
    if isinstance(verifier, Verifier):
        return verifier
    if verifier not in VERIFIERS:
        raise UsageError(f"there is no verifier {verifier!r}; there are {', '.join(VERIFIERS)}")
    return VERIFIERS[verifier]()


def default_folder(command: str, asked: dict[str, Any]) -> Path:
    """``runs/gap-ladder-250k-arithmetic-1a2b3c4d``: the same question finds its folder again."""
    digest = hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=4).hexdigest()
    return Path("runs") / f"{command}-{slug(asked['model'])[-60:]}-{asked['task']}-{digest}"


def _record(plan: Plan, engine: Engine, judge: Engine, verifiers: Sequence[Verifier]) -> dict[str, Any]:
    stages = {score_stage(v, plan.model, judge.name): v.describe() | {"model": judge.name} for v in verifiers}
    settings = {stage: verifier.settings() for stage, verifier in zip(stages, verifiers, strict=True)}
    return {
        "format_version": FORMAT_VERSION,
        "design": "fixed",
        "asked": plan.asked()
        | {"verifiers": settings, "verifier_model": judge.name, "fingerprints": [engine.fingerprint, judge.fingerprint]},
        "model": engine.describe(),
        "verifier_model": judge.name,
        "verifiers": stages,
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


def _measured(run: Run) -> Run:
    run.folder.write_json("estimates.json", run.document)
    return run


def _checked_workers(workers: int | None) -> int:
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: expected 1 or more")
    return workers or default_workers()
