"""Options that several commands share, and the groups of them that the commands take."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from strop.run.executors import Executor
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
        help="Difficulty of every task (repeatable; default: standard); "
        "--task NAME:DIFFICULTY sets one task's.",
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
        "--data-revision",
        help="Revision of a hub data set; run.json records what it was resolved to.",
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
        help="TOML file of your own verification prompts; "
        "`strop verifiers --prompts` prints one to edit.",
    ),
]
VerifyMaxTokens = Annotated[
    int | None,
    typer.Option(
        "--verify-max-tokens",
        help="Longest written verification, in tokens (default: the task's).",
    ),
]
Draws = Annotated[int, typer.Option("--draws", help="Verifications of each response, averaged.")]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weigh",
        help="Weight, such as quantile:0.7, or an ensemble such as "
        "mc@quantile:0.7&cot-score@quantile:0.7 (repeatable).",
    ),
]
Problems = Annotated[int, typer.Option("--problems", help="Problems of each task.")]
Samples = Annotated[int, typer.Option("--samples", help="Responses to each problem, K.")]
Shots = Annotated[
    int | None, typer.Option("--shots", help="Few-shot examples (default: the task's).")
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the whole run.")]
Flops = Annotated[
    list[str] | None,
    typer.Option(
        "--flops",
        help="MODEL=FLOPs of pre-training; it overrides the registry (repeatable).",
    ),
]
Past = Annotated[
    list[Path] | None,
    typer.Option(
        "--past",
        help="Folder of a finished strop improve, whose updates forecasts may use "
        "(repeatable; three or more).",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="Run folder; the same command resumes it.")]


@dataclass(frozen=True)
class TaskOptions:
    """The tasks, their difficulties and their data."""

    task: Tasks = None
    difficulty: Difficulties = None
    data: Data = None
    data_revision: DataRevision = None

    def find(self) -> list[Task]:
        """Return every task at every difficulty, each once."""
        return find_tasks(self.task, self.difficulty, self.data, self.data_revision)


@dataclass(frozen=True)
class SizeOptions:
    """The number of problems and of responses."""

    problems: Problems = 200
    samples: Samples = 32


@dataclass(frozen=True)
class DecodingOptions:
    """Settings of the decoder. The defaults are those of "Mind the Gap"."""

    temperature: Annotated[
        float, typer.Option("--temperature", help="Sampling temperature; 0 is greedy.")
    ] = 0.7
    top_p: Annotated[float, typer.Option("--top-p", help="Nucleus sampling mass.")] = 0.9
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", help="Longest response, in tokens (default: the task's)."),
    ] = None
    verify_max_tokens: VerifyMaxTokens = None
    seed: Seed = 0


FULL_DISTRIBUTION = DecodingOptions(temperature=1.0, top_p=1.0)
"""Sharpening is defined on samples of the model itself: temperature 1, top-p 1."""


@dataclass(frozen=True)
class WorkerOptions:
    """The workers: threads of this machine, or a Ray cluster."""

    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            help="Threads of the embedded engine, or workers under --ray (default: all cores).",
        ),
    ] = None
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            help="Work on a Ray cluster: HOST:PORT, auto (this machine's), "
            "or local (one started here).",
        ),
    ] = None
    gpus_per_worker: Annotated[
        float | None,
        typer.Option("--gpus-per-worker", help="Under --ray: GPUs of each worker (default: 0)."),
    ] = None

    def open(self) -> AbstractContextManager[Executor | int | None]:
        """Return a context manager that gives the executor, or the number of threads."""
        from strop.cluster import open_executor

        return open_executor(self.workers, self.ray, self.gpus_per_worker)


def find_tasks(
    tasks: list[str] | None,
    difficulties: list[str] | None,
    data: Path | None = None,
    data_revision: str | None = None,
) -> list[Task]:
    """Return every task at every difficulty, each once.

    A task that names its own difficulty, such as ``signs:hard``, keeps it.
    """
    from strop.tasks import EMBEDDED, find_task

    names: list[str] = []
    for task in tasks or EMBEDDED:
        if ":" in task:
            names.append(task)
        else:
            names += [f"{task}:{level}" for level in difficulties or ["standard"]]
    # A dict keeps the order and drops what was asked for twice.
    return list(dict.fromkeys(find_task(name, data, data_revision) for name in names))


def find_verifiers(names: list[str] | None, prompts: Path | None) -> list[Verifier]:
    """Return the verifiers of these names, with the prompts of the file if there is one."""
    from strop.prompts import WORDING, read_wording
    from strop.run.gap import DEFAULT_VERIFIERS
    from strop.verify import find_verifiers

    wording = read_wording(prompts) if prompts else WORDING
    return find_verifiers(names or DEFAULT_VERIFIERS, wording)
