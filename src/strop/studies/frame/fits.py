"""The models that one seed of the study ``sft`` trains, and their measurements.

Trained and measured models are kept, and neither step is done again:

    models/seed-0/sft-4/        the trained model's folder
    models/seed-0/sft-4.json    its measurements
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from strop.distill import RewardDpo, Sft, Trainer
from strop.distill.rows import Row
from strop.engines import is_embedded, model_folder, trained_name
from strop.improvement.course import Course
from strop.improvement.rounds import improve
from strop.improvement.training_rows import comparisons, one_of_each, weighted
from strop.json_files import read_json
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
"""A model's numbers by name; those on training problems begin with "train_". NaN is unknown."""
REWARD = "logprob"
BATCH = 64


class Recipe(Protocol):
    """The settings of the training: fields of the study ``sft``."""

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
    """One seed of the study, with its models in ``folder``.

    ``left_out`` collects the models that could not be trained, with the reason.
    """

    study: Recipe
    runs: Runs
    folder: Path
    seed: int
    left_out: list[str] = field(default_factory=list)

    def models(self) -> Iterator[tuple[str, Measured]]:
        """Yield the base model, and each model trained on the same training problems."""
        study = self.study
        yield "base", self._measure("base", study.model)
        for size in study.sizes:
            trainer = Sft(**default_fit(study.model, self.seed), epochs=study.epochs)
            make_rows = partial(self._best_of, size)
            yield from self._trained(f"sft-{size}", trainer, make_rows)
        # The number in a name is that of the responses that a problem gives.
        responses = 2 * study.pairs
        settings = default_fit(study.model, self.seed, 0.1)
        regression = RewardDpo(**settings, epochs=2 * study.epochs)
        yield from self._trained(f"reward-dpo-{responses}", regression, self._pairs)
        if self._can_explore():
            name = f"xpo-{responses}"
            yield name, self._measure(name, self._explore())

    def snapshots(self) -> Iterator[tuple[int, Measured]]:
        """Yield the snapshots of a longer SFT-Sharpening with the largest N, by step.

        The number of steps is the same for every seed.
        """
        study = self.study
        folder = self.folder / "curve"
        trainer = Sft(
            **default_fit(study.model, self.seed),
            steps=study.curve_steps,
            snapshot_every=max(1, study.curve_steps // study.snapshots),
        )
        make_rows = partial(self._best_of, study.sizes[-1])
        if self._fit(trainer, make_rows, folder) is None:
            return
        for snapshot in sorted((folder / "steps").glob("*")):
            step = snapshot.name
            model = trained_name(study.model, snapshot)
            yield int(step), self._measure(f"curve-{step}", model)

    # --- fits ---

    def _best_of(self, size: int) -> Sequence[Row]:
        return best_of_n_rows(self._base_run, size)

    def _pairs(self) -> Sequence[Row]:
        logprob_PK = self._base_run.evidence.logprob_PK
        return comparisons(self._base_run, logprob_PK, self.study.pairs).rows

    def _trained(
        self, name: str, trainer: Trainer, make_rows: Callable[[], Sequence[Row]]
    ) -> Iterator[tuple[str, Measured]]:
        """Yield the trained model's measurements, or nothing if there were no rows."""
        folder = self._fit(trainer, make_rows, self.folder / name)
        if folder is None:
            self.left_out.append(
                f"{name} had nothing to train on: no response ended before its limit"
            )
            return
        yield name, self._measure(name, trained_name(self.study.model, folder))

    def _fit(
        self, trainer: Trainer, make_rows: Callable[[], Sequence[Row]], out: Path
    ) -> Path | None:
        """Return the folder of the fit, which is made if it is not stored; None without rows."""
        if is_fitted(out, trainer):
            return out
        rows = make_rows()
        if not rows:
            return None
        self.runs.tell(f"seed {self.seed}: {trainer.name} into {out.name}")
        return trainer.fit(self._base, rows, out)

    def _can_explore(self) -> bool:
        """Return whether any response of the base model ended before its limit.

        XPO draws its own pairs, but from such a base model it would learn nothing.
        """
        if self._explored_document.exists():
            return True
        return bool(best_of_n_rows(self._base_run, 1))

    def _explore(self) -> str:
        """Return the model that XPO trains; it is trained if it is not stored."""
        document = self._explored_document
        if not document.exists():
            self.runs.tell(f"seed {self.seed}: XPO, {self.study.pairs} rounds")
            improve(self._course, out=document.parent)
        last_round = read_json(document, needs=("rounds",))["rounds"][-1]
        return str(last_round["model"])

    @property
    def _explored_document(self) -> Path:
        return self.folder / "xpo" / "improve.json"

    @property
    def _course(self) -> Course:
        study = self.study
        settings = {
            "epochs": 2 * study.epochs,
            "learning_rate": default_fit(study.model, 0, 0.1)["learning_rate"],
        }
        # The course measures its own rounds too. They are not used, so they are kept small.
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

    # --- costs ---

    def costs(self) -> Iterator[Cost]:
        """Yield the costs of measuring all models, of the fits and of XPO, at most."""
        study = self.study
        test = self.wanted(study.model, "test")
        train = self.wanted(study.model, "train")
        # The base model, one by SFT for each size, one by reward-based DPO, one by XPO, snapshots.
        models = 1 + len(study.sizes) + 1 + 1 + study.snapshots
        yield from models * [cost_of([test, train])]
        for _ in study.sizes:
            yield cost_of_fit(train, study.train_problems, study.epochs)
        responses = 2 * study.pairs * study.train_problems
        yield cost_of_fit(train, responses, 2 * study.epochs)
        yield cost_of_fit(train, BATCH * study.curve_steps)
        yield cost_of_course(self._course)

    # --- measurements ---

    def _measure(self, name: str, model: str) -> Measured:
        """Return a model's measurements, from the file beside it or else from runs of it."""
        file = self.folder / f"{name}.json"
        settings = {
            "model": model,
            "problems": self.study.problems,
            "train_problems": self.study.train_problems,
            "samples": self.study.samples,
        }
        if file.exists():
            stored = read_json(file)
            # Measurements of other sizes are made anew.
            if stored.get("asked") == settings:
                return _with_nan(stored["measured"])
        measured = measure_model(self._run(model, "test"), "", self._base)
        measured |= measure_model(self._run(model, "train"), "train_", self._base)
        file.parent.mkdir(parents=True, exist_ok=True)
        document = {"asked": settings, "measured": _without_nan(measured)}
        RunFolder(file.parent).write_json(file.name, document)
        return measured

    def wanted(self, model: str, split: str) -> RunSpec:
        """Return the run that measures a model on a split."""
        problems = self.study.problems if split == "test" else self.study.train_problems
        return RunSpec(
            model,
            self.study.task,
            (REWARD,),
            problems=problems,
            samples=self.study.samples,
            temperature=1.0,
            top_p=1.0,
            seed=self.seed,
            split=split,
        )

    def _run(self, model: str, split: str) -> Run:
        spec = self.wanted(model, split)
        self.runs.make([spec])
        return self.runs.run(spec)

    @cached_property
    def _base_run(self) -> Run:
        """The base model's responses to the training problems: the rows of all fits."""
        return self._run(self.study.model, "train")

    @cached_property
    def _base(self) -> Path:
        return model_folder(self.study.model)


def _without_nan(measured: Measured) -> dict[str, float | None]:
    """Replace what is not finite by None: JSON has no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in measured.items()}


def _with_nan(stored: dict[str, float | None]) -> Measured:
    return {name: float("nan") if value is None else value for name, value in stored.items()}


def default_fit(model: str, seed: int, times: float = 1.0) -> dict[str, Any]:
    """Return the default settings of a fit.

    The learning rate suits the embedded models; other models get a hundredth of it. ``times`` is a
    factor on the learning rate.
    """
    rate = 1e-3 if is_embedded(model) else 1e-5
    return {"learning_rate": times * rate, "batch_size": BATCH, "seed": seed}


def best_of_n_rows(run: Run, size: int) -> Sequence[Row]:
    """Return SFT-Sharpening's rows: the likeliest of each problem's first ``size`` responses."""
    # The same row of flags for every problem: it is broadcast over P below.
    first_PK = np.arange(run.plan.samples) < size
    # Best-of-N never chooses a response without a score.
    score_PK = np.where(first_PK, run.evidence.logprob_PK, np.nan)
    weight_PK = BestOfN(None)(score_PK, run.evidence.samples.mask_PK)
    return weighted(run, weight_PK * first_PK).rows


def measure_model(run: Run, prefix: str, base: Path) -> Measured:
    """Measure a model by one run of it.

    The numbers are the accuracy of one sample, of greedy decoding and of the likeliest of K,
    coverage, and the mean log-likelihood (nats) of responses under the base model.
    """
    evidence = run.evidence
    samples = evidence.samples
    correct_P = accuracy_P(samples.utility_PK, samples.mask_PK)
    best_PN = selection_curve_PN(evidence.logprob_PK, samples.utility_PK, samples.mask_PK)
    # Utilities are 0 or 1: the largest one says whether any response is right.
    has_right_P = samples.utility_PK.max(axis=1)
    likelihood_P = _base_likelihood_P(run, base)
    return {
        f"{prefix}accuracy": float(correct_P.mean()),
        f"{prefix}greedy": float(evidence.greedy_P.mean()),
        f"{prefix}best_of_k": float(best_PN[:, -1].mean()),
        f"{prefix}coverage": float(has_right_P.mean()),
        f"{prefix}base_likelihood": float(np.mean(likelihood_P)),
    }


def _base_likelihood_P(run: Run, base: Path) -> Floats:
    """Return log pi_base(y|x) of each problem's first response, in nats."""
    from strop.distill.scoring import score_rows  # needs torch

    result: Floats = score_rows(base, one_of_each(run, 0))[:, 0]
    return result


def is_fitted(out: Path, trainer: Trainer) -> bool:
    """Return whether a folder holds the finished fit of this trainer.

    The trained rows are not compared: they follow from stored runs, and need no model this way.
    """
    record = out / "training.json"
    if not record.exists():
        return False
    stored = read_json(record)
    return bool(stored.get("settings") == trainer.settings())
