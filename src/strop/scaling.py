"""Measure how the gap grows with pre-training compute (``strop scale``).

This is section 4.1 of "Mind the Gap".

All models have the same problems and the same number of samples, so their numbers are paired and
can be compared.
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
from strop.measure.scaling import Trend, trend_of_ratios
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

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "task": self.task,
            "verifier": self.verifier,
            "weigh": self.weigh,
            "pretraining": asdict(self.pretraining),
            "relative_gap": self.relative_gap.as_json(),
            "gap": self.gap.as_json(),
        }


@dataclass(frozen=True)
class Scale:
    """The points of all models, and their trends.

    ``trends``: (family, task or "mean of N tasks", verifier, trend of the relative gap against
    log10 FLOPs).
    """

    path: Path
    runs: list[Run]
    points: list[Point]
    trends: list[tuple[str, str, str, Trend]]

    @property
    def document(self) -> dict[str, Any]:
        """The document that ``--json`` prints."""
        trends = [
            {"family": family, "task": task, "verifier": verifier} | _trend_json(trend)
            for family, task, verifier, trend in self.trends
        ]
        points = [point.as_json() for point in self.points]
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
    """Measure each model's relative gap, verified by itself, against its pre-training FLOPs.

    Trends are fitted family by family ("Mind the Gap", section 4.1). ``flops`` overrides the
    registry {model: FLOPs}. Before anything is loaded, UsageError for a model whose compute is
    unknown.
    """
    unknown = sorted((flops or {}).keys() - set(map(model_name, models)))
    if unknown:
        raise UsageError(
            f"--flops got {unknown[0]!r}, which is no --model; "
            f"expected one of {', '.join(map(model_name, models))}"
        )
    compute = {model_name(model): pretraining_flops(model_name(model), flops) for model in models}
    found_verifiers = find_verifiers(verifiers)
    found_tasks = list(dict.fromkeys(find_task(task) for task in tasks))
    names = {"model": "-".join(compute), "task": "-".join(slug(task.label) for task in found_tasks)}
    path = Path(out) if out is not None else default_folder("scale", names | plain_options(options))
    executor = as_executor(workers)
    runs = []
    for engine in load_all(models, executor, options.get("revision")):
        for task in found_tasks:
            runs.append(
                gap(
                    engine,
                    task,
                    verifiers=found_verifiers,
                    out=path / slug(f"{engine.name}-{task.label}"),
                    workers=executor,
                    watcher=Titled(watcher or Silent(), f"{engine.name} {task.label}"),
                    **options,
                )
            )
    points = _points(runs, found_verifiers, compute)
    trends = _trends(runs, found_tasks, found_verifiers, compute)
    result = Scale(path, runs, points, trends)
    RunFolder(path).write_json("scale.json", result.document)
    return result


def _points(
    runs: Sequence[Run], verifiers: Sequence[Verifier], compute: Mapping[str, Pretraining]
) -> list[Point]:
    names = [verifier.name for verifier in verifiers]
    points = []
    for run in runs:
        for product, summary in run.summaries:
            if len(product.verifiers) == 1 and product.verifiers[0] in names:
                point = Point(
                    run.plan.model,
                    run.plan.task.label,
                    product.verifiers[0],
                    product.factors[0][1].spec,
                    compute[run.plan.model],
                    summary.estimates["relative_gap"],
                    summary.estimates["gap"],
                )
                points.append(point)
    return points


def _trends(
    runs: Sequence[Run],
    tasks: list[Task],
    verifiers: Sequence[Verifier],
    compute: Mapping[str, Pretraining],
) -> list[tuple[str, str, str, Trend]]:
    """Return a trend per family, task and verifier, and that of the mean over several tasks."""
    groups = {task.label: [task] for task in tasks}
    if len(tasks) > 1:
        groups[f"mean of {len(tasks)} tasks"] = tasks
    trends = []
    for family in dict.fromkeys(pretraining.family for pretraining in compute.values()):
        for label, group in groups.items():
            for verifier in verifiers:
                trend = _trend(runs, group, verifier, family, compute)
                trends.append((family, label, verifier.name, trend))
    return trends


def _trend(
    runs: Sequence[Run],
    tasks: Sequence[Task],
    verifier: Verifier,
    family: str,
    compute: Mapping[str, Pretraining],
) -> Trend:
    """Return the trend of the tasks' mean relative gap over the models of a family.

    All models have the same problems, and are resampled jointly.
    """
    models = [model for model, pretraining in compute.items() if pretraining.family == family]
    ratios = []
    for model in models:
        model_runs = _runs_of(runs, model, tasks)
        gaps = [_relative_gap(run, verifier.name) for run in model_runs]
        ratios.append(gaps[0] if len(gaps) == 1 else mean_of_cells(gaps, "mean relative gap"))
    # Problems of different tasks are independent, so each task's resamples get their own order.
    counts = [
        np.random.default_rng(index).permutation(run.counts_BP)
        for index, run in enumerate(_runs_of(runs, models[0], tasks))
    ]
    flops = [compute[model].flops for model in models]
    # Models of equal compute in one family are training seeds of one size.
    return trend_of_ratios(ratios, np.array(flops), np.hstack(counts), size_M=flops)


def _runs_of(runs: Sequence[Run], model: str, tasks: Sequence[Task]) -> list[Run]:
    return [run for run in runs if run.plan.model == model and run.plan.task in tasks]


def _relative_gap(run: Run, verifier: str) -> Ratio:
    samples = run.evidence.samples
    return relative_gap(samples.utility_PK, run.evidence.weights[verifier], samples.mask_PK)


def _trend_json(trend: Trend) -> dict[str, Any]:
    values = {
        key: value.as_json() if isinstance(value, Estimate) else value
        for key, value in vars(trend).items()
    }
    return {"definition": trend.slope.definition} | values
