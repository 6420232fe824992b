"""``strop improve``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from strop.cli_parts import (
    AsJson,
    Data,
    DataRevision,
    GpusPerWorker,
    Out,
    Problems,
    Ray,
    Samples,
    Seed,
    Workers,
    find_tasks,
    print_result,
)  # fmt: skip
from strop.errors import UsageError

improve_app = typer.Typer()


@improve_app.command()
def improve(
    model: Annotated[str, typer.Option("--model", help="Model to improve: ladder/NAME or a local folder.")] = "ladder/125k",
    task: Annotated[str, typer.Option("--task", help="Task; a name, or a name and a difficulty.")] = "arithmetic",
    data: Data = None,
    data_revision: DataRevision = None,
    method: Annotated[str, typer.Option(help="rft, rpo, sft-sharpen, reward-dpo or xpo.")] = "rft",
    rounds: Annotated[int, typer.Option(help="Rounds of training, T.")] = 1,
    stop_at_zero: Annotated[bool, typer.Option("--stop-at-zero", help="End when the held-out gap's interval first includes zero.")] = False,
    filter_by: Annotated[
        str | None, typer.Option(help="Verifier that says what trains (default: the method's); oracle is the control.")
    ] = None,
    train_problems: Annotated[int, typer.Option(help="Training problems of each round.")] = 400,
    problems: Problems = 200,
    samples: Samples = 32,
    pairs: Annotated[int, typer.Option(help="At most so many pairs of a problem (rpo, reward-dpo), or rounds of xpo.")] = 4,
    learning_rate: Annotated[float | None, typer.Option(help="Default: 1e-3 for embedded models, else 1e-5.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the rows (default: 2).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows of an optimiser step (default: 64).")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="LoRA instead of all weights.")] = None,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
    workers: Workers = None,
    ray: Ray = None,
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """Rounds of self-improvement: sample, verify, filter, train, measure on held-out problems; the same command resumes (extra: train)."""
    from strop.cluster import open_executor
    from strop.progress import Bars
    from strop.report.rounds import rounds_tables
    from strop.rounds import Course
    from strop.rounds import improve as run

    [found] = find_tasks([task], None, data, data_revision)
    if task.startswith("lm-eval:"):
        raise UsageError("strop improve needs training problems of its own, and lm-eval's train rows are only examples; use another task")
    given = {"learning_rate": learning_rate, "epochs": epochs, "batch_size": batch_size, "lora_rank": lora_rank}
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    course = Course(model, found, method, rounds, filter_by, train_problems, problems, samples, pairs, seed, settings)
    with open_executor(workers, ray, gpus_per_worker) as executor, Bars() as bars:
        improvement = run(course, stop_at_zero=stop_at_zero, out=out, workers=executor, watcher=bars)
    print_result(improvement.document, list(rounds_tables(improvement.document)), as_json)
