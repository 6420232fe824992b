"""``strop cross`` and ``strop scale``: gaps of many models."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from strop.cli.option_groups import with_option_groups
from strop.cli.options import (
    AsJson,
    Data,
    DataRevision,
    DecodingOptions,
    Draws,
    Flops,
    Models,
    Out,
    Prompts,
    Shots,
    SizeOptions,
    TaskOptions,
    Verifiers,
    WorkerOptions,
    find_tasks,
    find_verifiers,
)
from strop.cli.output import print_result, write_report

many_models_app = typer.Typer()


@many_models_app.command()
@with_option_groups
def cross(
    *,
    model: Annotated[list[str], typer.Option("--model", help="Generator (repeatable).")],
    task: Annotated[str, typer.Option("--task", help="Task.")],
    data: Data = None,
    data_revision: DataRevision = None,
    verify_with: Annotated[
        list[str] | None,
        typer.Option("--verify-with", help="Verifying model (repeatable; default: --model)."),
    ] = None,
    verifier: Verifiers = None,
    prompts: Prompts = None,
    draws: Draws = 1,
    sizes: SizeOptions,
    shots: Shots = None,
    decoding: DecodingOptions,
    out: Out = None,
    as_json: AsJson = False,
    workers: WorkerOptions,
) -> None:
    """Measure the matrix of gaps, generator by verifying model.

    Each model is loaded once; a stopped command resumes at the next cell.
    """
    from strop import cross_verification
    from strop.progress import Bars
    from strop.report import CommandResult
    from strop.report.model_tables import cross_tables
    from strop.run.pages import PageContent, write_page_of

    [found_task] = find_tasks([task], None, data, data_revision)
    with workers.open() as executor, Bars() as bars:
        matrix = cross_verification.cross(
            model,
            found_task,
            judges=verify_with or (),
            verifiers=find_verifiers(verifier, prompts),
            draws=draws,
            out=out,
            workers=executor,
            watcher=bars,
            **_sampling_options(sizes, shots, decoding),
        )
    content = PageContent(matrix.runs, [CommandResult("cross", matrix.document)])
    page = write_page_of([content], [matrix.path])
    print_result(matrix.document, [*cross_tables(matrix.document), f"Report: {page}"], as_json)


@many_models_app.command()
@with_option_groups
def scale(
    *,
    model: Models = None,
    tasks: TaskOptions,
    verifier: Verifiers = None,
    prompts: Prompts = None,
    flops: Flops = None,
    sizes: SizeOptions,
    shots: Shots = None,
    decoding: DecodingOptions,
    out: Out = None,
    as_json: AsJson = False,
    workers: WorkerOptions,
) -> None:
    """Measure the relative gap against pre-training FLOPs, family by family.

    The result has the slope, the rank correlation and a trend test.
    """
    from strop import scaling
    from strop.engines import embedded_models
    from strop.engines.pretraining import parse_flops
    from strop.progress import Bars
    from strop.report.model_tables import scale_tables

    flops_of_models = dict(map(parse_flops, flops or []))
    with workers.open() as executor, Bars() as bars:
        curve = scaling.scale(
            model or list(embedded_models()),
            tasks.find(),
            verifiers=find_verifiers(verifier, prompts),
            flops=flops_of_models,
            out=out,
            workers=executor,
            watcher=bars,
            **_sampling_options(sizes, shots, decoding),
        )
    page = write_report(curve.runs, curve.path)
    print_result(curve.document, [*scale_tables(curve.document), f"Report: {page}"], as_json)


def _sampling_options(
    sizes: SizeOptions, shots: int | None, decoding: DecodingOptions
) -> dict[str, Any]:
    """Return the keywords of ``strop.gap`` for these options; no ``shots``: the task's."""
    options = asdict(sizes) | asdict(decoding)
    return options if shots is None else options | {"shots": shots}
