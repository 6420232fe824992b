"""``strop study``: the papers' figures, tables and theorems, on any model and any task."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strop.cli.listing import print_rows
from strop.cli.options import AsJson, Data, DataRevision, Difficulties, find_tasks, print_result
from strop.errors import UsageError

if TYPE_CHECKING:
    from strop.studies import Study

ALL = "all"
study_app = typer.Typer()


@study_app.command()
def study(
    name: Annotated[str | None, typer.Argument(help="Which study, or all.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the studies.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A small version.")] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="Model (repeatable; default: the embedded ones)."),
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option("--task", help="Task (repeatable; default: the study's).")
    ] = None,
    difficulty: Difficulties = None,
    data: Data = None,
    data_revision: DataRevision = None,
    problems: Annotated[
        int | None, typer.Option("--problems", help="Problems of each task (default: the study's).")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", help="Responses to each problem (default: the study's)."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed of problems and samples.")
    ] = None,
    flops: Annotated[
        list[str] | None,
        typer.Option(
            "--flops", help="MODEL=FLOPs of pre-training, over the registry (repeatable)."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what it would cost; --model may then be a size, such as 7B. Nothing is sampled.",
        ),
    ] = False,
    out: Annotated[
        Path,
        typer.Option(
            "--out", help="Folder: one below it for each study, and their runs, which they share."
        ),
    ] = Path("runs/studies"),
    docs: Annotated[
        Path | None,
        typer.Option(
            "--docs", help="Write the page there as well (a .md file), its figures beside it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Reproduce a figure, a table or a theorem; `strop study all` writes one page with every one. What is stored is not made again."""
    from strop.studies import STUDIES

    if list_ or name is None:
        print_rows({known: found.description for known, found in STUDIES.items()}, as_json)
        return
    if name != ALL and name not in STUDIES:
        raise UsageError(f"there is no study {name!r}; there are {', '.join(STUDIES)}, and {ALL}")
    tasks = None if task is None else tuple(find_tasks(task, difficulty, data, data_revision))
    if task is None and (difficulty or data or data_revision):
        raise UsageError(
            "--difficulty, --data and --data-revision say which form of a task; name it with --task"
        )
    given: dict[str, Any] = {
        "model": tuple(model) if model else None,
        "task": tasks,
        "problems": problems,
        "samples": samples,
        "seed": seed,
        "flops": tuple(flops) if flops else None,
    }
    given = {option: value for option, value in given.items() if value is not None}
    chosen = {
        known: found.quick() if quick else found()
        for known, found in STUDIES.items()
        if name in (known, ALL)
    }
    studies = {known: asked(found, given, strict=name != ALL) for known, found in chosen.items()}
    if dry_run:
        _dry_run(studies, as_json)
        return
    if docs is not None and docs.suffix != ".md":
        raise UsageError(f"--docs {docs}: expected the name of a .md file")
    page = _run(studies, out, name == ALL, as_json)
    if docs is not None:
        from strop.studies.frame.pages import publish

        publish(page, docs)


def asked(study: Study, given: dict[str, Any], strict: bool) -> Study:
    """The study with what was asked for in its fields. UsageError for what it has no field for, unless ``strict`` is off."""
    changes: dict[str, Any] = {}
    for option, value in given.items():
        if option == "task" and study.own_tasks and not strict:
            continue
        field = next(
            (
                field
                for field in (f"{option}s", option)
                if _fits(getattr(study, field, None), value)
            ),
            None,
        )
        if field is None and strict:
            several = (
                f" takes one --{option}, got {len(value)}"
                if isinstance(getattr(study, option, None), str)
                else f" has no --{option}"
            )
            raise UsageError(f"study {study.name}{several}")
        if field is not None:
            changes[field] = value if not isinstance(getattr(study, field), str) else value[0]
    return replace(study, **changes) if changes else study  # type: ignore[type-var]  # every study is a dataclass


def _fits(now: object, value: object) -> bool:
    """May the value stand where this one does? Several names where there are several, one where there is one, a number for a number."""
    if isinstance(now, str) and isinstance(value, tuple):
        return len(value) == 1
    if isinstance(now, tuple) and isinstance(value, tuple):
        return not any(isinstance(one, int | float) for one in now)
    return isinstance(now, int) and isinstance(value, int)


def _run(studies: dict[str, Study], out: Path, every: bool, as_json: bool) -> Path:
    """The page: that of all studies, or the only one's."""
    from strop.errors import MissingExtraError
    from strop.studies.frame.pages import Section, write_index

    words = sys.argv[1:]  # but for --docs: a study alone would write over the page of all
    typed = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if "--docs" not in (before, word.partition("=")[0])
    ]
    command = shlex.join(["strop", *typed])
    sections: list[Section] = []
    for name, study in studies.items():
        why = ""
        try:
            page = study.run(out / name, partial(_tell, name))
        except MissingExtraError as error:
            if not every:
                raise
            page, why = None, str(error)
        sections.append(
            Section(name, study.description, page, command.replace(f" {ALL}", f" {name}", 1), why)
        )
        if every:
            write_index(out, sections, command)
        elif not as_json:
            print(page)
    index = out / "findings.md"
    if every and not as_json:
        print(index)
    if as_json:
        pages = {
            one.name: str(one.page) if one.page else {"value": None, "why": one.why}
            for one in sections
        }
        print_result({"pages": pages} | ({"page": str(index)} if every else {}), [], True)
    return index if every or page is None else page


def _tell(name: str, line: str) -> None:
    print(f"{name}: {line}", file=sys.stderr, flush=True)


def _dry_run(studies: dict[str, Study], as_json: bool) -> None:
    from strop.studies.frame.cost import cost_of, total

    wanted = {name: study.wanted() for name, study in studies.items()}
    besides = {name: list(study.besides()) for name, study in studies.items()}
    costs = {
        name: total([cost_of(runs), *besides[name]])
        for name, runs in wanted.items()
        if runs or besides[name]
    }
    together = total(
        [
            cost_of([run for runs in wanted.values() for run in runs]),
            *(cost for own in besides.values() for cost in own),
        ]
    )
    uncounted = {
        name: study.beyond or "all that it does"
        for name, study in studies.items()
        if study.beyond or name not in costs
    }
    if as_json:
        counted = {name: cost.as_json() for name, cost in costs.items()}
        print_result(
            {"dry_run": counted, "not_counted": uncounted, "together": together.as_json()}, [], True
        )
        return
    for name, cost in (
        costs | ({"together, shared runs once": together} if len(costs) > 1 else {})
    ).items():
        print(f"{name}: {cost.told}")
    for name, text in uncounted.items():
        print(f"{name}: not counted: {text}")
    print("nothing was stored")
