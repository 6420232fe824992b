"""Sharpening by training: how much of the lift of best-of-N do trained models keep?

The study belongs to Figures 7 to 9 and the table of SFT-Sharpening of "The Sharpening Mechanism".
SFT-Sharpening for several N, reward-based DPO and XPO are fit to a model's own samples of training
problems, and measured on these and on held-out problems. Another seed means other problems, other
samples and another training: intervals are Student's over seeds, and changes are paired by seed.
The training curve is that of the largest N, fit for longer, with snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl

from strop.measure.intervals import ANYTHING
from strop.records import Estimate
from strop.studies.frame.base import Study
from strop.studies.frame.cost import Cost
from strop.studies.frame.courses import mean_over_seeds
from strop.studies.frame.data import as_frame, estimate_row
from strop.studies.frame.findings import Finding, write_findings
from strop.studies.frame.fits import Fits, Measured
from strop.studies.frame.numbers import points, short_name
from strop.studies.frame.runs import Runs, Tell
from strop.studies.sft_figures import (
    CHANGES,
    CURVES,
    SHOWN,
    WHERE,
    Estimates,
    bars,
    curve_figure,
    effect_figure,
    in_nats,
    is_likelihood,
    tables,
)
from strop.tasks import Task

TABLE = (
    "SFT-Sharpening lifts accuracy over greedy decoding by 19.2% (Phi-3.5, MATH), 1.8% (GSM8K) and"
    " 12.5% (ProntoQA), and the log-likelihood under the base model by 48.3, 1.5 and 5.6 nats; on"
    " the prompts it was trained on, at the best checkpoint."
)
CURVE = (
    "accuracy and log-likelihood under the base model rise over the steps and level off, on the"
    " training prompts (Figures 7 and 8)."
)
EFFECT = "larger N (10, 25, 50) brings more, with falling returns (Figure 9)."
NOT_TESTABLE = "Not testable here."

Models = Mapping[str, Sequence[Measured]]
"""The measurements of every model, one for each seed."""
Snapshots = Mapping[int, Mapping[int, Measured]]
"""The measurements of snapshots by step and by the index of the seed."""


@dataclass(frozen=True)
class SftStudy(Study):
    """Several ways of training one ``model`` on ``samples`` of ``train_problems`` of ``task``.

    ``sizes``: the N of SFT-Sharpening. ``pairs``: pairs of each problem for reward-based DPO, and
    rounds of XPO. ``curve_steps``: steps of the fit whose ``snapshots`` make the training curve.
    """

    model: str = "ladder/125k"
    task: str | Task = "arithmetic"
    seeds: int = 3
    problems: int = 200
    train_problems: int = 200
    samples: int = 32
    sizes: tuple[int, ...] = (4, 8, 16, 32)
    pairs: int = 4
    epochs: float = 2.0
    curve_steps: int = 40
    snapshots: int = 5
    seed: int = 0

    name: ClassVar[str] = "sft"
    description: ClassVar[str] = (
        "the part of the lift that SFT-Sharpening, reward-DPO and XPO keep, by N and by step"
    )

    @classmethod
    def quick(cls) -> SftStudy:
        return cls(
            seeds=2,
            problems=32,
            train_problems=32,
            samples=8,
            sizes=(2, 8),
            pairs=1,
            curve_steps=10,
            snapshots=2,
        )

    @property
    def _task_label(self) -> str:
        if isinstance(self.task, str):
            return self.task
        return self.task.label

    def _fits(self, out: Path, tell: Tell) -> list[Fits]:
        """Return the fits of each seed."""
        runs = Runs(out.parent / "runs", tell)
        all_fits = []
        for seed in range(self.seed, self.seed + self.seeds):
            folder = out / "models" / f"seed-{seed}"
            all_fits.append(Fits(self, runs, folder, seed))
        return all_fits

    def besides(self) -> Iterable[Cost]:
        for fits in self._fits(Path(), print):
            yield from fits.costs()

    def run(self, out: Path, tell: Tell) -> Path:
        all_fits = self._fits(out, tell)
        models: dict[str, list[Measured]] = {}
        snapshots: dict[int, dict[int, Measured]] = {}
        for index, fits in enumerate(all_fits):
            for name, measured in fits.models():
                models.setdefault(name, []).append(measured)
            for step, measured in fits.snapshots():
                snapshots.setdefault(step, {})[index] = measured
        # Changes are paired by seed, so a model that one seed lacks is left out.
        complete = {}
        for name, values in models.items():
            if len(values) == self.seeds:
                complete[name] = values
        left_out = ""
        for fits in all_fits:
            for reason in fits.left_out:
                left_out += f" Seed {fits.seed}: {reason}."
        findings = [
            self._table(complete, left_out),
            self._effect(complete),
            self._curve(complete["base"], snapshots),
        ]
        return write_findings(out, "Sharpening by training", self.setting, findings, self.name)

    # --- all models ---

    def _table(self, models: Models, left_out: str) -> Finding:
        """Return the accuracies of all models, and their changes against the base model."""
        base = models["base"]
        values: dict[str, Estimates] = {}
        changes: dict[str, Estimates] = {}
        for name, measured in models.items():
            values[name] = {key: _mean_over_seeds(measured, key) for key in SHOWN}
            changes[name] = {key: _mean_change(measured, base, key) for key in CHANGES}
        trained = [name for name in models if name != "base"]
        seen = []
        for name in trained:
            training = points(changes[name]["train_accuracy"])
            held_out = points(changes[name]["accuracy"])
            seen.append(f"{name} {training} on training problems, {held_out} held out")
        summary = "; ".join(seen) or "nothing was trained"
        return Finding(
            "sft-table",
            f"Training {short_name(self.model)} on its own samples of {self._task_label}",
            TABLE,
            f"change of the accuracy of one sample, points, {self.seeds} seeds:"
            f" {summary}.{left_out}",
            f"{self._kept(models)} Held-out problems and the last checkpoint are the headline here;"
            f" {self.seeds} seeds give little information about their own spread.",
            self._table_data(values, changes),
            bars(changes) if trained else None,
            tables(values, changes),
        )

    def _table_data(
        self, values: Mapping[str, Estimates], changes: Mapping[str, Estimates]
    ) -> pl.DataFrame:
        rows = []
        for name in values:
            for kind, estimates in (("value", values[name]), ("change", changes[name])):
                for key, estimate in estimates.items():
                    row = estimate_row(
                        estimate, model=name, quantity=key, kind=kind, seeds=self.seeds
                    )
                    rows.append(row)
        return as_frame(rows)

    def _kept(self, models: Models) -> str:
        """Return the share of best-of-K's lift over one sample that each way of training keeps."""
        base = models["base"]
        parts = []
        for name, measured in models.items():
            if name == "base":
                continue
            shares = []
            # Ratios of means over seeds: a single seed may have no lift at all.
            for problems, prefix in (("training", "train_"), ("held-out", "")):
                lift = _mean_gain(base, f"{prefix}best_of_k", base, f"{prefix}accuracy")
                gain = _mean_gain(measured, f"{prefix}accuracy", base, f"{prefix}accuracy")
                shares.append(f"{_share_kept(gain, lift)} ({problems})")
            parts.append(f"{name} {' and '.join(shares)}")
        return (
            f"Share of the lift of best-of-{self.samples} over one sample that is kept:"
            f" {'; '.join(parts)}."
        )

    # --- the effect of N ---

    def _effect(self, models: Models) -> Finding:
        """Return the change of SFT-Sharpening against the base model by N."""
        rows = []
        for size in self.sizes:
            # An N that could not be trained stays in the table, as unknown.
            measured = models.get(f"sft-{size}", ())
            base = models["base"] if measured else ()
            for key, where in WHERE.items():
                change = _mean_change(measured, base, key)
                rows.append(estimate_row(change, N=size, quantity=key, where=where))
        data = as_frame(rows)
        seen, holds = self._effect_in_words(models)
        return Finding(
            "sft-effect-of-N",
            "The effect of N on SFT-Sharpening",
            EFFECT,
            seen,
            holds,
            data,
            effect_figure(data),
        )

    def _effect_in_words(self, models: Models) -> tuple[str, str]:
        """Compare the smallest N with the largest: the sentences ``seen`` and ``holds``."""
        smallest, largest = self.sizes[0], self.sizes[-1]
        before = models.get(f"sft-{smallest}")
        after = models.get(f"sft-{largest}")
        if before is None or after is None or smallest == largest:
            return "there are not two N to compare.", NOT_TESTABLE
        training = _mean_change(after, before, "train_accuracy")
        held_out = _mean_change(after, before, "accuracy")
        seen = (
            f"from N = {smallest} to N = {largest} the accuracy of one sample changes by"
            f" {points(training)} points on training problems and by {points(held_out)} on"
            " held-out ones."
        )
        rises = []
        if training.interval_sign == 1:
            rises.append("training problems")
        if held_out.interval_sign == 1:
            rises.append("held-out ones")
        answer = "Not shown"
        if rises:
            answer = f"More N brings more on {' and on '.join(rises)}"
        return seen, f"{answer}; intervals are over {self.seeds} seeds."

    # --- the training curve ---

    def _curve(self, base: Sequence[Measured], snapshots: Snapshots) -> Finding:
        """Return the changes of snapshots against the base model by step."""
        rows = []
        for step, by_seed in sorted(snapshots.items()):
            for key, (what, where) in CURVES.items():
                row = estimate_row(
                    _snapshot_change(base, by_seed, key),
                    step=step,
                    quantity=key,
                    what=what,
                    problems=where,
                    seeds=len(by_seed),
                )
                rows.append(row)
        data = as_frame(rows)
        has_values = bool(rows) and data["value"].count() > 0
        seen, holds = _curve_in_words(base, snapshots)
        return Finding(
            "sft-curves",
            f"Training curves of SFT-Sharpening, N = {self.sizes[-1]}, {self.curve_steps} steps:"
            " change against the base model",
            CURVE,
            seen,
            holds,
            data,
            curve_figure(data) if has_values else None,
        )


def _share_kept(gain: float, lift: float) -> str:
    """Return the part of a lift that a gain reaches, in per cent."""
    if lift > 0:
        return f"{100 * gain / lift:.0f}%"
    return "no lift to keep"


def _curve_in_words(base: Sequence[Measured], snapshots: Snapshots) -> tuple[str, str]:
    """Return the sentences ``seen`` and ``holds`` of the training curve."""
    if not snapshots:
        return "no snapshot could be made.", NOT_TESTABLE
    last = max(snapshots)
    changes = {key: _snapshot_change(base, snapshots[last], key) for key in CURVES}
    train_accuracy = points(changes["train_accuracy"])
    accuracy = points(changes["accuracy"])
    train_likelihood = in_nats(changes["train_base_likelihood"])
    likelihood = in_nats(changes["base_likelihood"])
    seen = (
        f"from the base to step {last}: accuracy {train_accuracy} points on training problems and"
        f" {accuracy} held out; log-likelihood under the base {train_likelihood} and {likelihood}"
        " nats."
    )
    gains = {}
    for step, by_seed in snapshots.items():
        gains[step] = np.mean(_paired_with_base(base, by_seed, "accuracy"))
    # Of equally good steps the first one is taken.
    best = max(gains, key=lambda step: gains[step])
    if best == last:
        comparison = "the last snapshot is the best"
    else:
        comparison = f"step {best} is better than the last"
    holds = (
        f"By held-out accuracy {comparison}; a checkpoint chosen by it would look too good."
        " All seeds have the same schedule."
    )
    return seen, holds


# --- means over seeds ---


def seed_mean(values: Iterable[float], key: str | None) -> Estimate:
    """Return the mean over seeds with Student's 95% interval.

    ``key`` names the quantity, so that the interval of a share is cut at 0 and 1. It is None for a
    change, which is not cut.
    """
    is_share = key is not None and not is_likelihood(key)
    bounds = (0.0, 1.0) if is_share else ANYTHING
    return mean_over_seeds(values, "mean over seeds", bounds)


def _mean_over_seeds(measured: Sequence[Measured], key: str) -> Estimate:
    return seed_mean([seed[key] for seed in measured], key)


def _mean_change(after: Sequence[Measured], before: Sequence[Measured], key: str) -> Estimate:
    """Return the mean change of a quantity, paired by seed."""
    changes = []
    for new, old in zip(after, before, strict=True):
        changes.append(new[key] - old[key])
    return seed_mean(changes, None)


def _snapshot_change(
    base: Sequence[Measured], by_seed: Mapping[int, Measured], key: str
) -> Estimate:
    """Return the mean change of a snapshot against the base model, paired by seed."""
    return seed_mean(_paired_with_base(base, by_seed, key), None)


def _paired_with_base(
    base: Sequence[Measured], by_seed: Mapping[int, Measured], key: str
) -> list[float]:
    """Return the changes of a snapshot against the base model, one for each seed that has it."""
    changes = []
    for index, measured in by_seed.items():
        changes.append(measured[key] - base[index][key])
    return changes


def _mean_gain(
    after: Sequence[Measured], after_key: str, before: Sequence[Measured], before_key: str
) -> float:
    """Return the mean over seeds of one quantity minus another."""
    gains = []
    for new, old in zip(after, before, strict=True):
        gains.append(new[after_key] - old[before_key])
    return float(np.mean(gains))
