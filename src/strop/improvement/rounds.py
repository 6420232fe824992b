"""Rounds of self-improvement (``strop improve``; "Mind the Gap", Algorithm 1).

    model 0  --sample, verify on training problems-->  rows  --one fit-->  model 1  -- ... model T

Every model is measured on the same held-out problems, which share none with the training problems,
and on its own training problems. The held-out gap is reported twice: with the current model as its
verifier, and with the base model as the verifier, which forgets nothing.

    OUT/round-0/held-out  round-0/train  round-1/model  round-1/held-out ...  improve.json

Each part is a run folder or a fit that resumes where it was stopped, so the whole course resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from strop.distill.base import check_training_extra
from strop.errors import HopelessError, RunMismatchError, UsageError
from strop.improvement.course import Course
from strop.improvement.forecasts import hopeless
from strop.improvement.methods import METHODS
from strop.improvement.outcome import Improvement
from strop.improvement.round import Round
from strop.improvement.runner import RoundRunner
from strop.improvement.training_folder import check_trainable
from strop.json_files import read_json
from strop.progress import Silent, Watcher
from strop.records import interval_sign
from strop.run.executors import Executor, as_executor
from strop.run.store import RunFolder, default_folder
from strop.run.updates import Update, shipped
from strop.text import slug

DOCUMENT = "improve.json"
NOTHING_KEPT = "kept no response"
Report = Callable[[Improvement], None]

__all__ = ["METHODS", "NOTHING_KEPT", "Course", "Improvement", "improve"]


def improve(
    course: Course,
    *,
    stop_at_zero: bool = False,
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
    tell: Report | None = None,
    past: Sequence[Update] | None = None,
    pilot: bool = False,
    refuse_hopeless: bool = False,
) -> Improvement:
    """Run ``course.rounds`` rounds, or fewer if one keeps nothing to train on.

    ``stop_at_zero``: also stop when the interval of the filter's held-out gap first includes zero.
    ``tell``: is called with the result so far after each model is measured. ``past``: first rounds
    of other courses, for the forecast; by default those of the embedded models that the package
    holds. ``pilot``: make a pilot fit before the first round. ``refuse_hopeless``: stop before the
    first training if it is clear that it gains nothing (HopelessError). ModelError for a model that
    is neither in a local folder nor on the hub: it cannot be trained.
    """
    check_trainable(course.model)
    check_training_extra("strop improve")
    default = default_folder("improve", course.as_record() | {"task": slug(course.task.label)})
    # Trained models are named by their folders, so the path must not depend on the working folder.
    path = (Path(out) if out is not None else default).resolve()
    _claim(path, course)
    runner = RoundRunner(path, course, as_executor(workers), watcher or Silent())
    updates = _updates(past)
    base = runner.measure(0, course.model)
    if pilot:
        base = replace(base, pilot=runner.pilot(base.held_out))
    if refuse_hopeless:
        _refuse_hopeless(Improvement(path, course, [base], "", updates))
    rounds = [runner.sample_training(base)]
    stopped = f"{course.rounds} rounds were asked for"
    for number in range(1, course.rounds + 1):
        # The document takes time to compute, so only if it is read.
        if tell or stop_at_zero:
            reason = f"round {number} of {course.rounds} is under way"
            so_far = Improvement(path, course, list(rounds), reason, updates)
            if tell:
                tell(so_far)
            if stop_at_zero and _gap_includes_zero(so_far):
                stopped = f"the held-out gap's interval includes zero at round {number - 1}"
                break
        # An online trainer draws its own rows while it trains.
        rounds[-1] = runner.make_rows(rounds[-1])
        if not course.trainer.online and not _has_rows(rounds[-1]):
            stopped = (
                f"round {number - 1} {NOTHING_KEPT} of {course.train_problems} problems: "
                "there was nothing to train on"
            )
            break
        model = runner.train(rounds)
        rounds.append(runner.sample_training(runner.measure(number, model)))
    result = Improvement(path, course, rounds, stopped, updates)
    if tell:
        tell(result)
    RunFolder(path).write_json(DOCUMENT, {"asked": course.as_record()} | result.document)
    return result


def _updates(past: Sequence[Update] | None) -> tuple[Update, ...]:
    """Return the updates that forecasts use."""
    return tuple(past) if past is not None else shipped()


def _refuse_hopeless(so_far: Improvement) -> None:
    """Raise HopelessError if it is clear before the first round that it gains nothing."""
    [base] = so_far.document["rounds"]
    verdict = so_far.rounds[0].held_out.document["verdict"]
    why = hopeless(so_far.course, verdict, base)
    if why is not None:
        raise HopelessError(
            f"{so_far.course.model} on {so_far.course.task.label}: do not train: {why}; nothing "
            "was trained, and the measurement is kept: repeat the command with --anyway to train "
            "all the same"
        )


def _has_rows(current: Round) -> bool:
    return current.training_rows is not None and len(current.training_rows.rows) > 0


def _gap_includes_zero(so_far: Improvement) -> bool:
    """Return whether the last gap of the filter may be zero, or is unknown."""
    gap = so_far.document["rounds"][-1]["gap_filter"]
    return interval_sign(gap.get("low"), gap.get("high")) == 0


def _claim(path: Path, course: Course) -> None:
    """Make the folder this course's. An error if it holds another one, or is a file."""
    if "?" in str(path):
        raise UsageError(
            f"--out {path}: trained models are named by their folders, and a question mark begins "
            "a model's settings; choose another --out"
        )
    if any(folder.exists() and not folder.is_dir() for folder in (path, *path.parents)):
        raise UsageError(f"--out {path}: that is a file, or below one; choose another --out")
    document = path / DOCUMENT
    asked = course.as_record()
    if not document.is_file():
        path.mkdir(parents=True, exist_ok=True)
        RunFolder(path).write_json(DOCUMENT, {"asked": asked})
        return
    stored = read_json(document, needs=("asked",))["asked"]
    if stored != asked:
        stored = stored if isinstance(stored, dict) else {}
        changed = [name for name, value in asked.items() if stored.get(name) != value]
        raise RunMismatchError(
            f"{path} is of a course with other settings ({', '.join(changed)}); "
            "choose another --out"
        )
