"""The runs that studies share.

Each run is named by its settings, made once, and read by every study that can use it. A complete
run is opened without a model. Only one model is in memory at a time, so the work of one model is
done together.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from strop.engines import Engine
from strop.progress import Silent
from strop.run.executors import Execution, Executor, as_executor
from strop.run.gap import sample, verify_run
from strop.run.plan import Plan
from strop.run.run import Run
from strop.run.store import RunFolder
from strop.run.verification import Verification, stage_name
from strop.tasks import Task, find_task
from strop.text import slug
from strop.verify import Verifier, find_verifiers

Tell = Callable[[str], None]
"""Prints one line of progress."""

DRAWN = ("responses", "greedy")
"""The stages of a run that hold responses."""
SAMPLING = ("problems", "samples", "temperature", "top_p", "seed", "split")
"""The settings that a RunSpec and a Plan share."""
NOT_COPIED = ("scores", "estimates.json", "report.html", "sharpening.json", ".lock")
"""Files and folders of a run that depend on its verifications."""


@dataclass(frozen=True)
class RunSpec:
    """One run that a study reads: a model's responses to a task, and the verifications of them.

    ``verifiers`` ask the model itself. ``judged_by`` names other models that they ask as well.
    Every verifier judges each response ``draws`` times.
    """

    model: str
    task: str | Task
    verifiers: tuple[str, ...] = ()
    judged_by: tuple[str, ...] = ()
    draws: int = 1
    problems: int = 200
    samples: int = 32
    temperature: float = 0.7
    top_p: float = 0.9
    seed: int = 0
    split: str = "test"

    @cached_property
    def plan(self) -> Plan:
        """The plan of the run, with the task's default number of shots."""
        task = find_task(self.task)
        settings = {name: getattr(self, name) for name in SAMPLING}
        return Plan(self.model, task, shots=task.default_shots, **settings)

    @property
    def folder(self) -> str:
        """The folder's name: ``ladder-250k_arithmetic_200x32_t0.7_p0.9_s0_1a2b3c4d``.

        The digest at the end covers the whole plan.
        """
        plan = self.plan
        sampling = f"t{plan.temperature:g}_p{plan.top_p:g}_s{plan.seed}"
        parts = [
            slug(plan.model)[-60:],  # the end of a path says more than its beginning
            slug(plan.task.label),
            f"{plan.problems}x{plan.samples}",
            sampling,
        ]
        if plan.split != "test":
            parts.append(plan.split)
        # The plan, and so the digest, does not know the number of verification draws.
        if self.draws > 1:
            parts.append(f"draws{self.draws}")
        record = json.dumps(plan.as_record(), sort_keys=True)
        digest = hashlib.blake2b(record.encode(), digest_size=4)
        parts.append(digest.hexdigest())
        return "_".join(parts)

    @property
    def stages(self) -> dict[str, tuple[Verifier, str]]:
        """The stages of scores by name, each with its verifier and the model that it asks."""
        stages = {}
        for verifier in find_verifiers(self.verifiers):
            for judge in (self.model, *self.judged_by):
                # A verifier that asks no model gives one stage, no matter who the judges are.
                model = judge if verifier.asks_model else self.model
                stage = stage_name(verifier.name, model, self.model)
                stages[stage] = (verifier, model)
        return stages


class Grid(Protocol):
    """A study of every model on every task."""

    @property
    def models(self) -> tuple[str, ...]: ...
    @property
    def tasks(self) -> tuple[str | Task, ...]: ...
    @property
    def verifiers(self) -> tuple[str, ...]: ...
    @property
    def problems(self) -> int: ...
    @property
    def samples(self) -> int: ...
    @property
    def seed(self) -> int: ...


def run_grid(study: Grid, **changes: Any) -> dict[tuple[str, str], RunSpec]:
    """Return the run of each model on each task, by model and the task's label."""
    settings: dict[str, Any] = {
        "verifiers": study.verifiers,
        "problems": study.problems,
        "samples": study.samples,
        "seed": study.seed,
    }
    settings.update(changes)
    grid = {}
    for model in study.models:
        for task in study.tasks:
            spec = RunSpec(model, task, **settings)
            grid[model, spec.plan.task.label] = spec
    return grid


def merge_specs(wanted: Iterable[RunSpec]) -> list[RunSpec]:
    """Return each run once, with the verifiers and judges of all its specifications."""
    by_folder: dict[str, RunSpec] = {}
    for spec in wanted:
        known = by_folder.get(spec.folder, spec)
        # dict.fromkeys drops duplicates and keeps the order, which a set would not.
        verifiers = dict.fromkeys(known.verifiers + spec.verifiers)
        judges = dict.fromkeys(known.judged_by + spec.judged_by)
        merged = replace(spec, verifiers=tuple(verifiers), judged_by=tuple(judges))
        by_folder[spec.folder] = merged
    return list(by_folder.values())


@dataclass
class Runs:
    """The runs stored in ``folder``. ``tell`` prints what is being made."""

    folder: Path
    tell: Tell
    executor: Executor = field(default_factory=lambda: as_executor(None))
    _engine: Engine | None = field(default=None, repr=False)
    _opened: dict[str, Run] = field(default_factory=dict, repr=False)

    def make(self, wanted: Sequence[RunSpec]) -> None:
        """Sample and verify everything that is not stored yet, model by model."""
        # Sorted by model, so that each is loaded once, and by draws, because a run of several draws
        # copies the responses of the run of one.
        specs = sorted(dict.fromkeys(wanted), key=lambda spec: (spec.model, spec.draws))
        for spec in specs:
            self._draw(spec)
            self._judge(spec, by_itself=True)
        # Other judges come last, when every model's own work is done.
        judgements = []
        for spec in wanted:
            judgements += [(judge, spec) for judge in spec.judged_by]
        for _, spec in sorted(dict.fromkeys(judgements), key=lambda pair: pair[0]):
            self._judge(spec, by_itself=False)

    def run(self, wanted: RunSpec) -> Run:
        """Return the stored run; it is opened once."""
        folder = wanted.folder
        if folder not in self._opened:
            self._opened[folder] = Run(self.folder / folder, task=wanted.plan.task)
        return self._opened[folder]

    def _draw(self, spec: RunSpec) -> None:
        """Sample the responses of a run if they are not stored."""
        path = self.folder / spec.folder
        plan = spec.plan
        if _all_parts_stored(RunFolder(path), DRAWN, plan.problems):
            return
        if spec.draws > 1:
            single_draw = replace(spec, draws=1)
            self._draw(single_draw)
            _copy_responses(self.folder / single_draw.folder, path)
            return
        size = f"{plan.problems} problems x {plan.samples} samples"
        self.tell(f"{plan.model}, {plan.task.label}: {size}")
        settings = {name: getattr(plan, name) for name in SAMPLING}
        engine = self._load(plan.model)
        sample(engine, plan.task, out=path, workers=self.executor, **settings)

    def _judge(self, spec: RunSpec, by_itself: bool) -> None:
        """Make the missing verifications by the model itself, or those by other models."""
        task = spec.plan.task
        times = f" x {spec.draws}" if spec.draws > 1 else ""
        for stage, verifier, judge in self._missing(spec):
            if (judge == spec.model) != by_itself:
                continue
            self.tell(f"{spec.model}, {task.label}: {stage}{times}")
            # A verifier that asks no model needs none in memory.
            engine = self._load(judge) if verifier.asks_model else None
            verification = Verification.of(verifier, engine, spec.draws)
            run = Run(self.folder / spec.folder, task=task)
            verify_run(run, verification, Execution(self.executor, Silent()))
            # An opened run does not see scores that are written later.
            self._opened.pop(spec.folder, None)

    def _missing(self, spec: RunSpec) -> Iterator[tuple[str, Verifier, str]]:
        """Yield (stage, verifier, judge) of the verifications that are not stored completely."""
        folder = RunFolder(self.folder / spec.folder)
        recorded = folder.record()["verifiers"]
        for stage, (verifier, judge) in spec.stages.items():
            complete = _all_parts_stored(folder, [f"scores/{stage}"], spec.plan.problems)
            if not complete or stage not in recorded:
                yield stage, verifier, judge

    def _load(self, name: str) -> Engine:
        if self._engine is None or self._engine.name != name:
            # Free the memory of the last model before the next one is loaded.
            self._engine = None
            self._engine = self.executor.load(name)
        return self._engine


def _all_parts_stored(folder: RunFolder, stages: Iterable[str], problems: int) -> bool:
    if not folder.exists:
        return False
    parts = -(-problems // folder.part_problems)  # rounded up
    return all(folder.has_part(stage, part) for stage, part in product(stages, range(parts)))


def _copy_responses(source: Path, target: Path) -> None:
    """Copy a run without its scores, so that the same responses get more verification draws."""
    # Written under another name first: a copy that was interrupted is never taken for a run.
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    without_scores = shutil.ignore_patterns(*NOT_COPIED)
    shutil.copytree(source, partial, ignore=without_scores)
    folder = RunFolder(partial)
    record = folder.record()
    # Scores are not copied, so neither finished nor begun verifications are recorded.
    record["verifiers"] = {}
    record.pop("begun", None)
    folder.write_json("run.json", record)
    partial.replace(target)
