"""``strop study``: the papers' figures, tables and theorems, on any model and any task."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strop.cli.option_groups import with_option_groups
from strop.cli.options import AsJson, Data, DataRevision, Difficulties, Flops, find_tasks
from strop.cli.output import print_progress, print_result, print_rows
from strop.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from strop.studies import Study
    from strop.studies.frame.runs import RunSpec

ALL = "all"
study_app = typer.Typer()


@dataclass(frozen=True)
class SettingOptions:
    """Options that replace the study's own settings. None leaves a setting as it is."""

    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="Model (repeatable; default: the embedded ones)."),
    ] = None
    task: Annotated[
        list[str] | None, typer.Option("--task", help="Task (repeatable; default: the study's).")
    ] = None
    difficulty: Difficulties = None
    data: Data = None
    data_revision: DataRevision = None
    problems: Annotated[
        int | None, typer.Option("--problems", help="Problems of each task (default: the study's).")
    ] = None
    samples: Annotated[
        int | None,
        typer.Option("--samples", help="Responses to each problem (default: the study's)."),
    ] = None
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of problems and samples.")] = None
    flops: Flops = None

    def values(self) -> dict[str, Any]:
        """Return what was given, by option name."""
        if self.task is None and (self.difficulty or self.data or self.data_revision):
            raise UsageError(
                "--difficulty, --data and --data-revision choose the form of a task; "
                "name the task with --task"
            )
        tasks = None
        if self.task is not None:
            tasks = tuple(find_tasks(self.task, self.difficulty, self.data, self.data_revision))
        options: dict[str, Any] = {
            "model": tuple(self.model) if self.model else None,
            "task": tasks,
            "problems": self.problems,
            "samples": self.samples,
            "seed": self.seed,
            "flops": tuple(self.flops) if self.flops else None,
        }
        return {option: value for option, value in options.items() if value is not None}


@study_app.command()
@with_option_groups
def study(
    *,
    name: Annotated[str | None, typer.Argument(help="Which study, or all.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the studies.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A small version.")] = False,
    settings: SettingOptions,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the cost and sample nothing; --model may then be a size, such as 7B.",
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
    """Reproduce a figure, a table or a theorem.

    `strop study all` writes one page with every one. Stored runs are reused.
    """
    from strop.studies import STUDIES

    if list_ or name is None:
        descriptions = {key: study_class.description for key, study_class in STUDIES.items()}
        print_rows(descriptions, as_json)
        return
    if name != ALL and name not in STUDIES:
        raise UsageError(f"there is no study {name!r}; there are {', '.join(STUDIES)}, and {ALL}")
    values = settings.values()
    studies: dict[str, Study] = {}
    for key, study_class in STUDIES.items():
        if name in (key, ALL):
            default = study_class.quick() if quick else study_class()
            studies[key] = with_settings(default, values, strict=name != ALL)
    if dry_run:
        _dry_run(studies, as_json)
        return
    if docs is not None and docs.suffix != ".md":
        raise UsageError(f"--docs {docs}: expected the name of a .md file")
    page = _run_all(studies, out, as_json) if name == ALL else _run_one(studies, out, as_json)
    if docs is not None:
        from strop.studies.frame.pages import publish

        publish(page, docs)


def with_settings(study: Study, given: dict[str, Any], strict: bool) -> Study:
    """Return the study with the given options in its fields.

    UsageError for an option that no field takes; without ``strict`` such an option is ignored.
    """
    changes: dict[str, Any] = {}
    for option, value in given.items():
        # A study about particular tasks keeps them when all studies run on another task.
        if option == "task" and study.own_tasks and not strict:
            continue
        field = _field_for(study, option, value)
        if field is not None:
            takes_one_name = isinstance(getattr(study, field), str)
            changes[field] = value[0] if takes_one_name else value
        elif strict:
            if isinstance(getattr(study, option, None), str):
                problem = f" takes one --{option}, got {len(value)}"
            else:
                problem = f" has no --{option}"
            raise UsageError(f"study {study.name}{problem}")
    if not changes:
        return study
    return replace(study, **changes)  # type: ignore[type-var]  # every study is a dataclass


def _field_for(study: Study, option: str, value: object) -> str | None:
    """Return the field that takes the option's value: ``models`` or ``model`` for --model."""
    for field in (f"{option}s", option):
        if _fits(getattr(study, field, None), value):
            return field
    return None


def _fits(current: object, value: object) -> bool:
    """Return whether the value may replace the current one.

    One name replaces one name, several names replace several, and a number replaces a number.
    """
    if isinstance(current, str) and isinstance(value, tuple):
        return len(value) == 1
    if isinstance(current, tuple) and isinstance(value, tuple):
        # A tuple of numbers, such as sizes, is another setting than a list of names.
        return not any(isinstance(item, int | float) for item in current)
    return isinstance(current, int) and isinstance(value, int)


def _run_one(studies: dict[str, Study], out: Path, as_json: bool) -> Path:
    """Run the only study and return its page."""
    [(name, study)] = studies.items()
    page = study.run(out / name, partial(_report_progress, name))
    if as_json:
        print_result({"pages": {name: str(page)}}, [], True)
    else:
        print(page)
    return page


def _run_all(studies: dict[str, Study], out: Path, as_json: bool) -> Path:
    """Run every study and return the page with all of them.

    A study whose extra is not installed has no page; the page of all gives the reason.
    """
    from strop.studies.frame.pages import Section, write_index

    command = _typed_command()
    sections: list[Section] = []
    for name, study in studies.items():
        page: Path | None = None
        why = ""
        try:
            page = study.run(out / name, partial(_report_progress, name))
        except MissingExtraError as error:
            why = str(error)
        own_command = command.replace(f" {ALL}", f" {name}", 1)
        sections.append(Section(name, study.description, page, own_command, why))
        write_index(out, sections, command)  # after each study: a stopped command leaves a page
    index = out / "findings.md"
    if not as_json:
        print(index)
        return index
    pages: dict[str, Any] = {}
    for section in sections:
        missing = {"value": None, "why": section.why}
        pages[section.name] = str(section.page) if section.page else missing
    print_result({"pages": pages, "page": str(index)}, [], True)
    return index


def _typed_command() -> str:
    """Return the command as it was typed, without --docs.

    The page shows the command of every study: with --docs, one study would overwrite the page of
    all.
    """
    words = []
    previous = ""
    for word in sys.argv[1:]:
        if previous != "--docs" and word.partition("=")[0] != "--docs":
            words.append(word)
        previous = word
    return shlex.join(["strop", *words])


def _report_progress(name: str, line: str) -> None:
    print_progress(f"{name}: {line}")


def _dry_run(studies: dict[str, Study], as_json: bool) -> None:
    """Print the cost of every study, and of all together with shared runs counted once."""
    from strop.studies.frame.cost import Cost, cost_of, total

    all_runs: list[RunSpec] = []
    all_other_costs: list[Cost] = []
    costs: dict[str, Cost] = {}
    uncounted: dict[str, str] = {}
    for name, study in studies.items():
        runs = study.wanted()
        other_costs = list(study.besides())
        if runs or other_costs:
            costs[name] = total([cost_of(runs), *other_costs])
        if study.beyond or name not in costs:
            uncounted[name] = study.beyond or "all that it does"
        all_runs += runs
        all_other_costs += other_costs
    # cost_of counts equal runs once, so the sum of the single costs would be too much.
    together = total([cost_of(all_runs), *all_other_costs])
    if as_json:
        document = {
            "dry_run": {name: cost.as_json() for name, cost in costs.items()},
            "not_counted": uncounted,
            "together": together.as_json(),
        }
        print_result(document, [], True)
        return
    if len(costs) > 1:
        costs["together, shared runs once"] = together
    for name, cost in costs.items():
        print(f"{name}: {cost.summary}")
    for name, text in uncounted.items():
        print(f"{name}: not counted: {text}")
    print("nothing was stored")
