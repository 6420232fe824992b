"""``strop sharpen``: answer with the best of N by the model's own judgement."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from strop.cli.option_groups import with_option_groups
from strop.cli.options import (
    FULL_DISTRIBUTION,
    AsJson,
    DecodingOptions,
    Models,
    Out,
    Prompts,
    Shots,
    SizeOptions,
    TaskOptions,
    VerifyWith,
    WorkerOptions,
    find_verifiers,
)
from strop.cli.output import one_or_all, print_result

sharpen_app = typer.Typer()

SelfRewards = Annotated[
    list[str] | None,
    typer.Option(
        "--verifier",
        help="Verifier that selects (repeatable; default: logprob, logprob-per-token, majority).",
    ),
]
Adaptive = Annotated[
    bool,
    typer.Option(
        "--adaptive",
        help="Stop drawing for a problem when its likeliest response is likely enough.",
    ),
]
Delta = Annotated[
    float,
    typer.Option(
        help="Chance of missing that adaptive stopping allows: until k max pi >= ln(2 / delta)."
    ),
]


@sharpen_app.command()
@with_option_groups
def sharpen(
    *,
    model: Models = None,
    tasks: TaskOptions,
    verifier: SelfRewards = None,
    verify_with: VerifyWith = None,
    prompts: Prompts = None,
    adaptive: Adaptive = False,
    delta: Delta = 0.1,
    sizes: SizeOptions,
    shots: Shots = None,
    decoding: DecodingOptions = FULL_DISTRIBUTION,
    out: Out = None,
    as_json: AsJson = False,
    workers: WorkerOptions,
) -> None:
    """Answer with the best of N by the model's own judgement, against greedy decoding.

    The result is accuracy and likelihood for N = 1 to K.
    """
    from strop.engines import DEFAULT_MODEL
    from strop.progress import Bars
    from strop.report.sharpening import sharpen_tables
    from strop.run import pages
    from strop.run.executors import as_executor
    from strop.sharpening import SELF_REWARDS, sharpen
    from strop.text import slug

    options = asdict(sizes) | asdict(decoding)
    if shots is not None:
        options["shots"] = shots
    verifiers = find_verifiers(verifier, prompts) if verifier else SELF_REWARDS
    models = list(dict.fromkeys(model or [DEFAULT_MODEL]))
    found_tasks = tasks.find()
    several = len(models) * len(found_tasks) > 1
    results, contents, report_pages = [], [], []
    with workers.open() as opened, Bars() as bars:
        executor = as_executor(opened)
        # Models outside, tasks inside: every model is loaded once.
        for name in models:
            engine = executor.load(name)
            for task in found_tasks:
                bars.title = f"{name} {task.label}" if len(models) > 1 else task.label
                result = sharpen(
                    engine,
                    task,
                    verifiers=verifiers,
                    verify_with=verify_with,
                    delta=delta,
                    adaptive=adaptive,
                    out=out / slug(f"{name}-{task.label}") if out and several else out,
                    workers=executor,
                    watcher=bars,
                    **options,
                )
                content = pages.sharpened(result.run, result.document)
                results.append(result)
                contents.append(content)
                report_pages.append(pages.write_page_of([content], [result.run.path]))
    # With --out, one page about all runs stands in the folder that holds them.
    if len(results) > 1 and out is not None:
        run_folders = [result.run.path for result in results]
        report_pages = [pages.write_page_of(contents, run_folders, out)]
    documents = [result.document for result in results]
    lines = [f"Report: {page}" for page in report_pages]
    print_result(one_or_all(documents), [*sharpen_tables(documents), *lines], as_json)
