"""Pages about folders: what each command left behind, told as one self-contained HTML file (``strop report RUN...``).

run.json                     strop gap          one run, or below it, several
sharpening.json, run.json    strop sharpen
improve.json                 strop improve      round-0/held-out ... hold its runs
cross.json                   strop cross        one run for each generator
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from strop.errors import CorruptPartError, StoreError, UsageError
from strop.report import CommandResult, ReportRun, build_page
from strop.run.comparison import compare
from strop.run.run import Run
from strop.run.store import RunFolder
from strop.text import slug

PAGE = "report.html"


@dataclass(frozen=True)
class PageContent:
    """What one folder has to show: runs told by their gaps, and what another command made of runs."""

    runs: list[Run] = field(default_factory=list)
    stories: list[CommandResult] = field(default_factory=list)


def write_page(
    folders: Sequence[str | Path], out: str | Path | None = None, weights: Sequence[str] = ()
) -> Path:
    """Write report.html about all folders into ``out``, by default the folder itself if there is one; returns its path."""
    return write_page_of(
        [exhibit(Path(folder), tuple(weights)) for folder in folders], folders, out
    )


def write_page_of(
    exhibits: Sequence[PageContent], folders: Sequence[str | Path], out: str | Path | None = None
) -> Path:
    """The same of folders that are open already."""
    place = Path(out) if out is not None else Path(folders[0]) if len(folders) == 1 else Path()
    runs, stories = (
        [run for one in exhibits for run in one.runs],
        [story for one in exhibits for story in one.stories],
    )
    RunFolder(place).write_text(PAGE, page_of(runs, stories))
    return place / PAGE


def documents(exhibits: Sequence[PageContent]) -> list[dict[str, Any]]:
    """What ``--json`` prints about each: a run's document, or the one that another command wrote; of a matrix its own alone."""
    return [
        document
        for one in exhibits
        for document in ([s.document for s in one.stories] or [run.document for run in one.runs])
    ]


def page_of(runs: Sequence[Run], stories: Sequence[CommandResult] = ()) -> str:
    """The page about opened runs and what other commands made of runs. Runs that share problems are compared, paired by problem."""
    labels = labels_of(runs)
    comparison = compare(runs, labels)
    told = [replace(run.material(), label=label) for run, label in zip(runs, labels, strict=True)]
    return build_page(told, stories, comparison)


def labels_of(runs: Sequence[Run]) -> list[str]:
    """Task and model of each run, and its folder where that does not tell it from the others."""
    labels = [f"{run.plan.task.label} · {_models(run)}" for run in runs]
    return [
        label if labels.count(label) == 1 else f"{label} ({run.path})"
        for label, run in zip(labels, runs, strict=True)
    ]


def _models(run: Run) -> str:
    judge = run.record["verifier_model"]
    return (
        run.plan.model
        if judge in (None, run.plan.model)
        else f"{run.plan.model} verified by {judge}"
    )


def exhibit(folder: Path, weights: tuple[str, ...] = ()) -> PageContent:
    """What the folder holds. StoreError for one that no command of strop wrote, or that is not finished."""
    tellers: dict[str, Callable[[Path, dict[str, Any], tuple[str, ...]], PageContent]] = {
        "improve.json": _improved,
        "cross.json": _crossed,
        "sharpening.json": _sharpened,
    }
    for name, tell in tellers.items():
        if (folder / name).is_file():
            return tell(folder, _read(folder / name), weights)
    if (folder / "run.json").is_file():
        return PageContent([Run(folder, weights)])
    below = sorted(path.parent for path in folder.glob("*/run.json")) if folder.is_dir() else []
    if not below:
        raise StoreError(
            f"{folder} holds no run; expected a folder that strop gap, sharpen, improve or cross wrote"
        )
    parts = [exhibit(path, weights) for path in below]
    return PageContent(
        [run for part in parts for run in part.runs],
        [story for part in parts for story in part.stories],
    )


def _improved(folder: Path, document: dict[str, Any], weights: tuple[str, ...]) -> PageContent:
    _refuse(weights, folder, "improve")
    if "rounds" not in document:
        raise StoreError(f"{folder} is not finished; repeat the command that began it")
    runs = [Run(folder / f"round-{one['round']}" / "held-out") for one in document["rounds"]]
    return improved(runs, document | {"run": str(folder)})


def improved(runs: Sequence[Run], document: dict[str, Any]) -> PageContent:
    """What ``strop improve`` found; ``runs`` are its rounds' on held-out problems."""
    labels = [f"round {one['round']} · {document['task']}" for one in document["rounds"]]
    told = [replace(run.material(), label=label) for run, label in zip(runs, labels, strict=True)]
    return PageContent(stories=[CommandResult("improve", document, told)])


def _sharpened(folder: Path, document: dict[str, Any], weights: tuple[str, ...]) -> PageContent:
    _refuse(weights, folder, "sharpen")
    return sharpened(Run(folder), document | {"run": str(folder)})


def sharpened(run: Run, document: dict[str, Any]) -> PageContent:
    """What ``strop sharpen`` found of a run."""
    if run.record["design"] == "fixed":
        material = run.material()
    else:  # its gaps mean nothing, its responses can be read
        material = ReportRun(
            document | {"verifiers": {}}, run.record, run.problems, run.responses, run.scores
        )
    return PageContent(stories=[CommandResult("sharpen", document, [material])])


def _crossed(folder: Path, document: dict[str, Any], weights: tuple[str, ...]) -> PageContent:
    runs = [Run(folder / slug(name), weights) for name in document["generators"]]
    return PageContent(runs, [CommandResult("cross", document | {"run": str(folder)})])


def _refuse(weights: tuple[str, ...], folder: Path, command: str) -> None:
    if weights:
        raise UsageError(
            f"--weigh {weights[0]}: {folder} was written by strop {command}, whose weights are its own; leave it out"
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise CorruptPartError(
            f"{path} cannot be read; it was changed: repeat the command that made it"
        ) from None
