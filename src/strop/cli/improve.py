"""``strop improve``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strop.cli.options import (
    AsJson,
    Data,
    DataRevision,
    GpusPerWorker,
    Out,
    Past,
    Problems,
    Ray,
    Samples,
    Seed,
    Workers,
    find_tasks,
    print_result,
)
from strop.errors import UsageError

if TYPE_CHECKING:
    from strop.improvement.rounds import Improvement
    from strop.progress import Bars

improve_app = typer.Typer()

KEEPING = "What is trained on"
MIXING = "What is mixed in"
TRAINER = "The trainer"


@improve_app.command()
def improve(
    model: Annotated[
        str, typer.Option("--model", help="Model to improve: ladder/NAME or a local folder.")
    ] = "ladder/125k",
    task: Annotated[
        str, typer.Option("--task", help="Task; a name, or a name and a difficulty.")
    ] = "arithmetic",
    data: Data = None,
    data_revision: DataRevision = None,
    method: Annotated[str, typer.Option(help="rft, rpo, sft-sharpen, reward-dpo or xpo.")] = "rft",
    rounds: Annotated[int, typer.Option(help="Rounds of training, T.")] = 1,
    stop_at_zero: Annotated[
        bool,
        typer.Option(
            "--stop-at-zero", help="End when the held-out gap's interval first includes zero."
        ),
    ] = False,
    filter_by: Annotated[
        str | None,
        typer.Option(
            help="What chooses the rows (default: the method's verifier): a verifier, one with its weight as in cot-binary@tilt:0.5, or an "
            "ensemble as in mc@quantile:0.7&cot-binary@threshold:0.5. Controls: oracle (knows what is right), chance (knows nothing)."
        ),
    ] = None,
    verify_with: Annotated[
        str | None,
        typer.Option(help="A fixed model that filters every round (default: the model as it is)."),
    ] = None,
    train_problems: Annotated[int, typer.Option(help="Training problems of each round.")] = 400,
    problems: Problems = 200,
    samples: Samples = 32,
    train_samples: Annotated[
        int | None, typer.Option(help="Responses to each training problem (default: --samples).")
    ] = None,
    cap: Annotated[
        int | None,
        typer.Option(
            help="Train on at most so many responses of a problem.", rich_help_panel=KEEPING
        ),
    ] = None,
    distinct: Annotated[
        str,
        typer.Option(
            help="answer or text: of those with the same, train on one.", rich_help_panel=KEEPING
        ),
    ] = "",
    balance: Annotated[
        str,
        typer.Option(
            help="problems, responses (which count the same), or hard.", rich_help_panel=KEEPING
        ),
    ] = "problems",
    train_temperature: Annotated[
        float | None,
        typer.Option(help="Temperature of the training samples alone.", rich_help_panel=KEEPING),
    ] = None,
    replay: Annotated[
        list[str] | None,
        typer.Option(
            help="SOURCE:SHARE, a share of the weight trained on (repeatable): earlier (rounds' rows), base (the base model's responses), "
            "verification or corpus (pre-training documents of the embedded models), or a FILE.jsonl of prompts and responses.",
            rich_help_panel=MIXING,
        ),
    ] = None,
    base_kl: Annotated[
        float | None,
        typer.Option(
            help="Weight of KL(base || model) in the loss (rft, sft-sharpen).",
            rich_help_panel=MIXING,
        ),
    ] = None,
    pairs: Annotated[
        int,
        typer.Option(
            help="At most so many pairs of a problem (rpo, reward-dpo), or rounds of xpo.",
            rich_help_panel=TRAINER,
        ),
    ] = 4,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Default: 3e-4 for embedded models (reward-dpo, xpo: 1e-4), else 1e-5 (1e-6).",
            rich_help_panel=TRAINER,
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            help="Passes over the rows (default: 1; xpo and dpo 4).", rich_help_panel=TRAINER
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Rows of an optimiser step (default: 64).", rich_help_panel=TRAINER),
    ] = None,
    lora_rank: Annotated[
        int | None, typer.Option(help="LoRA instead of all weights.", rich_help_panel=TRAINER)
    ] = None,
    past: Past = None,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
    workers: Workers = None,
    ray: Ray = None,
    gpus_per_worker: GpusPerWorker = None,
) -> None:
    """Rounds of self-improvement: sample, verify, filter, train, measure on held-out problems; the same command resumes (extra: train)."""
    from strop.cluster import open_executor
    from strop.improvement.rounds import Course, Keeping, Replay
    from strop.improvement.rounds import improve as run
    from strop.progress import Bars
    from strop.report.rounds import rounds_tables
    from strop.run.updates import of_courses

    [found] = find_tasks([task], None, data, data_revision)
    if task.startswith("lm-eval:"):
        raise UsageError(
            "strop improve needs training problems of its own, and lm-eval's train rows are only examples; use another task"
        )
    given = {
        "learning_rate": learning_rate,
        "epochs": epochs,
        "batch_size": batch_size,
        "lora_rank": lora_rank,
        "base_kl": base_kl,
    }
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    course = Course(
        model,
        found,
        method,
        rounds,
        filter_by,
        verify_with,
        train_problems,
        problems,
        samples,
        train_samples,
        pairs,
        Keeping(cap, distinct, balance),  # type: ignore[arg-type]  # it looks at them itself
        tuple(map(Replay.parse, replay or ())),
        train_temperature,
        seed,
        settings,
    )
    known = of_courses(map(Path, past)) if past else None
    with open_executor(workers, ray, gpus_per_worker) as executor, Bars() as bars:
        improvement = run(
            course,
            stop_at_zero=stop_at_zero,
            out=out,
            workers=executor,
            watcher=bars,
            tell=_shown_by(bars),
            past=known,
        )
    print_result(
        improvement.document,
        [*rounds_tables(improvement.document), f"Report: {_page(improvement)}"],
        as_json,
    )


def _shown_by(bars: Bars) -> Callable[[Improvement], None]:
    """Shows the table of rounds above the bars as it grows."""
    from strop.report.rounds import round_line, rounds_table

    return lambda so_far: bars.show(rounds_table(so_far.document), round_line(so_far.document))


def _page(improvement: Improvement) -> Path:
    """report.html, of runs that are open already."""
    from strop.run.pages import improved, write_page_of

    return write_page_of(
        [improved([one.held_out for one in improvement.rounds], improvement.document)],
        [improvement.path],
    )
