"""``strop tasks``, ``strop models``, ``strop verifiers``: lists of what can be named."""

from __future__ import annotations

from typing import Annotated

import typer

from strop.cli.options import AsJson
from strop.cli.output import print_rows
from strop.errors import UsageError

list_app = typer.Typer()


@list_app.command()
def tasks(as_json: AsJson = False) -> None:
    """List the tasks."""
    from strop.tasks import TASKS, LmEval

    rows: dict[str, str] = {}
    for name, task in TASKS.items():
        rows[name] = task.description
        if len(task.levels) > 1:
            rows[name] += f" (difficulty {', '.join(task.levels)})"
    rows[f"{LmEval.name}:NAME"] = LmEval.description
    print_rows(rows, as_json)


@list_app.command()
def models(as_json: AsJson = False) -> None:
    """List the embedded models, and the other kinds of names that --model takes."""
    from strop.engines import ENGINES, embedded_models

    rows: dict[str, str] = {}
    for name, card in embedded_models().items():
        rows[name] = (
            f"{card['parameters']:,} parameters, {card['tokens']:,} tokens, "
            f"{card['flops']:.1e} FLOPs"
        )
    for name, description in ENGINES.items():
        if name != "ladder/NAME":  # its models are listed one by one above
            rows[name] = description
    print_rows(rows, as_json)


@list_app.command()
def verifiers(
    as_json: AsJson = False,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Print their prompts instead: a TOML file to edit.")
    ] = False,
) -> None:
    """List the verifiers, with their default weights.

    With --prompts, print their prompts as a file that --prompts FILE takes.
    """
    from strop.prompts import wording_as_toml
    from strop.verify import VERIFIERS

    if prompts and as_json:
        raise UsageError(
            "--prompts prints TOML and --json a list of verifiers; ask for one of them"
        )
    if prompts:
        print(wording_as_toml(), end="")
        return
    rows = {
        name: f"{verifier.description} (default weight {verifier.default_weight})"
        for name, verifier in VERIFIERS.items()
    }
    print_rows(rows, as_json)
