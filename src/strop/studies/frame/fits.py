"""What one seed's training makes, and what it is worth. Whatever was trained and measured is kept, and neither is done again.

models/seed-0/sft-4/           the trained folder         models/seed-0/sft-4.json    what it is worth
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from strop.distill import RewardDpo, Sft, Trainer
from strop.distill.base import Row
from strop.engines import is_embedded, model_folder, trained_name
from strop.improvement.course import Course
from strop.improvement.rounds import improve
from strop.improvement.training_rows import comparisons, one_of_each, weighted
from strop.measure.gap import accuracy_P
from strop.measure.intervals import Floats
from strop.measure.selection import selection_curve_PN
from strop.run.run import Run
from strop.run.store import RunFolder
from strop.seeds import derive
from strop.studies.frame.cost import Cost, cost_of, cost_of_course, cost_of_fit
from strop.studies.frame.runs import Runs, RunSpec
from strop.tasks import Task, find_task
from strop.weigh import BestOfN

Measured = dict[str, float]
"""By quantity; "train_" before those of training problems. NaN is unknown."""
REWARD = "logprob"
BATCH = 64


class Recipe(Protocol):
    """What is fit: the fields of the study."""

    @property
    def model(self) -> str: ...
    @property
    def task(self) -> str | Task: ...
    @property
    def problems(self) -> int: ...
    @property
    def train_problems(self) -> int: ...
    @property
    def samples(self) -> int: ...
    @property
    def sizes(self) -> tuple[int, ...]: ...
    @property
    def pairs(self) -> int: ...
    @property
    def epochs(self) -> float: ...
    @property
    def curve_steps(self) -> int: ...
    @property
    def snapshots(self) -> int: ...


@dataclass
class Fits:
    """One seed of a study. ``left_out`` says what could not be trained, and why."""

    study: Recipe
    runs: Runs
    place: Path
    seed: int
    left_out: list[str] = field(default_factory=list)

    def models(self) -> Iterator[tuple[str, Measured]]:
        """The base model, and what each way of training makes of it from the same training problems."""
        study, pairs = self.study, self.study.pairs
        yield "base", self._measured("base", study.model)
        for size in study.sizes:
            trainer = Sft(**usual(study.model, self.seed), epochs=study.epochs)
            yield from self._trained(f"sft-{size}", trainer, partial(self._best_of, size))
        regression = RewardDpo(**usual(study.model, self.seed, 0.1), epochs=2 * study.epochs)
        yield from self._trained(
            f"reward-dpo-{2 * pairs}",
            regression,
            lambda: comparisons(self._base_run, self._base_run.evidence.logprob_PK, pairs).rows,
        )
        if self._explores():
            yield f"xpo-{2 * pairs}", self._measured(f"xpo-{2 * pairs}", self._explored())

    def _best_of(self, size: int) -> Sequence[Row]:
        return best_of(self._base_run, size)

    def snapshots(self) -> Iterator[tuple[int, Measured]]:
        """The steps of a longer SFT-Sharpening with the largest N: as many for every seed."""
        size, out, steps = self.study.sizes[-1], self.place / "curve", self.study.curve_steps
        trainer = Sft(
            **usual(self.study.model, self.seed),
            steps=steps,
            snapshot_every=max(1, steps // self.study.snapshots),
        )
        if self._fit(trainer, partial(self._best_of, size), out) is None:
            return
        for folder in sorted((out / "steps").glob("*")):
            yield (
                int(folder.name),
                self._measured(f"curve-{folder.name}", trained_name(self.study.model, folder)),
            )

    # --- fits ---

    def _trained(
        self, name: str, trainer: Trainer, rows: Callable[[], Sequence[Row]]
    ) -> Iterator[tuple[str, Measured]]:
        if (folder := self._fit(trainer, rows, self.place / name)) is not None:
            yield name, self._measured(name, trained_name(self.study.model, folder))
        else:
            self.left_out.append(
                f"{name} had nothing to train on: no response ended before its limit"
            )

    def _fit(self, trainer: Trainer, rows: Callable[[], Sequence[Row]], out: Path) -> Path | None:
        if holds(out, trainer):
            return out
        found = rows()
        if not found:
            return None
        self.runs.tell(f"seed {self.seed}: {trainer.name} into {out.name}")
        return trainer.fit(self._base, found, out)

    def _explores(self) -> bool:
        """XPO draws its own pairs, of any length."""
        return (
            bool(best_of(self._base_run, 1))
            if not (self.place / "xpo" / "improve.json").exists()
            else True
        )

    def _explored(self) -> str:
        study, stored = self.study, self.place / "xpo" / "improve.json"
        if not stored.exists():
            self.runs.tell(f"seed {self.seed}: XPO, {study.pairs} rounds")
            improve(self._course, out=stored.parent)
        return str(json.loads(stored.read_text())["rounds"][-1]["model"])

    @property
    def _course(self) -> Course:
        study, settings = (
            self.study,
            {
                "epochs": 2 * self.study.epochs,
                "learning_rate": usual(self.study.model, 0, 0.1)["learning_rate"],
            },
        )
        return Course(
            study.model,
            find_task(study.task),
            "xpo",
            train_problems=study.train_problems,
            problems=16,
            samples=2,
            pairs=study.pairs,
            seed=derive(self.seed, "xpo study") % 2**31,
            settings=settings,
        )

    # --- what it costs ---

    def costs(self) -> Iterator[Cost]:
        """The base model and all that is made of it, at most."""
        study, read = (
            self.study,
            [self.wanted(self.study.model, split) for split in ("test", "train")],
        )
        models = 1 + len(study.sizes) + 2 + study.snapshots
        yield from models * [cost_of(read)]
        fits = [
            *len(study.sizes) * [(study.train_problems, study.epochs)],
            (2 * study.pairs * study.train_problems, 2 * study.epochs),
            (BATCH * study.curve_steps, 1.0),
        ]
        yield from (cost_of_fit(read[1], rows, epochs) for rows, epochs in fits)
        yield cost_of_course(self._course)

    # --- what a model is worth ---

    def _measured(self, name: str, model: str) -> Measured:
        """From the file beside the model, else from runs of it."""
        stored = self.place / f"{name}.json"
        asked = {
            "model": model,
            "problems": self.study.problems,
            "train_problems": self.study.train_problems,
            "samples": self.study.samples,
        }
        if stored.exists() and (found := json.loads(stored.read_text())).get("asked") == asked:
            return {
                key: float("nan") if value is None else value
                for key, value in found["measured"].items()
            }
        measured = worth(self._run(model, "test"), "", self._base) | worth(
            self._run(model, "train"), "train_", self._base
        )
        stored.parent.mkdir(parents=True, exist_ok=True)
        plain = {key: value if np.isfinite(value) else None for key, value in measured.items()}
        RunFolder(stored.parent).write_json(stored.name, {"asked": asked, "measured": plain})
        return measured

    def wanted(self, model: str, split: str) -> RunSpec:
        return RunSpec(
            model,
            self.study.task,
            (REWARD,),
            problems=self.study.problems if split == "test" else self.study.train_problems,
            samples=self.study.samples,
            temperature=1.0,
            top_p=1.0,
            seed=self.seed,
            split=split,
        )

    def _run(self, model: str, split: str) -> Run:
        wanted = self.wanted(model, split)
        self.runs.make([wanted])
        return self.runs.run(wanted)

    @cached_property
    def _base_run(self) -> Run:
        return self._run(self.study.model, "train")

    @cached_property
    def _base(self) -> Path:
        return model_folder(self.study.model)


def usual(model: str, seed: int, times: float = 1.0) -> dict[str, Any]:
    """The settings of a fit: a step that suits the embedded models, a hundredth of it for others."""
    rate = 1e-3 if is_embedded(model) else 1e-5
    return {"learning_rate": times * rate, "batch_size": BATCH, "seed": seed}


def best_of(run: Run, size: int) -> Sequence[Row]:
    """Of each problem's first N responses the likeliest, as SFT-Sharpening trains on it."""
    first_PK = np.arange(run.plan.samples) < size
    score_PK = np.where(first_PK, run.evidence.logprob_PK, np.nan)
    return weighted(run, BestOfN(None)(score_PK, run.evidence.samples.mask_PK) * first_PK).rows


def worth(run: Run, prefix: str, base: Path) -> Measured:
    """Accuracy of one sample, of greedy decoding, of the likeliest of K; coverage; and the log-likelihood under the base model, nats."""
    samples = run.evidence.samples
    best_PN = selection_curve_PN(run.evidence.logprob_PK, samples.utility_PK, samples.mask_PK)
    return {
        f"{prefix}accuracy": float(accuracy_P(samples.utility_PK, samples.mask_PK).mean()),
        f"{prefix}greedy": float(run.evidence.greedy_P.mean()),
        f"{prefix}best_of_k": float(best_PN[:, -1].mean()),
        f"{prefix}coverage": float(samples.utility_PK.max(axis=1).mean()),
        f"{prefix}base_likelihood": float(np.mean(_likelihoods(run, base))),
    }


def _likelihoods(run: Run, base: Path) -> Floats:
    """log pi_base(y|x) of each problem's first response."""
    from strop.distill.scoring import score_rows

    result: Floats = score_rows(base, one_of_each(run, 0))[:, 0]
    return result


def holds(out: Path, trainer: Trainer) -> bool:
    """Is this fit finished? Looked up without its rows, so that nothing is loaded for it."""
    stored = out / "training.json"
    return stored.exists() and bool(
        json.loads(stored.read_text()).get("settings") == trainer.settings()
    )
