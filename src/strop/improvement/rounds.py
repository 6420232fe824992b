"""Rounds of self-improvement (``strop improve``; "Mind the Gap", Algorithm 1): sample, verify, filter, train, measure, and again.

    model 0  --sample, verify on training problems-->  rows  --one fit-->  model 1  --...-->  model T

Every model is measured on the same held-out problems, which no training problem is among, and on its own training problems. The held-out
gap is told twice: with the model as it is now as its verifier, and with the base model as the verifier, which forgets nothing. Each part is
a run folder or a fit that goes on where it was killed, so the whole does.

    OUT/round-0/held-out  round-0/train  round-1/model  round-1/held-out ...  improve.json
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from strop.distill import Iterate, Row, Weighted, Xpo, explore
from strop.engines import Engine, is_embedded, model_folder, trained_name
from strop.errors import CorruptPartError, RunMismatchError, UsageError
from strop.improvement.course import METHODS, Course, Method
from strop.improvement.outcome import Improvement, Round, as_asked_of, as_stage_names
from strop.improvement.replay import DOCUMENTS, ROWS, Replay, documents, mixed
from strop.improvement.training_rows import (
    Harvest,
    Keeping,
    comparisons,
    one_of_each,
    preferences,
    unfiltered,
    weighted,
)
from strop.progress import Silent, Titled, Watcher
from strop.run.executors import Execution, Executor, as_executor
from strop.run.gap import sample, verify_run
from strop.run.run import Run, write_estimates
from strop.run.store import RunFolder, default_folder
from strop.run.updates import Update, shipped
from strop.run.verification import Verification
from strop.seeds import derive
from strop.text import slug
from strop.verify import find_verifier
from strop.weigh import Product

MOST_DOCUMENTS = 4_000
NOTHING_KEPT = "kept no response"
Told = Callable[[Improvement], None]


def improve(
    course: Course,
    *,
    stop_at_zero: bool = False,
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
    tell: Told | None = None,
    past: Sequence[Update] | None = None,
) -> Improvement:
    """Run the course: ``course.rounds`` rounds, or until the interval of the filter's held-out gap first includes zero, or
    nothing is kept to train on.

    ``tell`` hears of every round that is over. ``past``: first rounds of other courses, for the forecast; by default those that the
    package holds of its embedded models, where the course is of one. ModelError for a model that is in no
    local folder: it cannot be trained.
    """
    model_folder(course.model)
    named = default_folder("improve", course.as_record() | {"task": slug(course.task.label)})
    path = (
        Path(out) if out is not None else named
    ).resolve()  # trained models are named by their folders
    _claim(path, course)
    work = _Work(path, course, as_executor(workers), watcher or Silent())
    known = tuple(past) if past is not None else shipped() if is_embedded(course.model) else ()
    rounds, stopped = [work.measured(0, course.model)], f"{course.rounds} rounds were asked for"

    def so_far(reason: str) -> Improvement:
        found = Improvement(path, course, list(rounds), reason, known)
        if tell:
            tell(found)
        return found

    for number in range(1, course.rounds + 1):
        reached = (
            so_far(f"round {number} of {course.rounds} is under way")
            if tell or stop_at_zero
            else None
        )
        if (
            stop_at_zero
            and reached
            and _includes_zero(reached.document["rounds"][-1]["gap_filter"])
        ):
            stopped = f"the held-out gap's interval includes zero at round {number - 1}"
            break
        rounds[-1] = one = work.harvested(rounds[-1])
        if one.harvest is not None and not one.harvest.rows and course.method != "xpo":
            stopped = f"round {number - 1} {NOTHING_KEPT} of {course.train_problems} problems: there was nothing to train on"
            break
        rounds.append(work.measured(number, work.trained(rounds)))
    found = so_far(stopped)
    RunFolder(path).write_json("improve.json", {"asked": course.as_record()} | found.document)
    return found


@dataclass(frozen=True)
class _Work:
    path: Path
    course: Course
    executor: Executor
    watcher: Watcher

    def measured(self, number: int, model: str) -> Round:
        """A model on the held-out problems, verified by itself, by the base model and by what filters; and on the training problems."""
        engine, course = self.executor.load(model), self.course
        held_out = self._sampled(engine, number, "held-out", "test", course.problems)
        judged = (
            (course.judge, model),
            (course.judge, course.model),
            (course.filter, course.verify_with or model),
        )
        for product, judge in dict.fromkeys(judged):
            held_out = self._judged(held_out, engine, number, product, judge)
        return Round(
            number,
            model,
            write_estimates(held_out),
            self._sampled(engine, number, "train", "train", course.train_problems),
        )

    def harvested(self, one: Round) -> Round:
        """The round with its training samples judged, and what they teach."""
        course, engine = self.course, self.executor.load(one.model)
        judge = course.verify_with or one.model
        train = self._judged(one.train, engine, one.number, course.filter, judge)
        kept_by = as_stage_names(course.filter, judge, one.model)
        assert kept_by is not None
        if course.method in ("reward-dpo", "xpo"):
            harvest = comparisons(
                train, train.evidence.judges[kept_by.verifiers[0]].score_PK, course.pairs
            )
        elif course.method == "rpo":
            harvest = preferences(train, train.evidence.weigh(kept_by), course.pairs)
        else:
            harvest = weighted(train, train.evidence.weigh(kept_by), course.keeping)
        return replace(one, train=train, harvest=harvest)

    def trained(self, rounds: list[Round]) -> str:
        """One fit on what the last of the rounds harvested and on what is replayed; the next model's name."""
        one, course = rounds[-1], self.course
        assert one.harvest is not None
        folder, out = model_folder(one.model), self.path / f"round-{one.number + 1}" / "model"
        if isinstance(course.trainer, Xpo):
            fitted = _best(self._explored(course.trainer, one, out))
        else:
            rows = self._with_replay(rounds)
            rounds[-1] = replace(one, replayed=len(rows) - len(one.harvest.rows))
            told = f"{course.method} on {len(rows)} rows of {course.task.label}, filtered by {course.filter.spec}"
            base = None if course.trainer.needs_base else model_folder(course.model)
            titled = Titled(self.watcher, f"round {one.number + 1}")
            fitted = course.trainer.fit(folder, rows, out, base=base, data=told, watcher=titled)
        return trained_name(course.model, fitted)

    def _with_replay(self, rounds: list[Round]) -> Sequence[Row]:
        """The rows of the last round, with those that are mixed in."""
        assert rounds[-1].harvest is not None
        own = rounds[-1].harvest.rows
        replays = [(replay, self._pool(replay, rounds, len(own))) for replay in self.course.replay]
        kept = [row for row in own if isinstance(row, Weighted)]
        return (
            mixed(kept, replays, derive(self.course.seed, "round", rounds[-1].number))
            if replays
            else own
        )

    def _pool(self, replay: Replay, rounds: list[Round], count: int) -> Sequence[Weighted]:
        """What a replay draws from: at least ``count`` rows, where there are as many."""
        if replay.source not in ROWS:
            asked = min(
                MOST_DOCUMENTS,
                round(count * replay.share / (1 - sum(one.share for one in self.course.replay)))
                + 1,
            )
            seed = derive(self.course.seed, "documents", rounds[-1].number)
            if replay.source in DOCUMENTS and not is_embedded(self.course.model):
                raise UsageError(
                    f"--replay {replay.source}: that is of the embedded models' corpus; give a .jsonl file of your own"
                )
            return documents(replay, model_folder(self.course.model), asked, seed)
        if replay.source == "base":
            return unfiltered(rounds[0].train)
        harvests = [one.harvest.rows for one in rounds[:-1] if one.harvest]
        return [row for rows in harvests for row in rows if isinstance(row, Weighted)]

    def _sampled(self, engine: Engine, number: int, name: str, split: str, problems: int) -> Run:
        """Responses alone: who verifies them is added to the run."""
        out, titled = (
            self.path / f"round-{number}" / name,
            Titled(self.watcher, f"round {number} {name}"),
        )
        options = self.course.drawing(training=split == "train") | {
            "split": split,
            "problems": problems,
        }
        return sample(
            engine, self.course.task, out=out, workers=self.executor, watcher=titled, **options
        )

    def _judged(
        self, run: Run, generator: Engine, number: int, product: Product, judge: str
    ) -> Run:
        """The run with every verifier of the product, asked of ``judge``, added; one that asks no model has no other judge."""
        asked = as_asked_of(product, judge, generator.name)
        for name in asked.verifiers if asked else ():
            verifier = find_verifier(name)
            engine = (
                (generator if judge == generator.name else self.executor.load(judge))
                if verifier.asks_model
                else None
            )
            titled = Titled(self.watcher, f"round {number} {run.path.name}")
            verify_run(run, Verification.of(verifier, engine), Execution(self.executor, titled))
        return Run(run.path, (), self.course.task)

    def _explored(self, trainer: Xpo, one: Round, out: Path) -> list[Iterate]:
        """XPO's own rounds within this one, ``pairs`` of them, each with one pair of every training problem."""
        base, place = model_folder(one.model), out.parent / "xpo"

        def draw(folder: Path, stage: str) -> list[Weighted]:
            # A round's pair: the policy's first response to a problem and the base model's second, which shares no random number with it.
            kind, _, number = stage.partition(" ")
            which = int(kind == "base")
            options = self.course.drawing(training=True) | {
                "split": "train",
                "problems": self.course.train_problems,
                "samples": 1 + which,
            }
            name = one.model if folder == base else trained_name(self.course.model, folder)
            engine, options["seed"] = (
                self.executor.load(name),
                derive(self.course.seed, "xpo", number or kind),
            )
            out = place / slug(stage if number else f"{kind}-{folder.name}")
            return one_of_each(
                sample(engine, self.course.task, out=out, workers=self.executor, **options), which
            )

        def reward(rows: Sequence[Weighted]) -> list[float]:
            from strop.distill.scoring import score_rows

            return [float(logprob) for logprob in score_rows(base, rows)[:, 0]]

        return explore(
            trainer,
            base,
            place,
            rounds=self.course.pairs,
            draw=draw,
            reward=reward,
            watcher=self.watcher,
        )


def _best(iterates: Sequence[Iterate]) -> Path:
    return max(iterates, key=lambda one: one.objective).folder


def _includes_zero(estimate: dict[str, Any]) -> bool:
    return estimate.get("low") is None or estimate["low"] <= 0 <= estimate["high"]


def _claim(path: Path, course: Course) -> None:
    """The folder is this course's, or nobody's."""
    document = path / "improve.json"
    if next(
        (place for place in (path, *path.parents) if place.exists() and not place.is_dir()), None
    ):
        raise UsageError(f"--out {path}: that is a file, or below one; choose another --out")
    if document.is_file() and (stored := _stored(document)) != course.as_record():
        changed = [name for name, value in course.as_record().items() if stored.get(name) != value]
        raise RunMismatchError(
            f"{path} is of a course with other settings ({', '.join(changed)}); choose another --out"
        )
    if not document.is_file():
        path.mkdir(parents=True, exist_ok=True)
        RunFolder(path).write_json("improve.json", {"asked": course.as_record()})


def _stored(document: Path) -> dict[str, Any]:
    """What was asked of the course in this folder."""
    try:
        return dict(json.loads(document.read_text(encoding="utf-8"))["asked"])
    except (ValueError, TypeError, KeyError):
        raise CorruptPartError(
            f"{document} cannot be read; it was changed: delete it, and repeat the command that made it"
        ) from None


__all__ = [
    "METHODS",
    "Course",
    "Harvest",
    "Improvement",
    "Keeping",
    "Method",
    "Replay",
    "Round",
    "improve",
]
