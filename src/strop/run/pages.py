"""Write pages about folders: one self-contained HTML file (``strop report RUN...``).

A folder was written by one of these commands:

run.json                     strop gap          one run; or several runs in the folders below
sharpening.json, run.json    strop sharpen
improve.json                 strop improve      its runs are in round-0/held-out, ...
cross.json                   strop cross        one run for each generator
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from strop.errors import StoreError, UsageError
from strop.json_files import read_json
from strop.report import CommandResult, ReportRun, build_page
from strop.run.comparison import compare
from strop.run.run import Run
from strop.run.store import RunFolder
from strop.text import slug

PAGE = "report.html"


@dataclass(frozen=True)
class PageContent:
    """The content of one folder: runs, and the results of commands that make several runs."""

    runs: list[Run] = field(default_factory=list)
    stories: list[CommandResult] = field(default_factory=list)


def write_page(
    folders: Sequence[str | Path], out: str | Path | None = None, weights: Sequence[str] = ()
) -> Path:
    """Write report.html about all folders into ``out``, and return its path.

    Without ``out`` the page of a single folder goes into that folder, and a page of several into
    the working directory.
    """
    contents = [exhibit(Path(folder), tuple(weights)) for folder in folders]
    return write_page_of(contents, folders, out)


def write_page_of(
    contents: Sequence[PageContent], folders: Sequence[str | Path], out: str | Path | None = None
) -> Path:
    """Write the page of folders that are open already, as ``write_page`` does."""
    if out is None:
        out = folders[0] if len(folders) == 1 else Path()
    target = Path(out)
    content = _joined(contents)
    RunFolder(target).write_text(PAGE, page_of(content.runs, content.stories))
    return target / PAGE


def documents(contents: Sequence[PageContent]) -> list[dict[str, Any]]:
    """Return what ``--json`` prints: the documents of commands, or else those of the runs."""
    result: list[dict[str, Any]] = []
    for content in contents:
        if content.stories:
            result += [story.document for story in content.stories]
        else:
            result += [run.document for run in content.runs]
    return result


def page_of(runs: Sequence[Run], stories: Sequence[CommandResult] = ()) -> str:
    """Return the page of runs and command results. Runs that share problems are compared."""
    labels = labels_of(runs)
    comparison = compare(runs, labels)
    materials = [
        replace(run.material(), label=label) for run, label in zip(runs, labels, strict=True)
    ]
    return build_page(materials, stories, comparison)


def labels_of(runs: Sequence[Run]) -> list[str]:
    """Return task and model of each run, with its folder where two labels would be equal."""
    labels = [f"{run.plan.task.label} · {_models(run)}" for run in runs]
    return [
        label if labels.count(label) == 1 else f"{label} ({run.path})"
        for label, run in zip(labels, runs, strict=True)
    ]


def _models(run: Run) -> str:
    generator = run.plan.model
    judge = run.record["verifier_model"]
    if judge in (None, generator):
        return generator
    return f"{generator} verified by {judge}"


def exhibit(folder: Path, weights: tuple[str, ...] = ()) -> PageContent:
    """Read the content of a folder.

    Raises StoreError for a folder that no command of strop wrote, or that is not finished.
    """
    readers = {
        "improve.json": _read_improve,
        "cross.json": _read_cross,
        "sharpening.json": _read_sharpen,
    }
    for name, reader in readers.items():
        if (folder / name).is_file():
            return reader(folder, read_json(folder / name), weights)
    if (folder / "run.json").is_file():
        return PageContent([Run(folder, weights)])
    below = sorted(path.parent for path in folder.glob("*/run.json")) if folder.is_dir() else []
    if not below:
        raise StoreError(
            f"{folder} holds no run; expected a folder that strop gap, sharpen, improve or "
            "cross wrote"
        )
    return _joined([exhibit(path, weights) for path in below])


def _joined(contents: Sequence[PageContent]) -> PageContent:
    joined = PageContent()
    for content in contents:
        joined.runs.extend(content.runs)
        joined.stories.extend(content.stories)
    return joined


def _read_improve(folder: Path, document: dict[str, Any], weights: tuple[str, ...]) -> PageContent:
    _refuse(weights, folder, "improve")
    if "rounds" not in document:
        raise StoreError(f"{folder} is not finished; repeat the command that began it")
    runs = [Run(folder / f"round-{entry['round']}" / "held-out") for entry in document["rounds"]]
    return improved(runs, document | {"run": str(folder)})


def improved(runs: Sequence[Run], document: dict[str, Any]) -> PageContent:
    """Return the content of ``strop improve``. ``runs``: each round on the held-out problems."""
    materials = []
    for run, entry in zip(runs, document["rounds"], strict=True):
        label = f"round {entry['round']} · {document['task']}"
        materials.append(replace(run.material(), label=label))
    return PageContent(stories=[CommandResult("improve", document, materials)])


def _read_sharpen(folder: Path, document: dict[str, Any], weights: tuple[str, ...]) -> PageContent:
    _refuse(weights, folder, "sharpen")
    return sharpened(Run(folder), document | {"run": str(folder)})


def sharpened(run: Run, document: dict[str, Any]) -> PageContent:
    """Return the content of ``strop sharpen``."""
    if run.record["design"] == "fixed":
        material = run.material()
    else:  # the gaps of an adaptive run have no meaning, but its responses can be read
        without_gaps = document | {"verifiers": {}}
        material = ReportRun(without_gaps, run.record, run.problems, run.responses, run.scores)
    return PageContent(stories=[CommandResult("sharpen", document, [material])])


def _read_cross(folder: Path, document: dict[str, Any], weights: tuple[str, ...]) -> PageContent:
    runs = [Run(folder / slug(name), weights) for name in document["generators"]]
    return PageContent(runs, [CommandResult("cross", document | {"run": str(folder)})])


def _refuse(weights: tuple[str, ...], folder: Path, command: str) -> None:
    if weights:
        raise UsageError(
            f"--weigh {weights[0]}: {folder} was written by strop {command}, "
            "whose weights are its own; leave it out"
        )
