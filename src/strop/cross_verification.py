"""Who verifies whom (``strop cross``): the gap of every generator under every verifying model, on the same problems.

All generators have the same number of samples, so their gaps may be compared; numbers on the same problems are paired.
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
from strop.run.analysis import choice
from strop.run.executors import Execution, Executor, as_executor, load_all, model_name
from strop.run.gap import DEFAULT_VERIFIERS, sample, verify_run
from strop.run.run import Run, write_estimates
from strop.run.store import RunFolder, default_folder, plain_options
from strop.run.verification import Verification
from strop.tasks import Task, find_task
from strop.text import slug
from strop.verify import Verifier, find_verifiers, folder_key

CELL = ("gap", "relative_gap", "accuracy_kept", "auroc", "tpr", "fpr")


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
        head = {
            "task": self.runs[0].plan.task.label,
            "generators": generators,
            "verifier_models": self.judges,
        }
        accuracies = {run.plan.model: run.accuracies["accuracy"].as_json() for run in self.runs}
        return head | {
            "accuracy": accuracies,
            "cells": self.cells,
            "transfers": self.transfers,
            "run": str(self.path),
        }

    def _repr_html_(self) -> str:
        """In a notebook: the matrices."""
        from strop.report.notebook import story_html

        return story_html("cross", self.document)

    @cached_property
    def transfers(self) -> list[dict[str, Any]]:
        """What is chosen on one generator, judged on another ("Mind the Gap", section 6.1); no problem has a part in both."""
        pairs = [(one, other) for one in self.runs for other in self.runs if one is not other]
        return [
            {"chosen_on": one.plan.model, "judged_on": other.plan.model}
            | choice(one.evidence, one.counts_BP, other.evidence)
            for one, other in pairs
        ]


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
    """gap(f, g) for every generator f of ``models`` and verifying model g of ``judges``, by default the same models.

    Each model is loaded once, and all stay in memory together. A stopped matrix goes on cell by cell: a generator's responses are drawn
    once, and every judge's scores are a stage of their own in its run folder.
    """
    asked, found = find_verifiers(verifiers), find_task(task)
    if not models or not asked or not all(verifier.asks_model for verifier in asked):
        got = ", ".join(verifier.name for verifier in asked) or "none"
        raise UsageError(
            f"a matrix needs a model, and verifiers that ask one (mc, cot-binary, cot-score, tournament); got {got}"
        )
    names, executor = (
        dict.fromkeys(model_name(model) for model in (*models, *judges)),
        as_executor(workers),
    )
    engines = dict(
        zip(names, load_all([*models, *judges], executor, options.get("revision")), strict=True)
    )
    judging = [engines[name] for name in dict.fromkeys(map(model_name, judges or models))]
    sides = {
        "generators": [*map(model_name, models)],
        "judges": [engine.name for engine in judging],
        "verifiers": folder_key(asked),
    }
    asked_of = {
        "model": "-".join(names),
        "task": slug(found.label),
        "draws": draws,
        **sides,
        **plain_options(options),
    }
    path = Path(out) if out is not None else default_folder("cross", asked_of)
    runs = []
    for name in dict.fromkeys(map(model_name, models)):
        folder, titled = path / slug(name), Titled(watcher or Silent(), name)
        run = sample(engines[name], found, out=folder, workers=executor, watcher=titled, **options)
        for judge in judging:
            for verifier in asked:
                verify_run(
                    run, Verification.of(verifier, judge, draws), Execution(executor, titled)
                )
        runs.append(write_estimates(Run(folder, task=found)))
    result = Cross(
        path, runs, [judge.name for judge in judging], list(_cells(runs, judging, asked))
    )
    RunFolder(path).write_json("cross.json", result.document)
    return result


def _cells(
    runs: Sequence[Run], judges: Sequence[Engine], verifiers: Sequence[Verifier]
) -> Iterator[dict[str, Any]]:
    for run in runs:
        rows = {row["verifier"]: row for row in run.document["estimates"]}
        for judge in judges:
            for verifier in verifiers:
                row = rows[Verification.of(verifier, judge).stage(run.plan.model)]
                place = {
                    "generator": run.plan.model,
                    "verifier_model": judge.name,
                    "verifier": verifier.name,
                    "weigh": row["weigh"],
                }
                yield place | {quantity: row[quantity] for quantity in CELL}
