"""Many models on one task: who verifies whom (``strop cross``), and how the gap grows with pre-training compute (``strop scale``).

All models get the same problems, so their numbers are paired; all have the same number of samples, so their gaps may be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from strop import api
from strop.analysis import choice
from strop.engines import Engine
from strop.engines.pretraining import Pretraining, pretraining_flops
from strop.errors import UsageError
from strop.loop import Crew, Executor, Verification, Watcher
from strop.measure.gap import relative_gap
from strop.measure.intervals import Ratio
from strop.measure.replicates import mean_of_cells
from strop.measure.scaling import Trend, trend_of
from strop.progress import Silent
from strop.records import Estimate, Usage
from strop.run import Run
from strop.store import RunFolder, slug
from strop.tasks import Task
from strop.verify import Verifier

CELL = ("gap", "relative_gap", "accuracy_kept", "auroc", "tpr", "fpr")


@dataclass(frozen=True)
class Titled:
    """Tells another watcher of stages, and which of several models they are about."""

    watcher: Watcher
    title: str

    def begin(self, stage: str, total: int, done: int) -> None:
        self.watcher.begin(f"{self.title} {stage}", total, done)

    def advance(self, usage: Usage) -> None:
        self.watcher.advance(usage)


@dataclass(frozen=True)
class Cross:
    """``runs``: one for each generator, scored by every judge. ``cells``: one row a generator, judge, verifier and weight."""

    path: Path
    runs: list[Run]
    judges: list[str]
    cells: list[dict[str, Any]]

    @property
    def document(self) -> dict[str, Any]:
        generators = [run.plan.model for run in self.runs]
        head = {"task": self.runs[0].plan.task.label, "generators": generators, "verifier_models": self.judges}
        accuracies = {run.plan.model: run.accuracies["accuracy"].as_json() for run in self.runs}
        return head | {"accuracy": accuracies, "cells": self.cells, "transfers": self.transfers, "run": str(self.path)}

    def _repr_html_(self) -> str:
        """In a notebook: the matrices."""
        from strop.report.notebook import story_html

        return story_html("cross", self.document)

    @cached_property
    def transfers(self) -> list[dict[str, Any]]:
        """What is chosen on one generator, judged on another ("Mind the Gap", section 6.1); no problem has a part in both."""
        pairs = [(one, other) for one in self.runs for other in self.runs if one is not other]
        return [
            {"chosen_on": one.plan.model, "judged_on": other.plan.model} | choice(one.evidence, one.counts_BP, other.evidence)
            for one, other in pairs
        ]


def cross(
    models: Sequence[str | Engine],
    task: str | Task,
    *,
    judges: Sequence[str | Engine] = (),
    verifiers: Sequence[str | Verifier] = api.DEFAULT_VERIFIERS,
    draws: int = 1,
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> Cross:
    """gap(f, g) for every generator f of ``models`` and verifying model g of ``judges``, by default the same models.

    Each model is loaded once, and all stay in memory together. A stopped matrix goes on cell by cell: a generator's responses are drawn
    once, and every judge's scores are a stage of their own in its run folder.
    """
    asked, found = api.find_verifiers(verifiers), api.find_task(task)
    if not models or not asked or not all(verifier.asks_model for verifier in asked):
        got = ", ".join(verifier.name for verifier in asked) or "none"
        raise UsageError(f"a matrix needs a model, and verifiers that ask one (mc, cot-binary, cot-score, tournament); got {got}")
    names, executor = dict.fromkeys(_name(model) for model in (*models, *judges)), api.executor_of(workers)
    engines = dict(zip(names, load_all([*models, *judges], executor, options.get("revision")), strict=True))
    judging = [engines[name] for name in dict.fromkeys(map(_name, judges or models))]
    sides = {"generators": [*map(_name, models)], "judges": [engine.name for engine in judging], "verifiers": api.names_of(asked)}
    asked_of = {"model": "-".join(names), "task": slug(found.label), "draws": draws, **sides, **_plain(options)}
    path = Path(out) if out is not None else api.default_folder("cross", asked_of)
    runs = []
    for name in dict.fromkeys(map(_name, models)):
        folder, titled = path / slug(name), Titled(watcher or Silent(), name)
        run = api.sample(engines[name], found, out=folder, workers=executor, watcher=titled, **options)
        for judge in judging:
            for verifier in asked:
                api.verify_run(run, Verification.of(verifier, judge, draws), Crew(executor, titled))
        runs.append(api.measured(Run(folder, task=found)))
    result = Cross(path, runs, [judge.name for judge in judging], list(_cells(runs, judging, asked)))
    RunFolder(path).write_json("cross.json", result.document)
    return result


def _cells(runs: Sequence[Run], judges: Sequence[Engine], verifiers: Sequence[Verifier]) -> Iterator[dict[str, Any]]:
    for run in runs:
        rows = {row["verifier"]: row for row in run.document["estimates"]}
        for judge in judges:
            for verifier in verifiers:
                row = rows[Verification.of(verifier, judge).stage(run.plan.model)]
                place = {"generator": run.plan.model, "verifier_model": judge.name, "verifier": verifier.name, "weigh": row["weigh"]}
                yield place | {quantity: row[quantity] for quantity in CELL}


@dataclass(frozen=True)
class Point:
    """One model of a scaling study: its compute, and its gaps under one verifier on one task."""

    model: str
    task: str
    verifier: str
    weigh: str
    pretraining: Pretraining
    relative_gap: Estimate
    gap: Estimate


@dataclass(frozen=True)
class Scale:
    """``trends``: (family, task or "mean of N tasks", verifier, trend of the relative gap against log10 FLOPs)."""

    path: Path
    runs: list[Run]
    points: list[Point]
    trends: list[tuple[str, str, str, Trend]]

    @property
    def document(self) -> dict[str, Any]:
        points = [
            {"model": p.model, "task": p.task, "verifier": p.verifier, "weigh": p.weigh, "pretraining": asdict(p.pretraining)}
            | {"relative_gap": p.relative_gap.as_json(), "gap": p.gap.as_json()}
            for p in self.points
        ]
        trends = [{"family": family, "task": task, "verifier": name} | _trend_json(found) for family, task, name, found in self.trends]
        return {"points": points, "trends": trends, "run": str(self.path)}


def scale(
    models: Sequence[str | Engine],
    tasks: Sequence[str | Task],
    *,
    verifiers: Sequence[str | Verifier] = api.DEFAULT_VERIFIERS,
    flops: Mapping[str, float] | None = None,
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> Scale:
    """The relative gap of each model, verified by itself, against its pre-training FLOPs ("Mind the Gap", section 4.1), family by family.

    ``flops`` overrides the registry {model: FLOPs}. UsageError, before anything is loaded, for a model whose compute is not known.
    """
    if strange := sorted((flops or {}).keys() - set(map(_name, models))):
        raise UsageError(f"--flops got {strange[0]!r}, which is no --model; expected one of {', '.join(map(_name, models))}")
    compute = {_name(model): pretraining_flops(_name(model), flops) for model in models}
    asked, found = api.find_verifiers(verifiers), list(dict.fromkeys(api.find_task(task) for task in tasks))
    names = {"model": "-".join(compute), "task": "-".join(slug(task.label) for task in found)}
    path = Path(out) if out is not None else api.default_folder("scale", names | _plain(options))
    executor = api.executor_of(workers)
    runs = []
    for engine in load_all(models, executor, options.get("revision")):
        for task in found:
            folder, titled = path / slug(f"{engine.name}-{task.label}"), Titled(watcher or Silent(), f"{engine.name} {task.label}")
            runs.append(api.gap(engine, task, verifiers=asked, out=folder, workers=executor, watcher=titled, **options))
    points = [
        Point(run.plan.model, run.plan.task.label, verifier.name, product.factors[0][1].spec, compute[run.plan.model],
              summary.estimates["relative_gap"], summary.estimates["gap"])
        for run in runs for product, summary in run.summaries for verifier in asked if product.verifiers == (verifier.name,)
    ]  # fmt: skip
    every = {f"mean of {len(found)} tasks": found} if len(found) > 1 else {}
    trends = [
        (family, label, verifier.name, _trend(runs, some, verifier, family, compute))
        for family in dict.fromkeys(one.family for one in compute.values())
        for label, some in ({task.label: [task] for task in found} | every).items()
        for verifier in asked
    ]
    result = Scale(path, runs, points, trends)
    RunFolder(path).write_json("scale.json", result.document)
    return result


def _trend(runs: Sequence[Run], tasks: Sequence[Task], verifier: Verifier, family: str, compute: Mapping[str, Pretraining]) -> Trend:
    """Over the models of a family, the mean of the tasks' relative gaps; all models have the same problems, and are resampled jointly."""
    models = [model for model, one in compute.items() if one.family == family]
    members = [[run for run in runs if run.plan.model == model and run.plan.task in tasks] for model in models]
    cells = [[_relative_gap(run, verifier.name) for run in own] for own in members]
    ratios = [own[0] if len(own) == 1 else mean_of_cells(own, "mean relative gap") for own in cells]
    # Each task's resamples in an order of their own: problems of different tasks have nothing to do with one another.
    counts_BP = np.hstack([np.random.default_rng(place).permutation(run.counts_BP) for place, run in enumerate(members[0])])
    flops = [compute[model].flops for model in models]  # equal compute in one family: training seeds of one size
    return trend_of(ratios, np.array(flops), counts_BP, size_M=flops)


def _relative_gap(run: Run, verifier: str) -> Ratio:
    samples = run.evidence.samples
    return relative_gap(samples.utility_PK, run.evidence.weights[verifier], samples.mask_PK)


def _trend_json(found: Trend) -> dict[str, Any]:
    document = {key: value.as_json() if isinstance(value, Estimate) else value for key, value in vars(found).items()}
    return {"definition": found.slope.definition} | document


def load_all(models: Sequence[str | Engine], executor: Executor, revision: str | None = None) -> list[Engine]:
    """Each model once, in order."""
    named = {_name(model): model for model in models}
    return [executor.load(model, revision) if isinstance(model, str) else model for model in named.values()]


def _name(model: str | Engine) -> str:
    return model if isinstance(model, str) else model.name


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if isinstance(value, str | int | float)}
