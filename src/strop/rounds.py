"""Rounds of self-improvement (``strop improve``; "Mind the Gap", Algorithm 1): sample, verify, filter, train, measure, and again.

    model 0  --sample, verify on training problems-->  rows  --one fit-->  model 1  --...-->  model T

Every model is measured on the same held-out problems, which no training problem is among, and on its own training problems. The held-out
gap is told twice: with the model as it is now as its verifier, and with the base model as the verifier, which forgets nothing. Each part is
a run folder or a fit that goes on where it was killed, so the whole does.

    OUT/round-0/held-out  round-0/train  round-1/model  round-1/held-out ...  improve.json
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from strop import api
from strop.distill import TRAINERS, Comparison, Iterate, Trainer, Weighted, Xpo, explore
from strop.engines import Engine, model_folder
from strop.errors import CorruptPartError, RunMismatchError, UsageError
from strop.harvest import Harvest, comparisons, one_of_each, preferences, weighted
from strop.loop import Executor, Watcher
from strop.matrix import Titled
from strop.measure import Ratio, estimate_all
from strop.measure.diagnosis import update
from strop.measure.gap import accuracy, kept_accuracy
from strop.measure.intervals import difference
from strop.progress import Silent
from strop.records import Usage, total_usage
from strop.run import Run
from strop.seeds import derive
from strop.store import RunFolder, slug
from strop.tasks import Task

LIKELIHOOD = "logprob"
NO_MODEL = "{} asks no model: the base model cannot be its verifier"


@dataclass(frozen=True)
class Method:
    """``trainer`` is fit on what ``verifier`` says of the samples; sharpening draws at temperature 1, top-p 1."""

    trainer: str
    verifier: str
    sharpening: bool
    description: str


METHODS = {
    "rft": Method("sft", "cot-binary", False, "fine-tune on the responses that the verifier keeps"),
    "rpo": Method("rpo", "cot-binary", False, "prefer kept responses over rejected ones, with a likelihood term"),
    "sft-sharpen": Method("sft", LIKELIHOOD, True, "fine-tune on each problem's likeliest response"),
    "reward-dpo": Method("reward-dpo", LIKELIHOOD, True, "regress the differences of self-rewards on the log-ratios to the base"),
    "xpo": Method("xpo", LIKELIHOOD, True, "the same online, with a bonus for exploration"),
}


@dataclass(frozen=True)
class Course:
    """What is asked of all rounds: ``train_problems`` of the train split, ``problems`` held-out ones of the test split, ``samples`` each.

    ``filter_by``: the verifier whose weight or score trains, by default the method's; "oracle" is the control that knows what is right.
    ``pairs``: at most so many pairs of a problem (rpo, reward-dpo). ``settings``: hyper-parameters of the trainer.
    """

    model: str
    task: Task
    method: str = "rft"
    rounds: int = 1
    filter_by: str | None = None
    train_problems: int = 400
    problems: int = 200
    samples: int = 32
    pairs: int = 4
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"there is no method {self.method!r}; there are {', '.join(METHODS)}")
        for name in ("rounds", "train_problems", "problems", "samples", "pairs"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} {getattr(self, name)}: expected 1 or more")
        if self.method == "xpo" and self.filter_by not in (None, LIKELIHOOD):
            raise UsageError("--method xpo: its reward is the base model's log-probability; leave --filter-by out")
        if self.method in ("rpo", "reward-dpo") and self.samples < 2:
            raise UsageError(f"--samples {self.samples}: --method {self.method} compares two responses to a problem; ask for 2 or more")
        api.find_verifier(self.verifier)
        model_folder(self.model)
        _ = self.trainer

    @property
    def verifier(self) -> str:
        return self.filter_by or METHODS[self.method].verifier

    @property
    def trainer(self) -> Trainer:
        """With a step size that suits the embedded models, unless ``settings`` say otherwise."""
        kind = TRAINERS[METHODS[self.method].trainer]
        regression = kind.row is Comparison  # squared errors: the step that suits log-likelihoods spoils the model
        usual = {
            "learning_rate": 1e-5 * (100 if _is_embedded(self.model) else 1) / (10 if regression else 1),
            "batch_size": 64,
            "seed": self.seed,
        }
        try:
            return kind(**usual | {"epochs": 4.0 if regression else 2.0} | self.settings)
        except TypeError as error:
            raise UsageError(f"--method {self.method}: its trainer has no such setting ({error})") from None

    @property
    def drawing(self) -> dict[str, Any]:
        """How responses are drawn, for training and for measuring alike."""
        drawn = {"temperature": 1.0, "top_p": 1.0} if METHODS[self.method].sharpening else {"temperature": 0.7, "top_p": 0.9}
        return drawn | {"samples": self.samples, "seed": self.seed}

    def asked(self) -> dict[str, Any]:
        own = {name: value for name, value in self.__dict__.items() if name not in ("task", "rounds")}
        document: dict[str, Any] = json.loads(json.dumps(own | {"task": self.task.label, "trainer": self.trainer.settings()}))
        return document


@dataclass(frozen=True)
class Round:
    """One model of the course, measured on held-out problems and on its training problems; these are None after the last round."""

    number: int
    model: str
    held_out: Run
    train: Run | None
    harvest: Harvest | None


@dataclass(frozen=True)
class Improvement:
    """A finished course. ``stopped`` says why it ended."""

    path: Path
    course: Course
    rounds: list[Round]
    stopped: str

    @property
    def document(self) -> dict[str, Any]:
        """The contract's JSON."""
        told = [self._told(place) for place in range(len(self.rounds))]
        head = {"model": self.course.model, "task": self.course.task.label, "method": self.course.method, "filter_by": self.course.verifier}
        definitions = {"rounds": "round 0 is the base model; every round is measured on the same held-out problems"}
        return head | {"rounds": told, "stopped": self.stopped, "definitions": definitions, "run": str(self.path)}

    def _told(self, place: int) -> dict[str, Any]:
        one, before = self.rounds[place], self.rounds[place - 1] if place else None
        document = one.held_out.document
        verifiers = document["verifiers"]
        own = verifiers[self.course.verifier]
        base = (
            own if place == 0 else verifiers.get(self._base_stage, {"gap": {"value": None, "why": NO_MODEL.format(self.course.verifier)}})
        )
        found = {"round": one.number, "model": one.model}
        found |= {name: document[name] for name in ("accuracy", "accuracy_flexible", "greedy")}
        found |= {"gap": own["gap"], "gap_base_verifier": base["gap"], "relative_gap": own["relative_gap"]}
        found |= {"pass_at_k": document["analysis"]["pass_at_k"], "diversity": document["analysis"]["diversity"]}
        found |= {"truncated": document["truncated"]}
        found |= {"train_accuracy": one.train.document["accuracy"] if one.train else {"value": None, "why": "no round is trained after it"}}
        told_ahead = document["analysis"]["forecast"].get(self.course.verifier, {}).get("after_training")
        found["forecast"] = told_ahead or {"value": None, "why": f"{self.course.verifier} sees references"}
        found |= self._compared(one, before) if before else {}
        if one.harvest:
            count = self.course.pairs * self.course.train_problems if self.course.method == "xpo" else len(one.harvest.rows)
            rows = {"rows": count, "problems": one.harvest.problems, "problems_without": one.harvest.problems_without}
            found["trained_on"] = rows | {"truncated": one.harvest.truncated}
        return found | {"usage": asdict(_usage(one, self.path))}

    @property
    def _base_stage(self) -> str:
        return f"{self.course.verifier}--{slug(self.course.model)}"

    def _compared(self, one: Round, before: Round) -> dict[str, Any]:
        """Against the round before, paired by problem: the gain in accuracy, and eps_update."""
        earlier, now = before.held_out.evidence, one.held_out.evidence
        after = accuracy(now.samples.utility_PK, now.samples.mask_PK)
        kept = kept_accuracy(earlier.samples.utility_PK, earlier.weights[self.course.verifier], earlier.samples.mask_PK)
        start = accuracy(earlier.samples.utility_PK, earlier.samples.mask_PK)
        ratios: dict[str, Ratio] = {"gain": difference(after, start, "accuracy minus that of the round before"), **update(kept, after)}
        estimates = estimate_all(ratios, one.held_out.counts_BP, group_P=now.group_P)
        return {name: value.as_json() for name, value in estimates.items()}


def improve(
    course: Course,
    *,
    stop_at_zero: bool = False,
    out: str | Path | None = None,
    workers: int | Executor | None = None,
    watcher: Watcher | None = None,
) -> Improvement:
    """Run the course: ``course.rounds`` rounds, or until the held-out gap's interval first includes zero."""
    named = api.default_folder("improve", course.asked() | {"task": slug(course.task.label)})
    path = (Path(out) if out is not None else named).resolve()  # trained models are named by their folders
    _claim(path, course)
    work = _Work(path, course, api.executor_of(workers), watcher or Silent())
    rounds, stopped = [work.measured(0, course.model)], f"{course.rounds} rounds were asked for"
    for number in range(1, course.rounds + 1):
        if stop_at_zero and _includes_zero(rounds[-1].held_out.document["verifiers"][course.verifier]["gap"]):
            stopped = f"the held-out gap's interval includes zero at round {number - 1}"
            break
        rounds[-1] = work.harvested(rounds[-1])
        rounds.append(work.measured(number, work.trained(rounds[-1])))
    found = Improvement(path, course, rounds, stopped)
    RunFolder(path).write_json("improve.json", {"asked": course.asked()} | found.document)
    return found


@dataclass(frozen=True)
class _Work:
    path: Path
    course: Course
    executor: Executor
    watcher: Watcher

    def measured(self, number: int, model: str) -> Round:
        """A model on the held-out problems, verified by itself and by the base model."""
        engine = self.executor.load(model)
        run = self._run(engine, number, "held-out", "test", self.course.problems)
        if number and run.record["verifiers"][self.course.verifier].get("model"):
            titled = Titled(self.watcher, f"round {number} held-out")
            run = api.add_verifier(run.path, self.course.verifier, verify_with=self._base, workers=self.executor, watcher=titled)
        return Round(number, model, run, None, None)

    def harvested(self, one: Round) -> Round:
        """The round with its training problems sampled and judged, and what they teach."""
        run = self._run(self.executor.load(one.model), one.number, "train", "train", self.course.train_problems)
        return replace(one, train=run, harvest=self._harvest(run))

    def trained(self, one: Round) -> str:
        """One fit on what was harvested; the next model's name."""
        assert one.harvest is not None and one.train is not None
        if not one.harvest.rows and self.course.method != "xpo":
            raise UsageError(f"round {one.number} kept no response of {self.course.train_problems} problems: there is nothing to train on")
        folder, out = model_folder(one.model), self.path / f"round-{one.number + 1}" / "model"
        told = f"{self.course.method} on {len(one.harvest.rows)} rows of {self.course.task.label}, filtered by {self.course.verifier}"
        titled = Titled(self.watcher, f"round {one.number + 1}")
        if isinstance(self.course.trainer, Xpo):
            fitted = _best(self._explored(self.course.trainer, one, out))
        else:
            fitted = self.course.trainer.fit(folder, one.harvest.rows, out, data=told, watcher=titled)
        return self._named(fitted)

    def _named(self, folder: Path) -> str:
        """A folder as a model's name: one of the embedded kind runs in NumPy, like its base."""
        return f"llama:{folder}" if _is_embedded(self.course.model) else str(folder)

    @property
    def _base(self) -> Engine:
        return self.executor.load(self.course.model)

    def _run(self, engine: Engine, number: int, name: str, split: str, problems: int) -> Run:
        out = self.path / f"round-{number}" / name
        titled = Titled(self.watcher, f"round {number} {name}")
        options = self.course.drawing | {"split": split, "problems": problems}
        return api.gap(
            engine, self.course.task, verifiers=[self.course.verifier], out=out, workers=self.executor, watcher=titled, **options
        )

    def _harvest(self, run: Run) -> Harvest:
        judge = run.evidence.judges[self.course.verifier]
        if self.course.method in ("reward-dpo", "xpo"):
            return comparisons(run, judge.score_PK, self.course.pairs)
        weight_PK = run.evidence.weights[self.course.verifier]
        return preferences(run, weight_PK, self.course.pairs) if self.course.method == "rpo" else weighted(run, weight_PK)

    def _explored(self, trainer: Xpo, one: Round, out: Path) -> list[Iterate]:
        """XPO's own rounds within this one, ``pairs`` of them, each with one pair of every training problem."""
        base, place = model_folder(one.model), out.parent / "xpo"

        def draw(folder: Path, stage: str) -> list[Weighted]:
            # A round's pair: the policy's first response to a problem and the base model's second, which shares no random number with it.
            kind, _, number = stage.partition(" ")
            which = int(kind == "base")
            options = self.course.drawing | {"split": "train", "problems": self.course.train_problems, "samples": 1 + which}
            name = one.model if folder == base else self._named(folder)
            engine, options["seed"] = self.executor.load(name), derive(self.course.seed, "xpo", number or kind)
            out = place / slug(stage if number else f"{kind}-{folder.name}")
            return one_of_each(api.gap(engine, self.course.task, verifiers=[], out=out, workers=self.executor, **options), which)

        def reward(rows: Sequence[Weighted]) -> list[float]:
            from strop.distill.scoring import score_rows

            return [float(logprob) for logprob in score_rows(base, rows)[:, 0]]

        return explore(trainer, base, place, rounds=self.course.pairs, draw=draw, reward=reward, watcher=self.watcher)


def _best(iterates: Sequence[Iterate]) -> Path:
    return max(iterates, key=lambda one: one.objective).folder


def _is_embedded(model: str) -> bool:
    return model.startswith(("ladder/", "llama:"))


def _includes_zero(estimate: dict[str, Any]) -> bool:
    return estimate.get("low") is None or estimate["low"] <= 0 <= estimate["high"]


def _usage(one: Round, path: Path) -> Usage:
    """Of its measuring and harvesting, XPO's own draws among it."""
    explored = [Run(document.parent) for document in sorted((path / f"round-{one.number + 1}" / "xpo").glob("*/run.json"))]
    return total_usage(run.usage for run in (one.held_out, one.train, *explored) if run is not None)


def _claim(path: Path, course: Course) -> None:
    """The folder is this course's, or nobody's."""
    document = path / "improve.json"
    if next((place for place in (path, *path.parents) if place.exists() and not place.is_dir()), None):
        raise UsageError(f"--out {path}: that is a file, or below one; choose another --out")
    if document.is_file() and (stored := _stored(document)) != course.asked():
        changed = [name for name, value in course.asked().items() if stored.get(name) != value]
        raise RunMismatchError(f"{path} is of a course with other settings ({', '.join(changed)}); choose another --out")
    if not document.is_file():
        path.mkdir(parents=True, exist_ok=True)
        RunFolder(path).write_json("improve.json", {"asked": course.asked()})


def _stored(document: Path) -> dict[str, Any]:
    """What was asked of the course in this folder."""
    try:
        return dict(json.loads(document.read_text(encoding="utf-8"))["asked"])
    except (ValueError, TypeError, KeyError):
        raise CorruptPartError(f"{document} cannot be read; it was changed: delete it, and repeat the command that made it") from None
