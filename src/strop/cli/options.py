"""Options that several commands have, what they make of them, and how they tell what came."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from strop.tasks import Task
    from strop.verify import Verifier

AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="Model to measure (repeatable). `strop models` lists the kinds."),
]
Tasks = Annotated[
    list[str] | None, typer.Option("--task", help="Task (repeatable; default: all embedded ones).")
]
Difficulties = Annotated[
    list[str] | None,
    typer.Option(
        "--difficulty",
        help="Difficulty of every task (repeatable; default: standard); --task NAME:DIFFICULTY sets one task's.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="File of the task's problems: jsonl, json, csv or parquet, in its data set's schema.",
    ),
]
DataRevision = Annotated[
    str | None,
    typer.Option(
        "--data-revision", help="Revision of a hub data set; run.json says what it was resolved to."
    ),
]
Verifiers = Annotated[
    list[str] | None,
    typer.Option("--verifier", help="Verifier (repeatable; default: mc and cot-binary)."),
]
VerifyWith = Annotated[
    str | None,
    typer.Option("--verify-with", help="Model that verifies (default: the generator itself)."),
]
Prompts = Annotated[
    Path | None,
    typer.Option(
        "--prompts",
        help="TOML file of your own verification prompts; `strop verifiers --prompts` prints one to edit.",
    ),
]
Draws = Annotated[int, typer.Option("--draws", help="Verifications of each response, averaged.")]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weigh",
        help="Weight, such as quantile:0.7, or an ensemble such as mc@quantile:0.7&cot-score@quantile:0.7 (repeatable).",
    ),
]
Problems = Annotated[int, typer.Option("--problems", help="Problems of each task.")]
Samples = Annotated[int, typer.Option("--samples", help="Responses to each problem, K.")]
Shots = Annotated[
    int | None, typer.Option("--shots", help="Few-shot examples (default: the task's).")
]
Temperature = Annotated[
    float, typer.Option("--temperature", help="Sampling temperature; 0 is greedy.")
]
TopP = Annotated[float, typer.Option("--top-p", help="Nucleus sampling mass.")]
MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", help="Longest response and verification (default: the task's)."),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the whole run.")]
Out = Annotated[Path | None, typer.Option("--out", help="Run folder; the same command resumes it.")]
MaxTokensTotal = Annotated[
    int | None,
    typer.Option(
        "--max-tokens-total",
        help="Begin no more work once a run has spent so many tokens; a higher limit goes on.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        help="Threads of the embedded engine, or workers under --ray (default: all cores).",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        help="Work on a Ray cluster: HOST:PORT, auto (this machine's), or local (one started here).",
    ),
]
GpusPerWorker = Annotated[
    float | None,
    typer.Option("--gpus-per-worker", help="Under --ray: GPUs of each worker (default: 0)."),
]

Past = Annotated[
    list[Path] | None,
    typer.Option(
        "--past",
        help="Folder of a finished strop improve, whose update forecasts may rest on (repeatable; three or more).",
    ),
]


def find_tasks(
    tasks: list[str] | None,
    difficulties: list[str] | None,
    data: Path | None = None,
    data_revision: str | None = None,
) -> list[Task]:
    """Every task at every difficulty, each once. One that names its own difficulty keeps it."""
    from strop.tasks import EMBEDDED, find_task

    asked = [
        task if ":" in task else f"{task}:{level}"
        for task in tasks or EMBEDDED
        for level in difficulties or ["standard"]
    ]
    return list(dict.fromkeys(find_task(name, data, data_revision) for name in asked))


def find_verifiers(names: list[str] | None, prompts: Path | None) -> list[Verifier]:
    """Every verifier asked for, with its words from the file if there is one."""
    from strop.prompts import WORDING, read_wording
    from strop.run.gap import DEFAULT_VERIFIERS
    from strop.verify import find_verifiers

    return find_verifiers(names or DEFAULT_VERIFIERS, read_wording(prompts) if prompts else WORDING)


def print_result(document: dict[str, Any], parts: list[Any], as_json: bool) -> None:
    """The document, or tables and lines for people."""
    if as_json:
        print(json.dumps(document, allow_nan=False))
        return
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 80, highlight=False)
    for part in parts:
        console.print(part, markup=False, soft_wrap=isinstance(part, str))
