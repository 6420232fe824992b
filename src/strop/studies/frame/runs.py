"""The runs that studies share: each is named by what it is, made once, and read by every figure that can use it.

What is stored whole is opened without a model. One model is in memory at a time: a model's own work is done together.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
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
from strop.studies.frame.base import Tell
from strop.tasks import Task, find_task
from strop.text import slug
from strop.verify import Verifier, find_verifiers

DRAWN = ("responses", "greedy")


@dataclass(frozen=True)
class RunSpec:
    """One run that a study reads: a model's responses to a task, and who judges them.

    ``verifiers`` ask the model itself, and ``judged_by`` are other models that they ask too; each judges ``draws`` times.
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
        task = find_task(self.task)
        drawn = {
            name: getattr(self, name)
            for name in ("problems", "samples", "temperature", "top_p", "seed", "split")
        }
        return Plan(self.model, task, shots=task.default_shots, **drawn)

    @property
    def folder(self) -> str:
        """``ladder-250k_arithmetic_200x32_t0.7_p0.9_s0_1a2b3c4d``: the digest is of everything asked."""
        plan = self.plan
        size = f"{plan.problems}x{plan.samples}_t{plan.temperature:g}_p{plan.top_p:g}_s{plan.seed}"
        rest = [
            *([plan.split] if plan.split != "test" else []),
            *([f"draws{self.draws}"] if self.draws > 1 else []),
        ]
        digest = hashlib.blake2b(
            json.dumps(plan.as_record(), sort_keys=True).encode(), digest_size=4
        ).hexdigest()
        return "_".join([slug(plan.model)[-60:], slug(plan.task.label), size, *rest, digest])

    @property
    def stages(self) -> dict[str, tuple[Verifier, str]]:
        """Each stage of scores by its name: the verifier, and the model that it asks."""
        found = {}
        for verifier in find_verifiers(self.verifiers):
            for judge in (self.model, *self.judged_by):
                asked = judge if verifier.asks_model else self.model
                found[stage_name(verifier.name, asked, self.model)] = (verifier, asked)
        return found


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


def each(study: Grid, **changes: Any) -> dict[tuple[str, str], RunSpec]:
    """The run of each model on each task, by model and the task's label."""
    asked: dict[str, Any] = {
        name: getattr(study, name) for name in ("verifiers", "problems", "samples", "seed")
    }
    found = [
        RunSpec(model, task, **asked | changes) for model in study.models for task in study.tasks
    ]
    return {(one.model, one.plan.task.label): one for one in found}


def merged(wanted: Iterable[RunSpec]) -> list[RunSpec]:
    """Each run once, with all that is wanted of it."""
    found: dict[str, RunSpec] = {}
    for one in wanted:
        other = found.get(one.folder, one)
        verifiers, judges = (
            (*getattr(other, name), *getattr(one, name)) for name in ("verifiers", "judged_by")
        )
        found[one.folder] = replace(
            one, verifiers=tuple(dict.fromkeys(verifiers)), judged_by=tuple(dict.fromkeys(judges))
        )
    return list(found.values())


@dataclass
class Runs:
    """The run folders below ``place``. ``tell`` hears what is being made."""

    place: Path
    tell: Tell
    executor: Executor = field(default_factory=lambda: as_executor(None))
    _engine: Engine | None = field(default=None, repr=False)
    _opened: dict[str, Run] = field(default_factory=dict, repr=False)

    def make(self, wanted: Sequence[RunSpec]) -> None:
        """Sample and judge whatever is wanted and not there yet, model by model."""
        for one in sorted(dict.fromkeys(wanted), key=lambda one: (one.model, one.draws)):
            self._draw(one)
            self._judge(one, own=True)
        others = dict.fromkeys((judge, one) for one in wanted for judge in one.judged_by)
        for _, one in sorted(others, key=lambda pair: pair[0]):
            self._judge(one, own=False)

    def run(self, wanted: RunSpec) -> Run:
        """The stored run, opened once."""
        if wanted.folder not in self._opened:
            self._opened[wanted.folder] = Run(self.place / wanted.folder, task=wanted.plan.task)
        return self._opened[wanted.folder]

    def _draw(self, wanted: RunSpec) -> None:
        path, plan = self.place / wanted.folder, wanted.plan
        folder = RunFolder(path)
        if folder.exists and all(
            folder.has_part(stage, part) for stage in DRAWN for part in range(plan.parts)
        ):
            return
        if wanted.draws > 1:
            once = replace(wanted, draws=1)
            self._draw(once)
            _copy_drawn(self.place / once.folder, path)
            return
        self.tell(
            f"{plan.model}, {plan.task.label}: {plan.problems} problems x {plan.samples} samples"
        )
        options = {
            name: getattr(plan, name)
            for name in ("problems", "samples", "temperature", "top_p", "seed", "split")
        }
        sample(self._load(plan.model), plan.task, out=path, workers=self.executor, **options)

    def _judge(self, wanted: RunSpec, own: bool) -> None:
        for stage, (verifier, judge) in self._missing(wanted):
            if (judge == wanted.model) == own:
                self.tell(
                    f"{wanted.model}, {wanted.plan.task.label}: {stage}"
                    + (f" x {wanted.draws}" if wanted.draws > 1 else "")
                )
                verification = Verification.of(
                    verifier, self._load(judge) if verifier.asks_model else None, wanted.draws
                )
                run = Run(self.place / wanted.folder, task=wanted.plan.task)
                verify_run(run, verification, Execution(self.executor, Silent()))
                self._opened.pop(wanted.folder, None)

    def _missing(self, wanted: RunSpec) -> Iterator[tuple[str, tuple[Verifier, str]]]:
        folder = RunFolder(self.place / wanted.folder)
        entered = folder.record()["verifiers"]
        for stage, asked in wanted.stages.items():
            whole = all(
                folder.has_part(f"scores/{stage}", part) for part in range(wanted.plan.parts)
            )
            if not (whole and stage in entered):
                yield stage, asked

    def _load(self, name: str) -> Engine:
        if self._engine is None or self._engine.name != name:
            self._engine = None  # the last one's memory, before the next one's
            self._engine = self.executor.load(name)
        return self._engine


def _copy_drawn(source: Path, target: Path) -> None:
    """A run's responses as a run of their own, for another number of verifications: nothing is sampled twice."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(
        source,
        partial,
        ignore=shutil.ignore_patterns(
            "scores", "estimates.json", "report.html", "sharpening.json", ".lock"
        ),
    )
    folder = RunFolder(partial)
    folder.write_json(
        "run.json",
        {
            key: {} if key == "verifiers" else value
            for key, value in folder.record().items()
            if key != "begun"
        },
    )
    partial.replace(target)
