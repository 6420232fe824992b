"""``strop gap``: measure the generation-verification gap."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strop.cli.option_groups import with_option_groups
from strop.cli.options import (
    AsJson,
    DecodingOptions,
    Draws,
    Models,
    Out,
    Past,
    Prompts,
    Shots,
    SizeOptions,
    TaskOptions,
    Verifiers,
    VerifyWith,
    Weights,
    WorkerOptions,
    find_verifiers,
)
from strop.cli.output import print_runs
from strop.errors import UsageError

if TYPE_CHECKING:
    from strop.engines import Engine
    from strop.run.executors import Executor
    from strop.run.plan import Plan
    from strop.run.run import Run
    from strop.verify import Verifier

gap_app = typer.Typer()

Preset = Annotated[
    str | None,
    typer.Option(
        help="A paper's settings: mind-the-gap or sharpening; options that are given override them."
    ),
]
Revision = Annotated[str | None, typer.Option(help="Revision of a hub model.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the first prompts and the cost; sample nothing.")
]
PilotOption = Annotated[
    bool,
    typer.Option(
        "--pilot",
        help="Also make a pilot fit on a quarter of a round's training problems, and forecast the "
        "round from it (local model folders; extra: train).",
    ),
]
MaxTokensTotal = Annotated[
    int | None,
    typer.Option(
        "--max-tokens-total",
        help="Start no more work once a run has used this many tokens; a higher limit resumes it.",
    ),
]


@gap_app.command()
@with_option_groups
def gap(
    *,
    context: typer.Context,
    model: Models = None,
    tasks: TaskOptions,
    verifier: Verifiers = None,
    verify_with: VerifyWith = None,
    prompts: Prompts = None,
    draws: Draws = 1,
    weigh: Weights = None,
    sizes: SizeOptions,
    shots: Shots = None,
    decoding: DecodingOptions,
    preset: Preset = None,
    revision: Revision = None,
    past: Past = None,
    pilot: PilotOption = False,
    out: Out = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
    max_tokens_total: MaxTokensTotal = None,
    workers: WorkerOptions,
) -> None:
    """Measure the generation-verification gap: sample, verify, weigh, measure, report."""
    from strop.engines import DEFAULT_MODEL
    from strop.run.executors import as_executor

    options = asdict(sizes) | asdict(decoding) | {"revision": revision}
    if shots is not None:
        options["shots"] = shots
    plans = _plans(model or [DEFAULT_MODEL], tasks, options, preset, context)
    verifiers = find_verifiers(verifier, prompts)
    if dry_run:
        _dry_run(plans, verifiers, draws, as_json)
        return
    arguments: dict[str, Any] = {
        "verifiers": verifiers,
        "verify_with": verify_with,
        "draws": draws,
        "weights": weigh or [],
        "max_tokens_total": max_tokens_total,
        "past": past or (),
    }
    if pilot:
        _check_pilot(plans)
    with workers.open() as executor:
        runs = _run_plans(plans, arguments, as_executor(executor), out)
        if pilot:
            runs = _with_pilots(runs, as_executor(executor))
    print_runs(runs, None if len(runs) == 1 else runs[0].path.parent, as_json)


def _check_pilot(plans: list[Plan]) -> None:
    """Raise an error, before anything is sampled, for a model that cannot be trained here."""
    from strop.distill.base import check_training_extra
    from strop.engines import name_with_revision
    from strop.improvement.training_folder import check_trainable

    check_training_extra("a pilot")
    for plan in plans:
        name = name_with_revision(plan.model, plan.revision)
        if name != plan.model:
            raise UsageError(
                f"--pilot: the models that are trained are named without --revision; name this "
                f"one {name}"
            )
        check_trainable(name)


def _with_pilots(runs: list[Run], executor: Executor) -> list[Run]:
    """Return the runs with a pilot each, as far as their verdicts need one."""
    from strop.improvement.gap_pilot import add_pilot
    from strop.progress import Bars

    with Bars() as bars:
        return [add_pilot(run, executor, bars) for run in runs]


def _plans(
    models: list[str],
    tasks: TaskOptions,
    options: dict[str, Any],
    preset: str | None,
    context: typer.Context,
) -> list[Plan]:
    """Return a plan for each model and task.

    An option that was typed overrides the preset, and the preset overrides the defaults.
    """
    from strop.run.plan import Plan
    from strop.run.presets import preset_options

    # typer knows whether a value was typed or is the default.
    sources: dict[str, Any] = {name: context.get_parameter_source(name) for name in options}
    typed = {name: value for name, value in options.items() if sources[name].name != "DEFAULT"}
    plans = []
    for model in dict.fromkeys(models):
        for task in tasks.find():
            fields = {"shots": task.default_shots} | options
            if preset:
                fields |= preset_options(preset, task)
                fields |= typed
            plans.append(Plan.fitting(model, task, **fields))
    return plans


def _run_plans(
    plans: list[Plan], arguments: dict[str, Any], executor: Executor, out: Path | None
) -> list[Run]:
    """Run every plan in its own folder, and load every model once.

    ``arguments``: the arguments of ``strop.gap`` that are not fields of a plan.
    """
    from strop.progress import Bars
    from strop.run.gap import gap
    from strop.text import slug

    # All problems and shots are drawn before any response is: a wrong option of the last plan
    # is reported at once.
    for plan in plans:
        plan.draw_problems()
        plan.draw_shots()
    parent = _parent_folder(plans, arguments, out)
    several_models = len({plan.model for plan in plans}) > 1
    engines: dict[str, Engine] = {}
    runs = []
    with Bars() as bars:
        if arguments["verify_with"]:
            bars.waiting(f"loading {arguments['verify_with']}")
            arguments = arguments | {"verify_with": executor.load(arguments["verify_with"])}
        for plan in plans:
            if plan.model not in engines:
                bars.waiting(f"loading {plan.model}")
                engines[plan.model] = executor.load(plan.model, plan.revision)
            label = f"{plan.model} {plan.task.label}" if several_models else plan.task.label
            bars.title = label
            fields = {
                name: value for name, value in vars(plan).items() if name not in ("model", "task")
            }
            # A single run is written to --out itself, several runs below it.
            run = gap(
                engines[plan.model],
                plan.task,
                out=parent / slug(label) if len(plans) > 1 else out,
                workers=executor,
                watcher=bars,
                **arguments,
                **fields,
            )
            runs.append(run)
    return runs


def _parent_folder(plans: list[Plan], arguments: dict[str, Any], out: Path | None) -> Path:
    """Return the folder that the run folders of several plans lie in."""
    from strop.run.store import default_folder
    from strop.verify import folder_key

    if len(plans) > 1 and out and (out / "run.json").exists():
        raise UsageError(
            f"{out} holds a run of one model on one task, and {len(plans)} runs were asked for; "
            "choose another --out"
        )
    if out:
        return out
    key = {
        "model": plans[0].model,
        "task": "tasks",
        "plans": [plan.as_record() for plan in plans],
        "verifiers": folder_key(arguments["verifiers"]),
        "verify_with": arguments["verify_with"],
        "draws": arguments["draws"],
    }
    return default_folder("gap", key)


def _dry_run(plans: list[Plan], verifiers: list[Verifier], draws: int, as_json: bool) -> None:
    """Print the first prompts of every plan and the cost, and store nothing."""
    from strop.engines import load_engine
    from strop.run.preview import preview

    documents = []
    for plan in plans:
        engine = load_engine(plan.model, plan.revision)
        shown = preview(plan, engine, verifiers, draws)
        # The embedded engine gets one core a worker; others take what they need.
        where = "on one core" if engine.worker_threads else "on this machine"
        label = {"model": plan.model, "task": plan.task.label, "where": where}
        documents.append(label | asdict(shown))
    if as_json:
        print(json.dumps({"dry_run": documents}))
        return
    for document in documents:
        title = f"{document['model']} {document['task']}"
        for kind, text in document["prompts"].items():
            about = "" if kind == "solution" else ", about the beginning of a response"
            print(f"--- {title}: {kind} prompt, exactly as sent{about} ---\n{text}")
        print(f"--- {_cost_line(document)}nothing was stored\n")


def _cost_line(document: dict[str, Any]) -> str:
    price = document["price_at_most"]
    return (
        f"at most {document['prompt_tokens']:,} prompt "
        f"and {document['generated_at_most']:,} generated tokens, "
        f"{document['flops_at_most']:.1e} FLOPs, "
        f"about {document['seconds_estimated']:,.0f} s {document['where']}, if every text runs "
        "to its limit of tokens (real ones are shorter); "
        + (f"${price:,.2f} or less; " if price else "")
    )
