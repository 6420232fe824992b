"""``strop verify``, ``strop report``, ``strop import``: work on run folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from strop.cli.option_groups import with_option_groups
from strop.cli.options import (
    AsJson,
    Draws,
    Prompts,
    VerifyMaxTokens,
    VerifyWith,
    Weights,
    WorkerOptions,
    find_verifiers,
)
from strop.cli.output import one_or_all, print_runs

runs_app = typer.Typer()


@runs_app.command()
@with_option_groups
def verify(
    *,
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    verifier: Annotated[
        list[str], typer.Option("--verifier", help="Verifier to add (repeatable).")
    ],
    verify_with: VerifyWith = None,
    prompts: Prompts = None,
    draws: Draws = 1,
    verify_max_tokens: VerifyMaxTokens = None,
    weigh: Weights = None,
    as_json: AsJson = False,
    workers: WorkerOptions,
) -> None:
    """Add a verifier to an existing run; it judges the stored responses, none is drawn."""
    from strop.progress import Bars
    from strop.run.gap import add_verifier

    verifiers = find_verifiers(verifier, prompts)
    with workers.open() as executor, Bars() as bars:
        for new_verifier in verifiers:
            opened = add_verifier(
                run,
                new_verifier,
                verify_with=verify_with,
                draws=draws,
                verify_max_tokens=verify_max_tokens,
                weights=weigh or [],
                workers=executor,
                watcher=bars,
            )
    print_runs([opened], None, as_json)


@runs_app.command()
def report(
    run: Annotated[
        list[Path], typer.Argument(help="Folders that gap, sharpen, improve or cross wrote.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for report.html (default: the run's, or here)."),
    ] = None,
    weigh: Weights = None,
    as_json: AsJson = False,
) -> None:
    """Write one self-contained HTML page about folders of gap, sharpen, improve or cross.

    With --json, print everything measured too.
    """
    from strop.run.pages import documents, exhibit, write_page_of
    from strop.weigh import check_weights

    contents = [exhibit(folder, check_weights(weigh or ())) for folder in run]
    page = write_page_of(contents, run, out)
    if as_json:
        print(json.dumps(one_or_all(documents(contents)), allow_nan=False))
    else:
        print(page)


@runs_app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="One JSON object a line: problem, text, and a reference or a utility to grade by."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Run folder to make.")],
    task: Annotated[
        str | None, typer.Option("--task", help="Task that grades the texts by their references.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="Name of the model that wrote them.")
    ] = "imported",
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            help="Fields that have other names in the file: text=response,problem=id. "
            "Further fields are then left unread.",
        ),
    ] = None,
    think: Annotated[
        str,
        typer.Option(
            "--think",
            metavar="NAME",
            help="Remove <NAME>...</NAME> from the texts before they are graded and verified; "
            "'' keeps such spans.",
        ),
    ] = "think",
    as_json: AsJson = False,
) -> None:
    """Make a run folder from samples made elsewhere.

    The file is jsonl with problem, text, and optional logprob, scores, reference, answer, utility.
    """
    from strop.run.gap import import_samples
    from strop.run.import_rows import read_columns

    renamed = None if columns is None else read_columns(columns)
    run = import_samples(file, out, model=model, task=task, columns=renamed, think=think)
    print_runs([run], None, as_json)
