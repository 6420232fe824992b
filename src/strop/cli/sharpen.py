"""``strop sharpen``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from strop.cli.options import (
    AsJson,
    Data,
    DataRevision,
    Difficulties,
    GpusPerWorker,
    MaxTokens,
    Models,
    Out,
    Problems,
    Prompts,
    Ray,
    Samples,
    Seed,
    Shots,
    Tasks,
    Temperature,
    TopP,
    VerifyWith,
    Workers,
    find_tasks,
    find_verifiers,
    print_result,
)

sharpen_app = typer.Typer()


@sharpen_app.command()
def sharpen(
    model: Models = None,
    task: Tasks = None,
    difficulty: Difficulties = None,
    data: Data = None,
    data_revision: DataRevision = None,
    verifier: Annotated[
        list[str] | None,
        typer.Option(
            "--verifier",
            help="What chooses (repeatable; default: logprob, logprob-per-token, majority).",
        ),
    ] = None,
    verify_with: VerifyWith = None,
    prompts: Prompts = None,
    adaptive: Annotated[
        bool,
        typer.Option(
            "--adaptive",
            help="Stop drawing for a problem when its likeliest response is likely enough.",
        ),
    ] = False,
    delta: Annotated[
        float,
        typer.Option(
            help="Chance of missing that adaptive stopping allows: until k max pi >= ln(2 / delta)."
        ),
    ] = 0.1,
    problems: Problems = 200,
    samples: Samples = 32,
    shots: Shots = None,
    temperature: Temperature = 1.0,
    top_p: TopP = 1.0,
    max_tokens: MaxTokens = None,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
    workers: Workers = None,
    ray: Ray = None,
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """Answer with the best of N by the model's own opinion, against greedy decoding: accuracy and likelihood for N = 1 to K."""
    from strop.cluster import open_executor
    from strop.engines import DEFAULT_MODEL
    from strop.progress import Bars
    from strop.report.sharpening import sharpen_tables
    from strop.run import pages
    from strop.run.executors import as_executor
    from strop.sharpening import SELF_REWARDS, sharpen
    from strop.text import slug

    options: dict[str, Any] = {
        "problems": problems,
        "samples": samples,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "seed": seed,
    } | ({} if shots is None else {"shots": shots})
    asked = find_verifiers(verifier, prompts) if verifier else SELF_REWARDS
    models, tasks = (
        list(dict.fromkeys(model or [DEFAULT_MODEL])),
        find_tasks(task, difficulty, data, data_revision),
    )
    documents, exhibits, folders, written = [], [], [], []
    with open_executor(workers, ray, gpus_per_worker) as opened, Bars() as bars:
        executor = as_executor(opened)
        for name in models:
            engine = executor.load(name)
            for found in tasks:
                bars.title = f"{name} {found.label}" if len(models) > 1 else found.label
                folder = (
                    out / slug(f"{name}-{found.label}")
                    if out is not None and len(models) * len(tasks) > 1
                    else out
                )
                sharpened = sharpen(
                    engine,
                    found,
                    verifiers=asked,
                    verify_with=verify_with,
                    delta=delta,
                    adaptive=adaptive,
                    out=folder,
                    workers=executor,
                    watcher=bars,
                    **options,
                )
                documents.append(sharpened.document)
                folders.append(sharpened.run.path)
                exhibits.append(pages.sharpened(sharpened.run, sharpened.document))
                written.append(pages.write_page_of(exhibits[-1:], folders[-1:]))
    if len(folders) > 1 and out is not None:
        written = [pages.write_page_of(exhibits, folders, out)]
    told = [*sharpen_tables(documents), *(f"Report: {page}" for page in written)]
    print_result(documents[0] if len(documents) == 1 else {"runs": documents}, told, as_json)
