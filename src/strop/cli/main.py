"""The command line, thin: parse, call, print. Heavy imports stay inside the commands, so that ``strop --help`` is quick.

stdout holds results and nothing else under ``--json``; progress and messages go to stderr. Exit codes: 0 done, 2 what the user must
mend (one line), 1 our fault, 130 interrupted.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from strop.cli.improve import improve_app
from strop.cli.ladder import ladder_app
from strop.cli.listing import list_app
from strop.cli.options import (
    AsJson,
    Data,
    DataRevision,
    Difficulties,
    Draws,
    GpusPerWorker,
    MaxTokens,
    MaxTokensTotal,
    Models,
    Out,
    Past,
    Problems,
    Prompts,
    Ray,
    Samples,
    Seed,
    Shots,
    Tasks,
    Temperature,
    TopP,
    Verifiers,
    VerifyWith,
    Weights,
    Workers,
    find_tasks,
    find_verifiers,
    print_result,
)
from strop.cli.sharpen import sharpen_app
from strop.cli.study import study_app
from strop.errors import StropError, UsageError

if TYPE_CHECKING:
    from strop.engines import Engine
    from strop.run.executors import Executor
    from strop.run.plan import Plan
    from strop.run.run import Run

INTERRUPTED = 130
COMMAND_LINE_ERROR: Any = typer.BadParameter.__mro__[
    1
]  # UsageError of click, or of the copy of click that newer typers carry

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure the self-improvement of language models.",
)
app.add_typer(ladder_app, name="ladder")
app.add_typer(list_app)
app.add_typer(sharpen_app)
app.add_typer(improve_app)
app.add_typer(study_app)


@app.command()
def gap(
    context: typer.Context,
    model: Models = None,
    task: Tasks = None,
    difficulty: Difficulties = None,
    data: Data = None,
    data_revision: DataRevision = None,
    verifier: Verifiers = None,
    verify_with: VerifyWith = None,
    prompts: Prompts = None,
    draws: Draws = 1,
    weigh: Weights = None,
    problems: Problems = 200,
    samples: Samples = 32,
    shots: Shots = None,
    temperature: Temperature = 0.7,
    top_p: TopP = 0.9,
    max_tokens: MaxTokens = None,
    seed: Seed = 0,
    preset: Annotated[
        str | None,
        typer.Option(
            help="A paper's settings: mind-the-gap or sharpening; what is asked for goes before it."
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Revision of a hub model.")] = None,
    past: Past = None,
    out: Out = None,
    as_json: AsJson = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first prompts and the cost; sample nothing.")
    ] = False,
    max_tokens_total: MaxTokensTotal = None,
    workers: Workers = None,
    ray: Ray = None,
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """Measure the generation-verification gap: sample, verify, weigh, measure, report."""
    from strop.cluster import open_executor
    from strop.engines import DEFAULT_MODEL
    from strop.run.executors import as_executor
    from strop.run.plan import Plan
    from strop.run.presets import preset_options

    options: dict[str, Any] = {
        "problems": problems,
        "samples": samples,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "seed": seed,
        "revision": revision,
    }
    options |= {} if shots is None else {"shots": shots}
    sources: dict[str, Any] = {name: context.get_parameter_source(name) for name in options}
    given = {name: value for name, value in options.items() if sources[name].name != "DEFAULT"}
    plans = []
    for name in dict.fromkeys(model or [DEFAULT_MODEL]):
        for found in find_tasks(task, difficulty, data, data_revision):
            usual = {"shots": found.default_shots} | options
            plans.append(
                Plan(
                    name,
                    found,
                    **(usual | preset_options(preset, found) | given if preset else usual),
                )
            )
    asked = {
        "verifiers": find_verifiers(verifier, prompts),
        "verify_with": verify_with,
        "draws": draws,
    }
    if dry_run:
        _dry_run(plans, asked, as_json)
        return
    with open_executor(workers, ray, gpus_per_worker) as executor:
        runs = _gap_runs(
            plans,
            asked
            | {"weights": weigh or [], "max_tokens_total": max_tokens_total, "past": past or ()},
            as_executor(executor),
            out,
        )
    _tell(runs, None if len(runs) == 1 else runs[0].path.parent, as_json)


def _gap_runs(
    plans: list[Plan], asked: dict[str, Any], executor: Executor, out: Path | None
) -> list[Run]:
    """One run folder for each model and task; every model is loaded once. Names and numbers are looked at before anything is sampled."""
    from strop.progress import Bars
    from strop.run.gap import gap
    from strop.run.store import default_folder
    from strop.text import slug
    from strop.verify import folder_key

    for plan in plans:
        _ = plan.draw_problems(), plan.draw_shots()
    several = len(plans) > 1
    if several and out and (out / "run.json").exists():
        raise UsageError(
            f"{out} holds a run of one model on one task, and {len(plans)} runs were asked for; choose another --out"
        )
    rows_depend_on = {
        "verifiers": folder_key(asked["verifiers"]),
        "verify_with": asked["verify_with"],
        "draws": asked["draws"],
    }
    asked_of_all = {
        "model": plans[0].model,
        "task": "tasks",
        "plans": [plan.as_record() for plan in plans],
        **rows_depend_on,
    }
    parent = out or default_folder("gap", asked_of_all)
    engines: dict[str, Engine] = {}
    if asked["verify_with"]:
        asked |= {"verify_with": executor.load(asked["verify_with"])}
    runs = []
    with Bars() as bars:
        for plan in plans:
            options = {
                name: value for name, value in vars(plan).items() if name not in ("model", "task")
            }
            engine = engines.get(plan.model) or engines.setdefault(
                plan.model, executor.load(plan.model, plan.revision)
            )
            label = (
                plan.task.label
                if len({one.model for one in plans}) == 1
                else f"{plan.model} {plan.task.label}"
            )
            bars.title = label
            place = parent / slug(label) if several else out
            runs.append(
                gap(
                    engine, plan.task, out=place, workers=executor, watcher=bars, **asked, **options
                )
            )
    return runs


def _tell(runs: list[Run], combined: Path | None, as_json: bool) -> None:
    """The report on disk, then the table or the document on stdout."""
    page = _write_report(runs, combined)
    documents = [run.document for run in runs]
    if as_json:
        print(json.dumps(documents[0] if len(runs) == 1 else {"runs": documents}, allow_nan=False))
        return
    from rich.console import Console

    from strop.report.cost import cost_table
    from strop.report.table import gap_table, notes
    from strop.report.verdict import unknown_line, verdict_lines

    console = Console(width=None if sys.stdout.isatty() else 80, highlight=False)
    console.print(gap_table(documents))
    for note in notes(documents):
        console.print(note, markup=False)
    if (spent := cost_table(documents)) is not None:
        console.print("", spent)
    for document in documents:
        for line in verdict_lines(document):
            console.print(line, markup=False)
    console.print(unknown_line(documents[0]), markup=False)
    console.print(f"\nReport: {page}", soft_wrap=True, markup=False)


def _write_report(runs: list[Run], combined: Path | None) -> Path:
    from strop.run.pages import PAGE, page_of
    from strop.run.store import RunFolder

    if combined is None:
        return runs[0].report()
    RunFolder(combined).write_text(PAGE, page_of(runs))
    return combined / PAGE


def _dry_run(plans: list[Plan], asked: dict[str, Any], as_json: bool) -> None:
    from dataclasses import asdict

    from strop.engines import load_engine
    from strop.run.preview import preview

    documents = []
    for plan in plans:
        shown = preview(
            plan, load_engine(plan.model, plan.revision), asked["verifiers"], asked["draws"]
        )
        documents.append({"model": plan.model, "task": plan.task.label} | asdict(shown))
    if as_json:
        print(json.dumps({"dry_run": documents}))
        return
    for document in documents:
        for kind, text in document["prompts"].items():
            print(
                f"--- {document['model']} {document['task']}: {kind} prompt, exactly as sent ---\n{text}"
            )
        print(
            f"--- at most {document['prompt_tokens']:,} prompt and {document['generated_at_most']:,} generated tokens, "
            f"{document['flops_at_most']:.1e} FLOPs, about {document['seconds_estimated']:,.0f} s or less on one core; "
            + (f"${document['price_at_most']:,.2f} or less; " if document["price_at_most"] else "")
            + "nothing was stored\n"
        )


@app.command()
def verify(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    verifier: Annotated[
        list[str], typer.Option("--verifier", help="Verifier to add (repeatable).")
    ],
    verify_with: VerifyWith = None,
    prompts: Prompts = None,
    draws: Draws = 1,
    weigh: Weights = None,
    as_json: AsJson = False,
    workers: Workers = None,
    ray: Ray = None,
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """Add a verifier to an existing run; the stored responses are judged, none is drawn."""
    from strop.cluster import open_executor
    from strop.progress import Bars
    from strop.run.gap import add_verifier

    found = find_verifiers(verifier, prompts)
    with open_executor(workers, ray, gpus_per_worker) as executor, Bars() as bars:
        for one in found:
            opened = add_verifier(
                run,
                one,
                verify_with=verify_with,
                draws=draws,
                weights=weigh or [],
                workers=executor,
                watcher=bars,
            )
    _tell([opened], None, as_json)


@app.command()
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
    """Write one self-contained HTML page about folders of gap, sharpen, improve or cross; with --json, print everything measured too."""
    from strop.run.pages import documents, exhibit, write_page_of
    from strop.weigh import check_weights

    exhibits = [exhibit(folder, check_weights(weigh or ())) for folder in run]
    page = write_page_of(exhibits, run, out)
    if as_json:
        found = documents(exhibits)
        print(json.dumps(found[0] if len(found) == 1 else {"runs": found}, allow_nan=False))
    else:
        print(page)


@app.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="One JSON object a line: problem, text, and what says what is right."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Run folder to make.")],
    task: Annotated[
        str | None, typer.Option("--task", help="Task that grades the texts by their references.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="Name of the model that wrote them.")
    ] = "imported",
    as_json: AsJson = False,
) -> None:
    """Make a run folder from samples made elsewhere: jsonl with problem, text, and optional logprob, scores, reference, utility."""
    from strop.run.gap import import_samples

    _tell([import_samples(file, out, model=model, task=task)], None, as_json)


@app.command()
def plan(
    run: Annotated[Path | None, typer.Argument(help="Pilot run.")] = None,
    half_width: Annotated[
        float,
        typer.Option(help="RunSpec half of the 95% interval, as a fraction: 0.02 is two points."),
    ] = 0.02,
    accuracy: Annotated[
        float | None, typer.Option(help="Without a pilot: the assumed accuracy.")
    ] = None,
    auroc: Annotated[
        float | None, typer.Option(help="Without a pilot: the verifier's AUROC (default 0.75).")
    ] = None,
    rho: Annotated[
        float | None,
        typer.Option(help="Without a pilot: share of the variance between problems (default 0.5)."),
    ] = None,
    weigh: Annotated[
        str | None, typer.Option(help="Without a pilot: the weight (default quantile:0.7).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Problems and samples needed for a wanted interval, with their cost in tokens and FLOPs."""
    from strop.report.model_tables import plan_notes, plan_table
    from strop.run import planning
    from strop.run.run import Run

    if (run is None) == (accuracy is None):
        raise UsageError(
            "strop plan needs a pilot run's folder, or --accuracy; got "
            + ("neither" if run is None else "both")
        )
    given: dict[str, Any] = {
        k: v for k, v in (("auroc", auroc), ("rho", rho), ("weigh", weigh)) if v is not None
    }
    if run is not None and given:
        raise UsageError(
            f"--{next(iter(given))} is an assumption, and the pilot run shows its own; leave it out"
        )
    if run is not None:
        needs = planning.plan_from_run(Run(run), half_width)
    else:
        needs = planning.plan_from_assumptions(half_width, accuracy or 0.0, **given)
    documents = [need.as_json() for need in needs]
    print_result({"plans": documents}, [plan_table(documents), *plan_notes(documents)], as_json)


@app.command()
def cross(
    model: Annotated[list[str], typer.Option("--model", help="Generator (repeatable).")],
    task: Annotated[str, typer.Option("--task", help="Task.")],
    verify_with: Annotated[
        list[str] | None,
        typer.Option("--verify-with", help="Verifying model (repeatable; default: --model)."),
    ] = None,
    verifier: Verifiers = None,
    prompts: Prompts = None,
    draws: Draws = 1,
    problems: Problems = 200,
    samples: Samples = 32,
    temperature: Temperature = 0.7,
    top_p: TopP = 0.9,
    max_tokens: MaxTokens = None,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
    workers: Workers = None,
    ray: Ray = None,
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """The cross_verification of gaps, generator by verifying model; each model is loaded once, and a stopped cross_verification goes on cell by cell."""
    from strop import cross_verification
    from strop.cluster import open_executor
    from strop.progress import Bars
    from strop.report import CommandResult
    from strop.report.model_tables import cross_tables
    from strop.run.pages import PageContent, write_page_of

    with open_executor(workers, ray, gpus_per_worker) as executor, Bars() as bars:
        found = cross_verification.cross(
            model,
            task,
            judges=verify_with or (),
            verifiers=find_verifiers(verifier, prompts),
            draws=draws,
            out=out,
            workers=executor,
            watcher=bars,
            problems=problems,
            samples=samples,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
        )
    page = write_page_of(
        [PageContent(found.runs, [CommandResult("cross", found.document)])], [found.path]
    )
    print_result(found.document, [*cross_tables(found.document), f"Report: {page}"], as_json)


@app.command()
def scale(
    model: Models = None,
    task: Tasks = None,
    difficulty: Difficulties = None,
    verifier: Verifiers = None,
    prompts: Prompts = None,
    flops: Annotated[
        list[str] | None,
        typer.Option(
            "--flops", help="MODEL=FLOPs of pre-training, over the registry (repeatable)."
        ),
    ] = None,
    problems: Problems = 200,
    samples: Samples = 32,
    temperature: Temperature = 0.7,
    top_p: TopP = 0.9,
    max_tokens: MaxTokens = None,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
    workers: Workers = None,
    ray: Ray = None,
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """The relative gap against pre-training FLOPs, family by family, with slope, rank correlation and a trend test."""
    from strop import scaling
    from strop.cluster import open_executor
    from strop.engines import embedded_models
    from strop.engines.pretraining import parse_flops
    from strop.progress import Bars
    from strop.report.model_tables import scale_tables

    given = dict(map(parse_flops, flops or []))
    with open_executor(workers, ray, gpus_per_worker) as executor, Bars() as bars:
        found = scaling.scale(
            model or list(embedded_models()),
            find_tasks(task, difficulty),
            verifiers=find_verifiers(verifier, prompts),
            flops=given,
            out=out,
            workers=executor,
            watcher=bars,
            problems=problems,
            samples=samples,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
        )
    page = _write_report(found.runs, found.path)
    print_result(found.document, [*scale_tables(found.document), f"Report: {page}"], as_json)


def main() -> NoReturn:
    """Run the command line; every outcome leaves by its exit code."""
    try:
        code = app(standalone_mode=False)
        print(end="", flush=True)
        if code == INTERRUPTED:  # typer made it of a KeyboardInterrupt
            code = _interrupted()
    except StropError as error:
        code = _fail(str(error))
    except COMMAND_LINE_ERROR as error:
        code = _fail(error.format_message())
    except (KeyboardInterrupt, typer.Abort):
        code = _interrupted()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = (
            0
            if error.errno == errno.EPIPE
            else _fail(f"cannot write the output: {error.strerror}; the run itself is kept")
        )
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str) -> int:
    if message:  # a bare `strop` has printed its help, and says no more
        print(f"strop: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _interrupted() -> int:
    command = shlex.join(["strop", *sys.argv[1:]])
    print(f"strop: interrupted; finished parts are kept. To go on:  {command}", file=sys.stderr)
    return INTERRUPTED
