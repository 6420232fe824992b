"""How much of a result is chance, and whose: the training seed, the draw of training data, the problems, the samples?

One model is fine-tuned (SFT-Sharpening) on several draws of training problems, with several training seeds each, and every fit is measured
on the same held-out problems. Or several models are given, trainings of one recipe with other seeds, and measured as they are. From the
table of fits by problems follow the standard deviations that each source gives to one reported accuracy.

Axes: I fits, P problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import exp, lgamma, log
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.distill import Sft
from strop.engines import model_folder, trained_name
from strop.measure.gap import accuracy_P, mean_over_problems
from strop.measure.intervals import Floats, difference
from strop.records import Estimate
from strop.run.run import Run
from strop.studies.frame.base import Finding, Study, Tell, markdown_table, write_findings
from strop.studies.frame.cost import Cost, cost_of, cost_of_fit
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.fits import best_of, holds, usual
from strop.studies.frame.numbers import estimates, short, tally, told, written
from strop.studies.frame.runs import Runs, RunSpec
from strop.tasks import Task

PAPER = "standard errors over 3 training seeds (Sharpening, table of SFT-Sharpening); how much problems contribute is not told apart."
SOURCES = {
    "problems": "draw of problems",
    "change": "draw of problems, of the change against the base",
    "samples": "samples of each problem",
    "data": "draw of training data",
    "training": "training seed",
}


@dataclass(frozen=True)
class SeedsStudy(Study):
    """``models``: one, fine-tuned on ``draws`` draws of training data with ``trainings`` seeds each; or several, taken as they are."""

    models: tuple[str, ...] = ("ladder/125k",)
    task: str | Task = "arithmetic"
    draws: int = 3
    trainings: int = 3
    problems: int = 200
    train_problems: int = 200
    samples: int = 32
    epochs: float = 2.0
    seed: int = 0

    name: ClassVar[str] = "seeds"
    description: ClassVar[str] = (
        "training seeds, training data, problems and samples as sources of noise"
    )

    @classmethod
    def quick(cls) -> SeedsStudy:
        return cls(draws=2, trainings=2, problems=48, train_problems=32, samples=8)

    def besides(self) -> Iterable[Cost]:
        yield cost_of([self._wanted(model, "test") for model in self.models])
        if len(self.models) == 1:
            train = [self._wanted(self.models[0], "train", draw) for draw in range(self.draws)]
            yield cost_of(train)
            fit = cost_of_fit(train[0], self.train_problems, self.epochs)
            yield from (
                self.draws * self.trainings * [fit, cost_of([self._wanted(self.models[0], "test")])]
            )

    def run(self, out: Path, tell: Tell) -> Path:
        runs = Runs(out.parent / "runs", tell)
        base = self._measured(runs, self.models[0])
        fits = {
            (0, number): self._measured(runs, model) for number, model in enumerate(self.models)
        }
        if len(self.models) == 1:
            fits = {key: self._measured(runs, model) for key, model in self._fitted(runs, out)}
        return write_findings(
            out, "Sources of noise", self.setting, [self._finding(base, fits)], self.name
        )

    def _wanted(self, model: str, split: str, draw: int = 0) -> RunSpec:
        problems = self.problems if split == "test" else self.train_problems
        return RunSpec(
            model,
            self.task,
            ("logprob",),
            problems=problems,
            samples=self.samples,
            temperature=1.0,
            top_p=1.0,
            seed=self.seed + draw,
            split=split,
        )

    def _measured(self, runs: Runs, model: str) -> Run:
        runs.make([self._wanted(model, "test")])
        return runs.run(self._wanted(model, "test"))

    def _fitted(self, runs: Runs, out: Path) -> Iterator[tuple[tuple[int, int], str]]:
        """((draw of data, training seed), model). A draw from which nothing can be learned gives none."""
        base = self.models[0]
        for draw in range(self.draws):
            runs.make([self._wanted(base, "train", draw)])
            for training in range(self.trainings):
                folder = out / "models" / f"data-{self.seed + draw}" / f"training-{training}"
                trainer = Sft(**usual(base, training), epochs=self.epochs)
                if not holds(folder, trainer):
                    rows = best_of(runs.run(self._wanted(base, "train", draw)), self.samples)
                    if not rows:
                        continue
                    runs.tell(f"{folder.parent.name}, {folder.name}")
                    trainer.fit(model_folder(base), rows, folder)
                yield (draw, training), trained_name(base, folder)

    def _finding(self, base: Run, fits: Mapping[tuple[int, int], Run]) -> Finding:
        rows, gains = [], {}
        for (draw, training), run in fits.items():
            gain = _accuracy(run)
            measured = estimates(
                run,
                {
                    "accuracy": gain,
                    "change": difference(gain, _accuracy(base), "accuracy minus the base model's"),
                },
            )
            gains[draw, training] = measured["change"]
            label = (
                short(self.models[training])
                if len(self.models) > 1
                else f"{draw + 1}.{training + 1}"
            )
            rows += [
                {"fit": label, "data": draw, "training": training, "quantity": quantity}
                | told(value)
                for quantity, value in measured.items()
            ]
        sources = components(base, fits) if len(fits) > 1 else {}
        data = pl.DataFrame(
            rows
            + [
                {"fit": "", "quantity": f"sd: {source}"} | told(value)
                for source, value in sources.items()
            ],
            infer_schema_length=None,
        )
        lines = [
            [SOURCES[source], written(value, 100, ".2f", ".2f"), str(value.n)]
            for source, value in sources.items()
        ]
        header = [
            "source",
            "standard deviation that it gives to one accuracy, points [95%]",
            "rests on",
        ]
        compared = gains if len(self.models) == 1 else {}
        return Finding(
            "seeds",
            f"Where noise comes from: {short(self.models[0])} on {base.plan.task.label}",
            PAPER,
            self._seen(sources, compared),
            self._holds(sources),
            data,
            self._figure(data) if rows else None,
            markdown_table(header, lines) if lines else "",
        )

    def _seen(
        self, sources: Mapping[str, Estimate], gains: Mapping[tuple[int, int], Estimate]
    ) -> str:
        if not sources:
            return "fewer than two models could be measured, so nothing can be told apart."
        parts = "; ".join(
            f"{SOURCES[name]} {written(value, 100, '.2f', '.2f')}"
            for name, value in sources.items()
        )
        text = f"standard deviations in points: {parts}."
        return text + (f" Change of accuracy by fit: {tally(gains.values())}." if gains else "")

    def _holds(self, sources: Mapping[str, Estimate]) -> str:
        if not sources:
            return "Not testable here."
        known = {name: value.value for name, value in sources.items() if value.value is not None}
        seeds = max(
            (name for name in ("data", "training") if name in known),
            key=lambda name: known[name],
            default=None,
        )
        if seeds is None:
            return "Not testable here."
        if known["change"] == known[seeds] == 0:
            return "Not testable here: nothing differs."
        larger = "larger" if known["change"] > known[seeds] else "smaller"
        change, worst = (f"{100 * known[name]:.2f}" for name in ("change", seeds))
        return (
            f"For a change against the base model, {self.problems} problems give a {larger} standard deviation ({change} points) than the "
            f"larger of the two kinds of seeds ({SOURCES[seeds]}: {worst}). A standard error over seeds that share their problems leaves "
            "the problems out; few seeds know their own spread badly, see the intervals. Pre-training seeds are another matter: several "
            "--model take trainings as they are, and docs/ladder.csv has the standard deviations of the embedded ones."
        )

    def _figure(self, data: pl.DataFrame) -> Any:
        fitted = len(self.models) == 1
        shown = data.filter(
            pl.col("quantity") == ("change" if fitted else "accuracy"),
            pl.col("value").is_not_null(),
        ).with_columns(pl.col("value", "low", "high") * 100, (pl.col("data") + 1).cast(pl.String))
        title = "draw of data . training seed" if fitted else None
        x = alt.X("fit:N", sort=None, title=title, axis=alt.Axis(labelAngle=0 if title else -30))
        colour = alt.Color("data:N", sort=None, title="draw of training data") if title else None
        what = "change against the base, points" if fitted else "accuracy of one sample, %"
        chart = points_with_intervals(shown, x, "value:Q", colour, title=what, line=False)
        head = alt.Title("intervals over problems", fontSize=10)
        return alt.layer(*([level(0)] if fitted else []), chart).properties(
            width=COLUMN, height=170, title=head
        )


def components(base: Run, fits: Mapping[tuple[int, int], Run]) -> dict[str, Estimate]:
    """The standard deviation that each source gives to one accuracy: of one fit, on P problems, K samples each.

    Problems: of a fit's accuracy, and of its paired change against the base. Samples: what another draw of them would move. Training and
    data: between the fits' accuracies, less what these problems and samples make of it, by the analysis of variance of fits by problems
    (fits draw with the same random numbers, so that samples alone would take away too much); 0 where nothing is left.
    """
    value_IP = np.stack([_accuracy(run).above_P for run in fits.values()])
    problems = value_IP.shape[1]
    own = [run.evidence.samples for run in fits.values()]
    sampling = (
        float(np.mean([_spread_P(one.utility_PK, one.mask_PK).mean() for one in own])) / problems
    )
    of_problems = float(np.mean([np.var(value_P, ddof=1) for value_P in value_IP]) / problems)
    of_change = float(
        np.mean([np.var(value_P - _accuracy(base).above_P, ddof=1) for value_P in value_IP])
        / problems
    )
    found = {
        name: _sd(variance, problems - 1, problems)
        for name, variance in (
            ("problems", of_problems),
            ("change", of_change),
            ("samples", sampling),
        )
    }
    draw_I = np.array([draw for draw, _ in fits])
    groups = [value_IP[draw_I == draw] for draw in dict.fromkeys(draw_I.tolist())]
    freedom = sum(len(group) - 1 for group in groups)
    of_training = 0.0
    if freedom:
        seen = (
            sum(
                (len(group) - 1) * float(group.mean(axis=1).var(ddof=1))
                for group in groups
                if len(group) > 1
            )
            / freedom
        )
        noise = sum(_residual(group) for group in groups) / (freedom * (problems - 1)) / problems
        found["training"], of_training = (
            _sd(seen, freedom, len(value_IP), noise),
            max(0.0, seen - noise),
        )
    if len(groups) > 1:
        mean_DP = np.stack([group.mean(axis=0) for group in groups])
        noise = _residual(mean_DP) / (
            (len(groups) - 1) * (problems - 1)
        ) / problems + of_training * len(groups) / len(value_IP)
        found["data"] = _sd(
            float(mean_DP.mean(axis=1).var(ddof=1)), len(groups) - 1, len(groups), noise
        )
    return found


def _residual(value_IP: Floats) -> float:
    """The sum of squares that is left of a table when its rows' and columns' means are taken away."""
    rest_IP = (
        value_IP
        - value_IP.mean(axis=1, keepdims=True)
        - value_IP.mean(axis=0, keepdims=True)
        + value_IP.mean()
    )
    return float((rest_IP**2).sum())


def _sd(variance: float, freedom: int, rests_on: int, noise: float = 0.0) -> Estimate:
    """The root of a variance less the part that is noise; the interval is chi-square's on the whole variance, less the same."""
    definition = "standard deviation of an accuracy by this source"
    if variance == 0:
        return Estimate(
            0.0,
            None,
            None,
            0.95,
            rests_on,
            definition,
            "no difference was seen, which says nothing of others",
        )
    low, high = (freedom * variance / chi_square(p, freedom) for p in (0.975, 0.025))
    root = [float(max(0.0, one - noise) ** 0.5) for one in (variance, low, high)]
    return Estimate(root[0], root[1], root[2], 0.95, rests_on, definition)


def chi_square(p: float, freedom: int) -> float:
    """The quantile, by bisection."""
    low, high = 0.0, 10.0 * freedom + 100
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _chi_square_cdf(middle, freedom) < p else (low, middle)
    return (low + high) / 2


def _chi_square_cdf(x: float, freedom: int) -> float:
    """The series of the lower incomplete gamma function."""
    shape, half = freedom / 2, x / 2
    term = exp(shape * log(half) - half - lgamma(shape + 1)) if half else 0.0
    total, count = 0.0, 0
    while term > 1e-17 * max(total, 1e-300) or count < half:
        total, count = total + term, count + 1
        term *= half / (shape + count)
        if term == 0:
            break
    return total


def _accuracy(run: Run) -> Any:
    samples = run.evidence.samples
    return mean_over_problems(
        accuracy_P(samples.utility_PK, samples.mask_PK), "accuracy", (0.0, 1.0)
    )


def _spread_P(utility_PK: Floats, mask_PK: Any) -> Floats:
    """The variance of each problem's mean over its samples; 0 where there is one sample."""
    count_P = mask_PK.sum(axis=1)
    mean_P1 = accuracy_P(utility_PK, mask_PK)[:, None]
    square_P = (np.where(mask_PK, utility_PK - mean_P1, 0.0) ** 2).sum(axis=1)
    result: Floats = square_P / np.maximum(count_P - 1, 1) / count_P
    return result
