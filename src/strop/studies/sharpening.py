"""Sharpening at inference and by training ("The Sharpening Mechanism", Figures 1, 2, 7 to 9 and the table of SFT-Sharpening).

Lifts: what choosing the best of N by each self-reward gains over greedy decoding, model by task. A seed is another draw of problems and
samples, so seeds only make problems more; copies of a question are resampled together. Training: what SFT-Sharpening, reward-based DPO and
XPO keep of that, on training problems and on held-out ones, and what it costs in coverage. There a seed is another training too: the
interval is Student's over seeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from strop import api
from strop.analysis import groups_of
from strop.distill import RewardDpo, Sft
from strop.engines import model_folder
from strop.harvest import comparisons, weighted
from strop.measure import Ratio, estimate_all, resample_counts
from strop.measure.gap import accuracy_P, mean_over_problems
from strop.measure.intervals import Floats, difference
from strop.measure.lifts import accuracy_gain, accuracy_lift
from strop.measure.student import t_quantile
from strop.rounds import Course, improve
from strop.run import Run
from strop.seeds import derive
from strop.sharpening import SELF_REWARDS, Sharpening, sharpen
from strop.studies.base import Study, markdown_table
from strop.weigh import BestOfN

PAPER = (
    "The paper saw lifts over greedy accuracy in most cells for log-probability (up to tens of per cent), fewer for the length-normalised "
    "one, and falls for weak models and where short responses win; SFT-Sharpening kept a good part of the lift on the prompts that it was "
    "trained on."
)


@dataclass(frozen=True)
class SharpeningStudy(Study):
    """``sizes``: N of SFT-Sharpening; ``trained`` is fit to ``train_problems`` of ``trained_task``, with ``samples`` of each."""

    models: tuple[str, ...] = ("ladder/40k", "ladder/125k", "ladder/250k", "ladder/400k")
    tasks: tuple[str, ...] = ("arithmetic", "signs", "recall", "sudoku4")
    seeds: int = 3
    problems: int = 200
    samples: int = 32
    trained: str = "ladder/125k"
    trained_task: str = "arithmetic"
    train_problems: int = 200
    sizes: tuple[int, ...] = (4, 8, 16, 32)
    pairs: int = 4
    epochs: float = 2.0

    name: ClassVar[str] = "sharpening"
    description: ClassVar[str] = "best of N by self-rewards against greedy, model by task; and how much of it training keeps"

    @classmethod
    def quick(cls) -> SharpeningStudy:
        return cls(models=("ladder/25k", "ladder/125k"), tasks=("arithmetic", "recall"), seeds=1, problems=40, samples=8, train_problems=40,
                   sizes=(8,), pairs=1)  # fmt: skip

    def run(self, out: Path, tell: Callable[[str], None]) -> Path:
        out.mkdir(parents=True, exist_ok=True)
        lifts = list(self._lifts(out, tell))
        trained = list(self._trained(out, tell))
        (out / "sharpening.json").write_text(json.dumps({"lifts": lifts, "training": trained}, indent=1, allow_nan=False))
        path = out / "sharpening.md"
        path.write_text(self._page(lifts, trained), encoding="utf-8")
        return path

    # --- at inference ---

    def _lifts(self, out: Path, tell: Callable[[str], None]) -> Iterator[dict[str, Any]]:
        for model in self.models:
            for task in self.tasks:
                tell(f"{model}, {task}")
                runs = [self._sharpened(model, task, seed, "test", out / "lifts" / f"{model.replace('/', '-')}-{task}-{seed}").run
                        for seed in range(self.seeds)]  # fmt: skip
                yield {"model": model, "task": task} | _pooled(runs)

    def _sharpened(self, model: str, task: str, seed: int, split: str, out: Path) -> Sharpening:
        options: dict[str, Any] = {"problems": self.problems if split == "test" else self.train_problems, "split": split}
        return sharpen(model, task, samples=self.samples, seed=seed, out=out, **options)

    # --- by training ---

    def _trained(self, out: Path, tell: Callable[[str], None]) -> Iterator[dict[str, Any]]:
        measured: dict[str, list[dict[str, float]]] = {}
        for seed in range(self.seeds):
            place = out / "training" / f"seed-{seed}"
            for name, model in self._models(place, seed, tell):
                tell(f"seed {seed}: measuring {name}")
                found = {
                    split: self._sharpened(model, self.trained_task, seed, split, place / f"{name}-{split}") for split in ("train", "test")
                }
                measured.setdefault(name, []).append(_figures(found, model_folder(self.trained)))
        for name, rows in measured.items():
            gains = [{key: row[key] - before[key] for key in CHANGES} for row, before in zip(rows, measured["base"], strict=True)]
            told = {key: _over((row[key] for row in rows), None if key == "base_likelihood" else (0, 1)) for key in rows[0]}
            yield {"model": name, "seeds": len(rows)} | told | {"change": {key: _over(one[key] for one in gains) for key in CHANGES}}

    def _models(self, place: Path, seed: int, tell: Callable[[str], None]) -> Iterator[tuple[str, str]]:
        """The base model, and what each way of training makes of it from the same training problems."""
        yield "base", self.trained
        base = model_folder(self.trained)
        run = self._sharpened(self.trained, self.trained_task, seed, "train", place / "base-train").run
        usual: dict[str, Any] = {"learning_rate": 1e-3, "batch_size": 64, "epochs": self.epochs, "seed": seed}
        regression = usual | {"learning_rate": 1e-4, "epochs": 2 * self.epochs}
        for size in self.sizes:
            tell(f"seed {seed}: SFT-Sharpening, N = {size}")
            first_PK = np.arange(run.plan.samples) < size
            score_PK = np.where(first_PK, run.evidence.logprob_PK, np.nan)
            rows = weighted(run, BestOfN(None)(score_PK, run.evidence.samples.mask_PK) * first_PK).rows
            yield f"sft-{size}", f"llama:{Sft(**usual).fit(base, rows, place / f'sft-{size}-model')}"
        tell(f"seed {seed}: reward-DPO, {self.pairs} pairs")
        rows = comparisons(run, run.evidence.logprob_PK, self.pairs).rows
        yield f"reward-dpo-{2 * self.pairs}", f"llama:{RewardDpo(**regression).fit(base, rows, place / 'reward-dpo-model')}"
        tell(f"seed {seed}: XPO, {self.pairs} rounds")
        task = api.find_task(self.trained_task)
        course = Course(self.trained, task, "xpo", train_problems=self.train_problems, problems=16, samples=2, pairs=self.pairs,
                        seed=derive(seed, "xpo study") % 2**31, settings={"epochs": 2 * self.epochs})  # fmt: skip
        yield f"xpo-{2 * self.pairs}", improve(course, out=place / "xpo").rounds[-1].model

    # --- the page ---

    def _page(self, lifts: Sequence[Mapping[str, Any]], trained: Sequence[Mapping[str, Any]]) -> str:
        size = f"{self.seeds} seeds x {self.problems} problems x {self.samples} samples"
        falls = [f"{cell['model']} on {cell['task']} by {name}" for cell in lifts for name in SELF_REWARDS if cell[name]["falls"]]
        where = f"It falls for {'; '.join(falls)}." if falls else "It falls nowhere."
        blocks = [
            "# Sharpening",
            f"`strop study sharpening`: {size}. {PAPER}",
            f"## Best of {self.samples} against greedy: points gained, with 95% intervals",
            markdown_table(["model", "task", "greedy %", "one sample %", "coverage %", *SELF_REWARDS], map(_lift_row, lifts)),
            f'"falls": accuracy at N = {self.samples} lies below that at N = 1 or at N = {self.samples // 2}, the whole interval. {where}',
            f"## Training {self.trained} on {self.trained_task}: per cent, mean over seeds, Student's 95% interval over seeds",
            markdown_table(["model", *TRAINED.values(), "log-likelihood under the base, nats"], map(_trained_row, trained)),
            "Change against the base model, paired by seed, in points:",
            markdown_table(["model", *(TRAINED[key] for key in CHANGES)], map(_change_row, trained[1:])),
            "\n".join(f"- {line}" for line in self._amortised(trained)),
        ]
        return "\n\n".join(blocks) + "\n"

    def _amortised(self, trained: Sequence[Mapping[str, Any]]) -> Iterator[str]:
        base = trained[0]
        for row in trained[1:]:
            parts = []
            for where, key in (("training problems", "train_"), ("held-out problems", "")):
                lift = base[f"{key}best_of_k"]["value"] - base[f"{key}accuracy"]["value"]
                kept = row[f"{key}accuracy"]["value"] - base[f"{key}accuracy"]["value"]
                parts.append(f"{100 * kept / lift:.0f}% on {where}" if lift > 0 else f"no lift to keep on {where}")
            lost = 100 * (base["coverage"]["value"] - row["coverage"]["value"])
            share = f"of the best-of-{self.samples} lift over sampling: {' and '.join(parts)}"
            yield f"{row['model']} keeps {share}; coverage falls by {lost:.1f} points."


TRAINED = {
    "train_accuracy": "sampling, train", "accuracy": "sampling, held out", "greedy": "greedy, held out", "best_of_k": "best of K, held out",
    "coverage": "coverage, held out",
}  # fmt: skip


CHANGES = ("train_accuracy", "accuracy", "greedy", "coverage")


def _change_row(row: Mapping[str, Any]) -> list[str]:
    return [row["model"], *(_per_cent(row["change"][key]) for key in CHANGES)]


def _lift_row(cell: Mapping[str, Any]) -> list[str]:
    plain = [f"{100 * cell[name]['value']:.1f}" for name in ("greedy", "sampling", "coverage")]
    gains = [f"{_points(cell[name]['gain'])}{' falls' if cell[name]['falls'] else ''}" for name in SELF_REWARDS]
    return [cell["model"], cell["task"], *plain, *gains]


def _trained_row(row: Mapping[str, Any]) -> list[str]:
    return [row["model"], *(_per_cent(row[key]) for key in TRAINED), _plain(row["base_likelihood"])]


def _pooled(runs: Sequence[Run]) -> dict[str, Any]:
    """One cell over all its seeds' problems; a fall is a paired difference whose interval lies below zero."""
    evidence = [run.evidence for run in runs]
    group_P = groups_of([question for one in evidence for question in one.questions])
    greedy_P = np.concatenate([one.greedy_P for one in evidence])
    sampling_P = np.concatenate([accuracy_P(one.samples.utility_PK, one.samples.mask_PK) for one in evidence])
    right_P = np.concatenate([one.samples.utility_PK.max(axis=1) for one in evidence])
    ratios: dict[tuple[str, ...], Ratio] = {
        ("greedy",): mean_over_problems(greedy_P, "greedy accuracy", (0, 1)),
        ("sampling",): mean_over_problems(sampling_P, "accuracy of one sample", (0, 1)),
        ("coverage",): mean_over_problems(right_P, "share of problems with a right response", (0, 1)),
    }
    for name in SELF_REWARDS:
        curve_PN = np.concatenate([Sharpening(run).accuracy_PN(name) for run in runs])
        last, half = curve_PN[:, -1], curve_PN[:, curve_PN.shape[1] // 2 - 1]
        ratios[name, "gain"], ratios[name, "lift"] = accuracy_gain(last, greedy_P), accuracy_lift(last, greedy_P)
        at_end = mean_over_problems(last, "", (0, 1))
        ratios[name, "over_one"] = difference(at_end, ratios["sampling",], "accuracy at N = K minus that of one sample")
        ratios[name, "over_half"] = difference(at_end, mean_over_problems(half, "", (0, 1)), "accuracy at N = K minus that at K / 2")
    counts_BP = resample_counts(len(greedy_P), 0, group_P=group_P)
    found = estimate_all(ratios, counts_BP, group_P=group_P)
    cell: dict[str, Any] = {path[0]: value.as_json() for path, value in found.items() if len(path) == 1}
    for name in SELF_REWARDS:
        cell[name] = {path[1]: value.as_json() for path, value in found.items() if path[0] == name and len(path) == 2}
        cell[name]["falls"] = any((cell[name][key]["high"] or 0) < 0 for key in ("over_one", "over_half"))
    return cell


def _figures(found: Mapping[str, Sharpening], base: Path) -> dict[str, float]:
    """What one model is worth, on the problems it was trained on ("train_") and on held-out ones."""
    figures: dict[str, float] = {}
    for prefix, one in (("train_", found["train"]), ("", found["test"])):
        samples = one.run.evidence.samples
        figures |= {
            f"{prefix}accuracy": float(accuracy_P(samples.utility_PK, samples.mask_PK).mean()),
            f"{prefix}greedy": float(one.run.evidence.greedy_P.mean()),
            f"{prefix}best_of_k": float(one.accuracy_PN("logprob")[:, -1].mean()),
            f"{prefix}coverage": float(samples.utility_PK.max(axis=1).mean()),
        }
    return figures | {"base_likelihood": float(np.mean(_likelihoods(found["test"].run, base)))}


def _likelihoods(run: Run, base: Path) -> Floats:
    """log pi_base(y|x) of each problem's first response."""
    from strop.distill.scoring import score_rows
    from strop.harvest import one_of_each

    result: Floats = score_rows(base, one_of_each(run, 0))[:, 0]
    return result


def _over(values: Iterable[float], bounds: tuple[float, float] | None = None) -> dict[str, float | None]:
    """Mean over seeds, and Student's interval, cut at the bounds."""
    seeds = np.array(list(values))
    if len(seeds) < 2:
        return {"value": float(seeds.mean()), "low": None, "high": None}
    reach = t_quantile(0.975, len(seeds) - 1) * float(seeds.std(ddof=1)) / len(seeds) ** 0.5
    low, high = np.clip([seeds.mean() - reach, seeds.mean() + reach], *(bounds or (-np.inf, np.inf)))
    return {"value": float(seeds.mean()), "low": float(low), "high": float(high)}


def _points(estimate: Mapping[str, Any]) -> str:
    if estimate.get("low") is None:
        return "–" if estimate["value"] is None else f"{100 * estimate['value']:+.1f}"
    return f"{100 * estimate['value']:+.1f} [{100 * estimate['low']:.1f}, {100 * estimate['high']:.1f}]"


def _per_cent(figure: Mapping[str, float | None]) -> str:
    return _plain({key: None if value is None else 100 * value for key, value in figure.items()}, 1)


def _plain(figure: Mapping[str, float | None], digits: int = 2) -> str:
    value, low, high = (figure[key] for key in ("value", "low", "high"))
    return f"{value:.{digits}f}" + ("" if low is None else f" [{low:.{digits}f}, {high:.{digits}f}]")
