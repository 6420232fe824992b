"""Sources of chance in a result: training seed, draw of training data, problems, samples.

One model is fine-tuned by SFT-Sharpening on several draws of training problems, with several
training seeds each, and every fit is measured on the same held-out problems. If several models are
given instead, such as trainings of one recipe with other seeds, they are measured as they are. The
table of fits by problems gives the standard deviation that each source adds to one reported
accuracy.

Axes: I fits, D draws of training data, P problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from strop.measure.intervals import Floats, Ratio, difference
from strop.records import Estimate
from strop.run.run import Run
from strop.studies.frame.base import Study
from strop.studies.frame.cost import Cost, cost_of, cost_of_fit
from strop.studies.frame.data import as_frame, estimate_row, in_per_cent, known_values
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.findings import Finding, markdown_table, write_findings
from strop.studies.frame.fits import best_of_n_rows, default_fit, is_fitted
from strop.studies.frame.numbers import count_signs, estimates, format_estimate, short_name
from strop.studies.frame.runs import Runs, RunSpec, Tell
from strop.tasks import Task

PAPER = (
    "standard errors over 3 training seeds (Sharpening, table of SFT-Sharpening); the contribution"
    " of the problems is not separated."
)
NOT_TESTABLE = "Not testable here."
SOURCES = {
    "problems": "draw of problems",
    "change": "draw of problems, of the change against the base",
    "samples": "samples of each problem",
    "data": "draw of training data",
    "training": "training seed",
}

Fit = tuple[int, int]
"""(draw of training data, training seed)."""


@dataclass(frozen=True)
class SeedsStudy(Study):
    """Noise in the accuracy of one model, fine-tuned many times, or of several models.

    ``models``: one model, which is fine-tuned on ``draws`` draws of training data with
    ``trainings`` seeds each; or several models, which are measured as they are.
    """

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

    @property
    def _fine_tunes(self) -> bool:
        return len(self.models) == 1

    def besides(self) -> Iterable[Cost]:
        yield cost_of([self._wanted(model, "test") for model in self.models])
        if self._fine_tunes:
            base = self.models[0]
            train = [self._wanted(base, "train", draw) for draw in range(self.draws)]
            yield cost_of(train)
            fit = cost_of_fit(train[0], self.train_problems, self.epochs)
            measuring = cost_of([self._wanted(base, "test")])
            fits = self.draws * self.trainings
            yield from fits * [fit, measuring]

    def run(self, out: Path, tell: Tell) -> Path:
        runs = Runs(out.parent / "runs", tell)
        base = self._measured(runs, self.models[0])
        fits: dict[Fit, Run] = {}
        if self._fine_tunes:
            for fit, model in self._fine_tuned(runs, out):
                fits[fit] = self._measured(runs, model)
        else:
            for number, model in enumerate(self.models):
                fits[0, number] = self._measured(runs, model)
        findings = [self._finding(base, fits)]
        return write_findings(out, "Sources of noise", self.setting, findings, self.name)

    def _wanted(self, model: str, split: str, draw: int = 0) -> RunSpec:
        return RunSpec(
            model,
            self.task,
            ("logprob",),
            problems=self.problems if split == "test" else self.train_problems,
            samples=self.samples,
            temperature=1.0,
            top_p=1.0,
            seed=self.seed + draw,
            split=split,
        )

    def _measured(self, runs: Runs, model: str) -> Run:
        """Return the run that measures a model on the held-out problems."""
        spec = self._wanted(model, "test")
        runs.make([spec])
        return runs.run(spec)

    def _fine_tuned(self, runs: Runs, out: Path) -> Iterator[tuple[Fit, str]]:
        """Yield each fit and its model. A draw of data without any row to train on has none."""
        base = self.models[0]
        for draw in range(self.draws):
            train = self._wanted(base, "train", draw)
            runs.make([train])
            for training in range(self.trainings):
                data_folder = out / "models" / f"data-{self.seed + draw}"
                folder = data_folder / f"training-{training}"
                trainer = Sft(**default_fit(base, training), epochs=self.epochs)
                if not is_fitted(folder, trainer):
                    # A problem's row is the likeliest of all its samples.
                    rows = best_of_n_rows(runs.run(train), self.samples)
                    if not rows:
                        continue
                    runs.tell(f"{data_folder.name}, {folder.name}")
                    trainer.fit(model_folder(base), rows, folder)
                yield (draw, training), trained_name(base, folder)

    # --- the finding ---

    def _finding(self, base: Run, fits: Mapping[Fit, Run]) -> Finding:
        rows: list[dict[str, Any]] = []
        changes: list[Estimate] = []
        for fit, run in fits.items():
            measured = self._against_base(run, base)
            changes.append(measured["change"])
            draw, training = fit
            label = self._fit_label(fit)
            for quantity, estimate in measured.items():
                row = estimate_row(
                    estimate, fit=label, data=draw, training=training, quantity=quantity
                )
                rows.append(row)
        # A spread needs two fits.
        sources = components(base, fits) if len(fits) > 1 else {}
        for source, estimate in sources.items():
            rows.append(estimate_row(estimate, fit="", quantity=f"sd: {source}"))
        data = as_frame(rows)
        return Finding(
            "seeds",
            f"Where noise comes from: {short_name(self.models[0])} on {base.plan.task.label}",
            PAPER,
            self._seen(sources, changes),
            self._holds(sources),
            data,
            self._figure(data) if fits else None,
            _sources_table(sources) if sources else "",
        )

    def _fit_label(self, fit: Fit) -> str:
        """Return the name of a fit in the data: draw and seed from 1 on, or its model."""
        draw, training = fit
        if self._fine_tunes:
            return f"{draw + 1}.{training + 1}"
        return short_name(self.models[training])

    def _against_base(self, run: Run, base: Run) -> dict[str, Estimate]:
        """Return a fit's accuracy, and its change against the base model on the same problems."""
        accuracy = _accuracy(run)
        change = difference(accuracy, _accuracy(base), "accuracy minus the base model's")
        return estimates(run, {"accuracy": accuracy, "change": change})

    def _seen(self, sources: Mapping[str, Estimate], changes: Sequence[Estimate]) -> str:
        if not sources:
            return "fewer than two models could be measured, so the sources cannot be separated."
        parts = []
        for name, value in sources.items():
            parts.append(f"{SOURCES[name]} {_in_points(value)}")
        text = f"standard deviations in points: {'; '.join(parts)}."
        if self._fine_tunes and changes:
            text += f" Change of accuracy by fit: {count_signs(changes)}."
        return text

    def _holds(self, sources: Mapping[str, Estimate]) -> str:
        known: dict[str, float] = {}
        for name, estimate in sources.items():
            if estimate.value is not None:
                known[name] = estimate.value
        # Models that are given as they are have no draws of training data.
        kinds_of_seeds = [name for name in ("data", "training") if name in known]
        if not kinds_of_seeds:
            return NOT_TESTABLE
        larger_kind = max(kinds_of_seeds, key=lambda name: known[name])
        of_problems = known["change"]
        of_seeds = known[larger_kind]
        if of_problems == of_seeds == 0:
            return "Not testable here: nothing differs."
        comparison = "larger" if of_problems > of_seeds else "smaller"
        return (
            f"For a change against the base model, {self.problems} problems give a {comparison}"
            f" standard deviation ({100 * of_problems:.2f} points) than the larger of the two kinds"
            f" of seeds ({SOURCES[larger_kind]}: {100 * of_seeds:.2f}). A standard error over seeds"
            " that share their problems leaves the problems out. Few seeds give little information"
            " about their own spread: see the intervals. Pre-training seeds are a different source:"
            " several --model measure trainings as they are, and docs/ladder.csv has the standard"
            " deviations of the embedded ones."
        )

    def _figure(self, data: pl.DataFrame) -> Any:
        """Draw every fit with its interval over problems."""
        if self._fine_tunes:
            quantity, y_title = "change", "change against the base, points"
            x_title, angle = "draw of data . training seed", 0
            colour = alt.Color("data:N", sort=None, title="draw of training data")
        else:
            quantity, y_title = "accuracy", "accuracy of one sample, %"
            x_title, angle = None, -30
            colour = None
        shown = in_per_cent(known_values(data.filter(quantity=quantity)))
        # The draws of data are named from 1 on, as text: they are categories.
        shown = shown.with_columns((pl.col("data") + 1).cast(pl.String))
        x = alt.X("fit:N", sort=None, title=x_title, axis=alt.Axis(labelAngle=angle))
        # A change is compared with zero, an accuracy is not.
        layers = [level(0)] if self._fine_tunes else []
        points = points_with_intervals(shown, x, "value:Q", colour, title=y_title, line=False)
        layers.append(points)
        title = alt.Title("intervals over problems", fontSize=10)
        return alt.layer(*layers).properties(width=COLUMN, height=170, title=title)


def _sources_table(sources: Mapping[str, Estimate]) -> str:
    header = [
        "source",
        "standard deviation that it gives to one accuracy, points [95%]",
        "rests on",
    ]
    rows = []
    for name, value in sources.items():
        rows.append([SOURCES[name], _in_points(value), str(value.n)])
    return markdown_table(header, rows)


def _in_points(value: Estimate) -> str:
    return format_estimate(value, 100, ".2f", ".2f")


# --- the analysis of variance ---


def components(base: Run, fits: Mapping[Fit, Run]) -> dict[str, Estimate]:
    """Return the standard deviation that each source gives to one accuracy.

    The accuracy is that of one fit on P problems with K samples each.

    ``problems``: of a fit's accuracy over draws of problems; ``change``: the same for the paired
    change against the base model. ``samples``: over draws of samples. ``training`` and ``data``:
    between the fits' accuracies, less the part that comes from these problems and samples, by the
    analysis of variance of fits by problems; 0 if nothing is left. The variance of the samples
    alone would subtract too much, because all fits sample with the same random numbers.
    """
    value_IP = np.stack([_accuracy(run).above_P for run in fits.values()])
    change_IP = value_IP - _accuracy(base).above_P
    of_samples = [_variance_of_mean_P(run).mean() for run in fits.values()]
    # The variance of one problem's value, as a mean over fits.
    of_one_problem = {
        "problems": np.var(value_IP, axis=1, ddof=1).mean(),
        "change": np.var(change_IP, axis=1, ddof=1).mean(),
        "samples": np.mean(of_samples),
    }
    problems = value_IP.shape[1]
    sources = {}
    for name, variance in of_one_problem.items():
        # The variance of a mean over P problems is 1 / P of that of one.
        of_mean = float(variance) / problems
        sources[name] = _standard_deviation(of_mean, problems - 1, problems)
    draw_I = np.array([draw for draw, _ in fits])
    groups = [value_IP[draw_I == draw] for draw in np.unique(draw_I)]
    return sources | _of_seeds(groups)


def _of_seeds(groups: Sequence[Floats]) -> dict[str, Estimate]:
    """Return the standard deviations between training seeds and between draws of data.

    Each group holds the fits to one draw of data, (I, P). A source is left out if there are no two
    fits that differ by it alone.
    """
    problems = groups[0].shape[1]
    fit_count = sum(map(len, groups))
    sources = {}
    of_training = 0.0
    freedom = fit_count - len(groups)
    if freedom:
        # Fits of one group differ by their training seed alone.
        between = _within_groups(groups) / freedom
        residual = sum(map(_residual, groups))
        noise = residual / (freedom * (problems - 1)) / problems
        sources["training"] = _standard_deviation(between, freedom, fit_count, noise)
        of_training = max(0.0, between - noise)
    if len(groups) > 1:
        mean_DP = np.stack([group.mean(axis=0) for group in groups])
        freedom = len(groups) - 1
        between = float(mean_DP.mean(axis=1).var(ddof=1))
        noise = _residual(mean_DP) / (freedom * (problems - 1)) / problems
        # The mean of a group varies with its training seeds too, by of_training over its size.
        noise += of_training * len(groups) / fit_count
        sources["data"] = _standard_deviation(between, freedom, len(groups), noise)
    return sources


def _within_groups(groups: Sequence[Floats]) -> float:
    """Return the sum of squares of the fits' accuracies about the means of their groups."""
    total = 0.0
    for group in groups:
        # A group of one has no variance, and adds no degree of freedom.
        if len(group) > 1:
            variance = float(group.mean(axis=1).var(ddof=1))
            total += (len(group) - 1) * variance
    return total


def _residual(value_IP: Floats) -> float:
    """Return the sum of squares of a table after its row and column means are subtracted."""
    row_means_I1 = value_IP.mean(axis=1, keepdims=True)
    column_means_1P = value_IP.mean(axis=0, keepdims=True)
    rest_IP = value_IP - row_means_I1 - column_means_1P + value_IP.mean()
    return float((rest_IP**2).sum())


def _standard_deviation(
    variance: float, freedom: int, rests_on: int, noise: float = 0.0
) -> Estimate:
    """Return the root of a variance less the part that is noise.

    The interval is the chi-square interval of the whole variance, less the same noise.
    """
    definition = "standard deviation of an accuracy by this source"
    if variance == 0:
        why = "no difference was seen, so the spread of other draws is unknown"
        return Estimate(0.0, None, None, 0.95, rests_on, definition, why)
    # The lower end belongs to the upper quantile: freedom * variance / sigma^2 is chi-square.
    low = freedom * variance / chi_square(0.975, freedom)
    high = freedom * variance / chi_square(0.025, freedom)

    def root(total: float) -> float:
        # The noise is only estimated, so it may exceed the total.
        return float(max(0.0, total - noise) ** 0.5)

    return Estimate(root(variance), root(low), root(high), 0.95, rests_on, definition)


def chi_square(p: float, freedom: int) -> float:
    """Return the p-quantile of the chi-square distribution, by bisection."""
    low, high = 0.0, 10.0 * freedom + 100
    # Eighty halvings reach the precision of a float from any start.
    for _ in range(80):
        middle = (low + high) / 2
        if _chi_square_cdf(middle, freedom) < p:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _chi_square_cdf(x: float, freedom: int) -> float:
    """Return the distribution function, by the series of the lower incomplete gamma function."""
    shape = freedom / 2
    half = x / 2
    if half == 0:
        return 0.0
    # The first term is taken in logarithms: its factors alone may overflow.
    term = exp(shape * log(half) - half - lgamma(shape + 1))
    total = 0.0
    count = 0
    # Terms rise as long as count < half, so a small one there does not end the series.
    while term > 1e-17 * max(total, 1e-300) or count < half:
        total += term
        count += 1
        term *= half / (shape + count)
        if term == 0:
            break
    return total


def _accuracy(run: Run) -> Ratio:
    samples = run.evidence.samples
    correct_P = accuracy_P(samples.utility_PK, samples.mask_PK)
    return mean_over_problems(correct_P, "accuracy", (0.0, 1.0))


def _variance_of_mean_P(run: Run) -> Floats:
    """Return the variance of each problem's mean over its samples; 0 for a single sample."""
    samples = run.evidence.samples
    count_P = samples.mask_PK.sum(axis=1)
    mean_P = accuracy_P(samples.utility_PK, samples.mask_PK)
    deviation_PK = np.where(samples.mask_PK, samples.utility_PK - mean_P[:, None], 0.0)
    square_P = (deviation_PK**2).sum(axis=1)
    # A single sample has no deviation from its mean: the maximum avoids 0 / 0.
    freedom_P = np.maximum(count_P - 1, 1)
    result: Floats = square_P / freedom_P / count_P
    return result
