"""``strop tasks``, ``strop models``, ``strop verifiers``: what there is."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from strop.cli.options import AsJson
from strop.errors import UsageError

list_app = typer.Typer()


@list_app.command()
def tasks(as_json: AsJson = False) -> None:
    """List the tasks."""
    from strop.tasks import TASKS, LmEval

    levels = {
        name: f" (difficulty {', '.join(task.levels)})"
        for name, task in TASKS.items()
        if len(task.levels) > 1
    }
    described = {name: task.description + levels.get(name, "") for name, task in TASKS.items()}
    print_rows(described | {f"{LmEval.name}:NAME": LmEval.description}, as_json)


@list_app.command()
def models(as_json: AsJson = False) -> None:
    """List the embedded models, and the other kinds of names that --model takes."""
    from strop.engines import ENGINES, embedded_models

    rows = {
        name: f"{card['parameters']:,} parameters, {card['tokens']:,} tokens, {card['flops']:.1e} FLOPs"
        for name, card in embedded_models().items()
    }
    print_rows(
        rows | {name: text for name, text in ENGINES.items() if name != "ladder/NAME"}, as_json
    )


@list_app.command()
def verifiers(
    as_json: AsJson = False,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="Print their prompts instead: a TOML file to edit.")
    ] = False,
) -> None:
    """List the verifiers, with their default weights; with --prompts, the words they ask in, as a file that --prompts FILE takes."""
    from strop.prompts import wording_as_toml
    from strop.verify import VERIFIERS

    if prompts and as_json:
        raise UsageError(
            "--prompts prints TOML and --json a list of verifiers; ask for one of them"
        )
    if prompts:
        print(wording_as_toml(), end="")
        return
    print_rows(
        {
            name: f"{verifier.description} (default weight {verifier.default_weight})"
            for name, verifier in VERIFIERS.items()
        },
        as_json,
    )


def print_rows(rows: dict[str, str], as_json: bool) -> None:
    """A line each, or one JSON document."""
    if as_json:
        print(json.dumps(rows))
        return
    width = max(map(len, rows))
    for name, text in rows.items():
        print(f"{name:<{width}}  {text}")
