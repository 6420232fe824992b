"""Measure the gap of every generator under every verifying model (``strop cross``).

All generators have the same problems and the same number of samples, so their gaps can be compared,
and their numbers are paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from strop.engines import Engine
from strop.errors import UsageError
from strop.progress import Silent, Titled, Watcher
from strop.run.choice import choice
from strop.run.executors import Execution, Executor, as_executor, load_all, model_name
from strop.run.gap import DEFAULT_VERIFIERS, sample, verify_run
from strop.run.run import Run, write_estimates
from strop.run.store import RunFolder, default_folder, plain_options
from strop.run.verification import Verification
from strop.tasks import Task, find_task
from strop.text import slug
from strop.verify import Verifier, find_verifiers, folder_key

CELL = ("gap", "relative_gap", "accuracy_kept", "auroc", "tpr", "fpr")
"""The quantities of one cell of the matrix."""


@dataclass(frozen=True)
class Cross:
    """The matrix of generators and verifying models.

    ``runs``: one per generator, scored by every judge. ``cells``: one row per generator, judge,
    verifier and weight.
    """

    path: Path
    runs: list[Run]
    judges: list[str]
    cells: list[dict[str, Any]]

    @property
    def document(self) -> dict[str, Any]:
        """The document that ``--json`` prints."""
        accuracies = {run.plan.model: run.accuracies["accuracy"].as_json() for run in self.runs}
        return {
            "task": self.runs[0].plan.task.label,
            "generators": [run.plan.model for run in self.runs],
            "verifier_models": self.judges,
            "accuracy": accuracies,
            "cells": self.cells,
            "transfers": self.transfers,
            "run": str(self.path),
        }

    def _repr_html_(self) -> str:
        """Return the matrices, for a notebook."""
        from strop.report.notebook import result_html

        return result_html("cross", self.document)

    @cached_property
    def transfers(self) -> list[dict[str, Any]]:
        """The best verifier of one generator, judged on another ("Mind the Gap", section 6.1).

        No problem takes part in both the choice and its judgement.
        """
        rows = []
        for chosen_on in self.runs:
            for judged_on in self.runs:
                if chosen_on is not judged_on:
                    models = {
                        "chosen_on": chosen_on.plan.model,
                        "judged_on": judged_on.plan.model,
                    }
                    chosen = choice(chosen_on.evidence, chosen_on.counts_BP, judged_on.evidence)
                    rows.append(models | chosen)
        return rows


def cross(
    models: Sequence[str | Engine],
    task: str | Task,
    *,
    judges: Sequence[str | Engine] = (),
    verifiers: Sequence[str | Verifier] = DEFAULT_VERIFIERS,
    draws: int = 1,
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> Cross:
    """Measure gap(f, g) for every generator f of ``models`` and verifying model g of ``judges``.

    By default the judges are the same models. Each model is loaded once, and all stay in memory
    together. A stopped matrix is resumed cell by cell: a generator's responses are drawn once, and
    every judge's scores are a stage of its run folder.
    """
    found_verifiers = find_verifiers(verifiers)
    found_task = find_task(task)
    _check(models, found_verifiers)
    executor = as_executor(workers)
    generator_names = list(dict.fromkeys(map(model_name, models)))
    judge_names = list(dict.fromkeys(map(model_name, judges or models)))
    loaded = load_all([*models, *judges], executor, options.get("revision"))
    names = dict.fromkeys(map(model_name, [*models, *judges]))
    engines = dict(zip(names, loaded, strict=True))
    judge_engines = [engines[name] for name in judge_names]
    asked = {
        "model": "-".join(names),
        "task": slug(found_task.label),
        "draws": draws,
        "generators": [model_name(model) for model in models],
        "judges": [engine.name for engine in judge_engines],
        "verifiers": folder_key(found_verifiers),
        **plain_options(options),
    }
    path = Path(out) if out is not None else default_folder("cross", asked)
    runs = []
    for name in generator_names:
        folder = path / slug(name)
        titled = Titled(watcher or Silent(), name)
        run = sample(
            engines[name], found_task, out=folder, workers=executor, watcher=titled, **options
        )
        for judge in judge_engines:
            for verifier in found_verifiers:
                verification = Verification.of(verifier, judge, draws)
                verify_run(run, verification, Execution(executor, titled))
        runs.append(write_estimates(Run(folder, task=found_task)))
    cells = list(_cells(runs, judge_engines, found_verifiers))
    result = Cross(path, runs, [judge.name for judge in judge_engines], cells)
    RunFolder(path).write_json("cross.json", result.document)
    return result


def _check(models: Sequence[str | Engine], verifiers: Sequence[Verifier]) -> None:
    """Raise UsageError unless there is a model, and every verifier asks one."""
    if models and verifiers and all(verifier.asks_model for verifier in verifiers):
        return
    got = ", ".join(verifier.name for verifier in verifiers) or "none"
    raise UsageError(
        "a matrix needs a model, and verifiers that ask one (mc, cot-binary, cot-score, cot-mc, "
        f"tournament); got {got}"
    )


def _cells(
    runs: Sequence[Run], judges: Sequence[Engine], verifiers: Sequence[Verifier]
) -> Iterator[dict[str, Any]]:
    for run in runs:
        rows = {row["verifier"]: row for row in run.document["estimates"]}
        for judge in judges:
            for verifier in verifiers:
                row = rows[Verification.of(verifier, judge).stage(run.plan.model)]
                yield {
                    "generator": run.plan.model,
                    "verifier_model": judge.name,
                    "verifier": verifier.name,
                    "weigh": row["weigh"],
                    **{quantity: row[quantity] for quantity in CELL},
                }
