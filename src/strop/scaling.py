"""How the gap grows with pre-training compute (``strop scale``; "Mind the Gap", section 4.1).

All models get the same problems and the same number of samples, so their numbers are paired and may be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strop.engines import Engine
from strop.engines.pretraining import Pretraining, pretraining_flops
from strop.errors import UsageError
from strop.measure.gap import relative_gap
from strop.measure.intervals import Ratio
from strop.measure.replicates import mean_of_cells
from strop.measure.scaling import Trend, trend_of
from strop.progress import Silent, Titled, Watcher
from strop.records import Estimate
from strop.run.executors import Executor, as_executor, load_all, model_name
from strop.run.gap import DEFAULT_VERIFIERS, gap
from strop.run.run import Run
from strop.run.store import RunFolder, default_folder, plain_options
from strop.tasks import Task, find_task
from strop.text import slug
from strop.verify import Verifier, find_verifiers


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
            {
                "model": p.model,
                "task": p.task,
                "verifier": p.verifier,
                "weigh": p.weigh,
                "pretraining": asdict(p.pretraining),
            }
            | {"relative_gap": p.relative_gap.as_json(), "gap": p.gap.as_json()}
            for p in self.points
        ]
        trends = [
            {"family": family, "task": task, "verifier": name} | _trend_json(found)
            for family, task, name, found in self.trends
        ]
        return {"points": points, "trends": trends, "run": str(self.path)}


def scale(
    models: Sequence[str | Engine],
    tasks: Sequence[str | Task],
    *,
    verifiers: Sequence[str | Verifier] = DEFAULT_VERIFIERS,
    flops: Mapping[str, float] | None = None,
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> Scale:
    """The relative gap of each model, verified by itself, against its pre-training FLOPs ("Mind the Gap", section 4.1), family by family.

    ``flops`` overrides the registry {model: FLOPs}. UsageError, before anything is loaded, for a model whose compute is not known.
    """
    if strange := sorted((flops or {}).keys() - set(map(model_name, models))):
        raise UsageError(
            f"--flops got {strange[0]!r}, which is no --model; expected one of {', '.join(map(model_name, models))}"
        )
    compute = {model_name(model): pretraining_flops(model_name(model), flops) for model in models}
    asked, found = find_verifiers(verifiers), list(dict.fromkeys(find_task(task) for task in tasks))
    names = {"model": "-".join(compute), "task": "-".join(slug(task.label) for task in found)}
    path = Path(out) if out is not None else default_folder("scale", names | plain_options(options))
    executor = as_executor(workers)
    runs = []
    for engine in load_all(models, executor, options.get("revision")):
        for task in found:
            folder, titled = (
                path / slug(f"{engine.name}-{task.label}"),
                Titled(watcher or Silent(), f"{engine.name} {task.label}"),
            )
            runs.append(
                gap(
                    engine,
                    task,
                    verifiers=asked,
                    out=folder,
                    workers=executor,
                    watcher=titled,
                    **options,
                )
            )
    points = [
        Point(
            run.plan.model,
            run.plan.task.label,
            verifier.name,
            product.factors[0][1].spec,
            compute[run.plan.model],
            summary.estimates["relative_gap"],
            summary.estimates["gap"],
        )
        for run in runs
        for product, summary in run.summaries
        for verifier in asked
        if product.verifiers == (verifier.name,)
    ]
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


def _trend(
    runs: Sequence[Run],
    tasks: Sequence[Task],
    verifier: Verifier,
    family: str,
    compute: Mapping[str, Pretraining],
) -> Trend:
    """Over the models of a family, the mean of the tasks' relative gaps; all models have the same problems, and are resampled jointly."""
    models = [model for model, one in compute.items() if one.family == family]
    members = [
        [run for run in runs if run.plan.model == model and run.plan.task in tasks]
        for model in models
    ]
    cells = [[_relative_gap(run, verifier.name) for run in own] for own in members]
    ratios = [own[0] if len(own) == 1 else mean_of_cells(own, "mean relative gap") for own in cells]
    # Each task's resamples in an order of their own: problems of different tasks have nothing to do with one another.
    counts_BP = np.hstack(
        [
            np.random.default_rng(place).permutation(run.counts_BP)
            for place, run in enumerate(members[0])
        ]
    )
    flops = [
        compute[model].flops for model in models
    ]  # equal compute in one family: training seeds of one size
    return trend_of(ratios, np.array(flops), counts_BP, size_M=flops)


def _relative_gap(run: Run, verifier: str) -> Ratio:
    samples = run.evidence.samples
    return relative_gap(samples.utility_PK, run.evidence.weights[verifier], samples.mask_PK)


def _trend_json(found: Trend) -> dict[str, Any]:
    document = {
        key: value.as_json() if isinstance(value, Estimate) else value
        for key, value in vars(found).items()
    }
    return {"definition": found.slope.definition} | document
