"""``strop improve``: rounds of self-improvement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from strop.cli.option_groups import with_option_groups
from strop.cli.options import (
    AsJson,
    Data,
    DataRevision,
    Out,
    Past,
    Problems,
    Samples,
    Seed,
    Shots,
    WorkerOptions,
    find_tasks,
)
from strop.cli.output import print_result
from strop.errors import UsageError

if TYPE_CHECKING:
    from strop.improvement.outcome import Improvement
    from strop.progress import Bars
    from strop.tasks import Task

improve_app = typer.Typer()

KEEPING = "What is trained on"
MIXING = "What is mixed in"
TRAINER = "The trainer"

PilotOption = Annotated[
    bool,
    typer.Option(
        "--pilot",
        help="First fit on a quarter of the training problems, and forecast the round from it; its "
        "samples are used again.",
    ),
]
Anyway = Annotated[
    bool,
    typer.Option("--anyway", help="Train even where the verdict is clear that it gains nothing."),
]


@dataclass(frozen=True)
class CourseOptions:
    """The model, the task, the method and the number of rounds."""

    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="Model to improve: ladder/NAME, a folder or hub id, or vllm: and one of these.",
        ),
    ] = "ladder/125k"
    task: Annotated[
        str, typer.Option("--task", help="Task; a name, or a name and a difficulty.")
    ] = "arithmetic"
    data: Data = None
    data_revision: DataRevision = None
    method: Annotated[str, typer.Option(help="rft, rpo, sft-sharpen, reward-dpo or xpo.")] = "rft"
    rounds: Annotated[int, typer.Option(help="Rounds of training, T.")] = 1
    stop_at_zero: Annotated[
        bool,
        typer.Option(
            "--stop-at-zero", help="End when the held-out gap's interval first includes zero."
        ),
    ] = False
    filter_by: Annotated[
        str | None,
        typer.Option(
            help="What selects the rows (default: the method's verifier): a verifier, one with "
            "its weight as in cot-binary@tilt:0.5, or an ensemble as in "
            "mc@quantile:0.7&cot-binary@threshold:0.5. "
            "Controls: oracle (reads the references), chance (random scores)."
        ),
    ] = None
    verify_with: Annotated[
        str | None,
        typer.Option(help="A fixed model that filters every round (default: the current model)."),
    ] = None
    train_problems: Annotated[int, typer.Option(help="Training problems of each round.")] = 400
    problems: Problems = 200
    samples: Samples = 32
    train_samples: Annotated[
        int | None, typer.Option(help="Responses to each training problem (default: --samples).")
    ] = None
    shots: Shots = None
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest response (default: the task's).")
    ] = None

    def find_task(self) -> Task:
        """Return the task. Raise UsageError for a task without training problems."""
        [task] = find_tasks([self.task], None, self.data, self.data_revision)
        if self.task.startswith("lm-eval:"):
            raise UsageError(
                "strop improve needs training problems of its own, "
                "and lm-eval's train rows are only examples; use another task"
            )
        return task


@dataclass(frozen=True)
class KeepingOptions:
    """Selection among the responses that the filter keeps."""

    cap: Annotated[
        int | None,
        typer.Option(
            help="Train on at most this many responses of a problem.", rich_help_panel=KEEPING
        ),
    ] = None
    distinct: Annotated[
        str,
        typer.Option(
            help="answer or text: train on one of the responses with the same.",
            rich_help_panel=KEEPING,
        ),
    ] = ""
    balance: Annotated[
        str,
        typer.Option(
            help="What counts the same: problems, or responses; or hard, where hard problems "
            "count more.",
            rich_help_panel=KEEPING,
        ),
    ] = "problems"
    train_temperature: Annotated[
        float | None,
        typer.Option(help="Temperature of the training samples alone.", rich_help_panel=KEEPING),
    ] = None


@dataclass(frozen=True)
class MixingOptions:
    """Means to keep the model near the one before: replayed rows and a KL term."""

    replay: Annotated[
        list[str] | None,
        typer.Option(
            help="SOURCE:SHARE, a share of the weight trained on (repeatable): earlier (rows of "
            "earlier rounds), base (the base model's responses), verification or corpus "
            "(pre-training documents of the embedded models), or a FILE.jsonl of prompts and "
            "responses.",
            rich_help_panel=MIXING,
        ),
    ] = None
    base_kl: Annotated[
        float | None,
        typer.Option(
            help="Weight of KL(base || model) in the loss (rft, sft-sharpen).",
            rich_help_panel=MIXING,
        ),
    ] = None


@dataclass(frozen=True)
class TrainerOptions:
    """Hyper-parameters of the trainer. None leaves the method's default."""

    pairs: Annotated[
        int,
        typer.Option(
            help="Largest number of pairs of a problem (rpo, reward-dpo), or rounds of xpo.",
            rich_help_panel=TRAINER,
        ),
    ] = 4
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Default: 3e-4 for embedded models (reward-dpo, xpo: 1e-4), else 1e-5 (1e-6).",
            rich_help_panel=TRAINER,
        ),
    ] = None
    epochs: Annotated[
        float | None,
        typer.Option(
            help="Passes over the rows (default: 1; xpo and dpo 4).", rich_help_panel=TRAINER
        ),
    ] = None
    batch_size: Annotated[
        int | None,
        typer.Option(help="Rows of an optimiser step (default: 64).", rich_help_panel=TRAINER),
    ] = None
    gradient_accumulation: Annotated[
        int | None,
        typer.Option(
            help="Parts that a step is computed in, to save memory (default: parts of at most 8 "
            "rows; embedded models: 1).",
            rich_help_panel=TRAINER,
        ),
    ] = None
    lora_rank: Annotated[
        int | None, typer.Option(help="LoRA instead of all weights.", rich_help_panel=TRAINER)
    ] = None

    def settings(self, base_kl: float | None) -> dict[str, Any]:
        """Return the hyper-parameters that were given; ``base_kl`` is one of them."""
        options = {
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "gradient_accumulation": self.gradient_accumulation,
            "lora_rank": self.lora_rank,
            "base_kl": base_kl,
        }
        return {name: value for name, value in options.items() if value is not None}


@improve_app.command()
@with_option_groups
def improve(
    *,
    course: CourseOptions,
    keeping: KeepingOptions,
    mixing: MixingOptions,
    trainer: TrainerOptions,
    past: Past = None,
    pilot: PilotOption = False,
    anyway: Anyway = False,
    seed: Seed = 0,
    out: Out = None,
    as_json: AsJson = False,
    workers: WorkerOptions,
) -> None:
    """Run rounds of self-improvement: sample, verify, filter, train, measure on held-out problems.

    The same command resumes a stopped one (extra: train).
    """
    from strop.improvement.course import Course
    from strop.improvement.replay import Replay
    from strop.improvement.rounds import improve
    from strop.improvement.training_rows import Keeping
    from strop.progress import Bars
    from strop.report.rounds import rounds_tables
    from strop.run.updates import of_courses

    wanted = Course(
        model=course.model,
        task=course.find_task(),
        method=course.method,
        rounds=course.rounds,
        filter_by=course.filter_by,
        verify_with=course.verify_with,
        train_problems=course.train_problems,
        problems=course.problems,
        samples=course.samples,
        train_samples=course.train_samples,
        pairs=trainer.pairs,
        keeping=Keeping(
            keeping.cap,
            keeping.distinct,  # type: ignore[arg-type]  # Keeping checks the values itself
            keeping.balance,  # type: ignore[arg-type]
        ),
        replay=tuple(map(Replay.parse, mixing.replay or ())),
        train_temperature=keeping.train_temperature,
        seed=seed,
        settings=trainer.settings(mixing.base_kl),
        shots=course.shots,
        max_tokens=course.max_tokens,
    )
    # None, unlike an empty list, stands for the updates that the package holds.
    updates = of_courses(map(Path, past)) if past else None
    with workers.open() as executor, Bars() as bars:
        improvement = improve(
            wanted,
            stop_at_zero=course.stop_at_zero,
            out=out,
            workers=executor,
            watcher=bars,
            tell=_show_rounds(bars),
            past=updates,
            pilot=pilot,
            refuse_hopeless=not anyway,
        )
    page = _write_page(improvement)
    tables = rounds_tables(improvement.document)
    print_result(improvement.document, [*tables, f"Report: {page}"], as_json)


def _show_rounds(bars: Bars) -> Callable[[Improvement], None]:
    """Return a function that shows the table of the rounds so far above the bars."""
    from strop.report.rounds import round_line, rounds_table

    def show(so_far: Improvement) -> None:
        bars.show(rounds_table(so_far.document), round_line(so_far.document))

    return show


def _write_page(improvement: Improvement) -> Path:
    """Write report.html about the rounds, whose runs are open already."""
    from strop.run.pages import improved, write_page_of

    runs = [each_round.held_out for each_round in improvement.rounds]
    return write_page_of([improved(runs, improvement.document)], [improvement.path])
