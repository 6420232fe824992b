"""Compute-optimal verification, an open question of "Mind the Gap" (section 4.2).

The study asks two questions. First, the responses are given: K responses of one generator to each
problem. Which verifier, verifying model and number of verifications give the largest gap for a
budget of FLOPs? Second, nothing is given. Which model, number of samples and way of choosing give
the most accurate single answer for a budget of FLOPs per problem?

The FLOPs are those that the runs spent, divided evenly over their responses. The best choice for a
budget is cross-fitted over problems: it is chosen on other problems than those it is judged on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import altair as alt
import numpy as np
import polars as pl

from strop.measure.crossfit import crossfit
from strop.measure.gap import accuracy_P, mean_over_problems
from strop.measure.intervals import Floats
from strop.measure.majority import majority_curve_PN
from strop.measure.selection import selection_curve_PN
from strop.records import Estimate
from strop.run.analysis import MAJORITY, sparse
from strop.run.run import Run
from strop.run.verification import stage_name
from strop.studies.draws import gaps_by_draws
from strop.studies.frame.base import Study
from strop.studies.frame.data import as_frame, estimate_row, in_per_cent, known_values
from strop.studies.frame.figures import COLUMN, flops_axis, level
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    FOUR_SIZES,
    THREE_SIZES,
    estimates,
    per_cent,
    points,
    second_or_only,
    short_name,
)
from strop.studies.frame.runs import Runs, RunSpec, run_grid
from strop.tasks import Task
from strop.text import slug

BUDGETS = 8
BEST = "best for the budget"
PAPER = (
    "names the compute-optimal choice of generator, verifier and verification as an open "
    "question (section 4.2)."
)


@dataclass(frozen=True)
class Option:
    """One way to spend compute: its cost in FLOPs, and the value that each problem gets from it."""

    label: str
    kind: str
    model: str
    flops: float
    value_P: Floats


class BestChoice(NamedTuple):
    """The option that most folds choose within a budget of FLOPs, and its cross-fitted value."""

    budget: float
    label: str
    value: Estimate


@dataclass(frozen=True)
class ComputeStudy(Study):
    """All ``models`` verify the responses of ``generator``, up to ``draws`` times each."""

    models: tuple[str, ...] = FOUR_SIZES
    generator: str = ""
    tasks: tuple[str | Task, ...] = ("arithmetic",)
    verifiers: tuple[str, ...] = ("mc", "cot-binary", "cot-score")
    draws: int = 4
    problems: int = 100
    samples: int = 16
    seed: int = 0

    name: ClassVar[str] = "compute"
    description: ClassVar[str] = "the best use of a budget of FLOPs: verifier, draws and model"

    @classmethod
    def quick(cls) -> ComputeStudy:
        return cls(models=THREE_SIZES, draws=2, problems=48)

    @property
    def _generator(self) -> str:
        """The given generator, or the second of the models if none is given."""
        return self.generator or second_or_only(self.models)

    def _verified_specs(self) -> dict[str, RunSpec]:
        """Return the generator's run of each task, verified by all models."""
        # The generator verifies its own responses without being named as a judge.
        judges = tuple(model for model in self.models if model != self._generator)
        specs = {}
        for task in self.tasks:
            spec = RunSpec(
                self._generator,
                task,
                self.verifiers,
                judges,
                self.draws,
                problems=self.problems,
                samples=self.samples,
                seed=self.seed,
            )
            specs[spec.plan.task.label] = spec
        return specs

    def _answer_specs(self) -> dict[tuple[str, str], RunSpec]:
        """Return each model's own run, with every way to choose one of its responses."""
        return run_grid(self, verifiers=(*self.verifiers, "logprob", MAJORITY))

    def wanted(self) -> Sequence[RunSpec]:
        return [*self._verified_specs().values(), *self._answer_specs().values()]

    def findings(self, runs: Runs) -> Iterator[Finding]:
        answer_specs = self._answer_specs()
        for task, spec in self._verified_specs().items():
            suffix = "" if len(self.tasks) == 1 else f"-{slug(task)}"
            yield self._verification_finding(runs.run(spec), task, suffix)
            answer_runs = [runs.run(answer_specs[model, task]) for model in self.models]
            yield self._answer_finding(answer_runs, task, suffix)

    def _verification_finding(self, run: Run, task: str, suffix: str) -> Finding:
        options = list(verification_options(run, self.verifiers, self.models))
        best = frontier(run, options, (-1.0, 1.0))
        data = _data(run, options, best, "gap")
        generator = short_name(self._generator)
        largest = _summary(best, points, " points")
        return Finding(
            f"compute-verification{suffix}",
            f"What verification FLOPs buy: {run.plan.samples} responses of {generator} to each "
            f"problem, {task}",
            PAPER,
            "the largest gap for a budget of verification FLOPs per response, cross-fitted, at the "
            f"smallest, middle and largest budget: {largest}.",
            f"{_saturation(best)} The verifiers of this study write about the same number of "
            "tokens at every size, so the FLOPs depend on the size of the verifying model.",
            data,
            _figure(data, "verification FLOPs per response", "gap, points", zero=True),
            _table(best, "best gap, points", points),
        )

    def _answer_finding(self, runs: Sequence[Run], task: str, suffix: str) -> Finding:
        options: list[Option] = []
        for model_run in runs:
            options += answer_options(model_run, self.verifiers)
        # All runs hold the same problems, so that the first one's folds and resamples serve all.
        run = runs[0]
        best = frontier(run, options, (0.0, 1.0))
        data = _data(run, options, best, "accuracy")
        most_accurate = _summary(best, per_cent, "%")
        return Finding(
            f"compute-answer{suffix}",
            f"What FLOPs per problem buy: one answer, {task}",
            PAPER,
            "the best accuracy for a budget of FLOPs per problem, cross-fitted, at the smallest, "
            f"middle and largest budget: {most_accurate}.",
            f"{_saturation(best)} The FLOPs of a prompt are divided over the {run.plan.samples} "
            "samples that the runs drew, so a small number of samples looks a little cheaper than "
            "it is.",
            data,
            _figure(data, "FLOPs per problem", "accuracy, %"),
            _table(best, "best accuracy, %", per_cent),
        )


def verification_options(
    run: Run, verifiers: Sequence[str], judges: Sequence[str]
) -> Iterator[Option]:
    """Yield every verifier, verifying model and number of verifications (1, 2, 4, ...).

    The value of an option is each problem's gap.
    """
    for judge in judges:
        for verifier in verifiers:
            stage = stage_name(verifier, judge, run.plan.model)
            gap_by_draws = gaps_by_draws(run, stage)
            most_draws = max(gap_by_draws)
            # The stage holds all draws of all responses.
            stage_flops = run.usage_by_stage[f"scores/{stage}"].flops
            flops_per_draw = stage_flops / run.responses.height / most_draws
            for draws in sparse(most_draws):
                yield Option(
                    label=f"{verifier} x {draws} by {short_name(judge)}",
                    kind=verifier,
                    model=short_name(judge),
                    flops=draws * flops_per_draw,
                    value_P=gap_by_draws[draws].above_P,
                )


def answer_options(run: Run, verifiers: Sequence[str]) -> Iterator[Option]:
    """Yield every way to get one answer from a model.

    The answer is a sample, the greedy response, the majority vote, the likeliest response, or the
    best of N by the model's own verification.
    """
    evidence = run.evidence
    samples = evidence.samples
    model = short_name(run.plan.model)
    usage = run.usage_by_stage
    responses = run.responses.height
    # Choosing one of N costs N responses and N scores.
    flops_per_response = usage["responses"].flops / responses
    sample_P = accuracy_P(samples.utility_PK, samples.mask_PK)
    yield Option(f"one sample of {model}", "sample", model, flops_per_response, sample_P)
    greedy_flops = usage["greedy"].flops / run.plan.problems
    yield Option(f"greedy by {model}", "greedy", model, greedy_flops, evidence.greedy_P)

    # Column n - 1 of a curve holds each problem's value of the best of n.
    curves = {MAJORITY: majority_curve_PN(evidence.answer_PK, samples.utility_PK, samples.mask_PK)}
    for verifier in (*verifiers, "logprob"):
        score_PK = evidence.judges[verifier].score_PK
        curves[verifier] = selection_curve_PN(score_PK, samples.utility_PK, samples.mask_PK)
    for kind, curve_PN in curves.items():
        flops_per_score = usage[f"scores/{kind}"].flops / responses
        # N = 1 is the single sample above, so the sweep starts at its second entry.
        for n in sparse(curve_PN.shape[1])[1:]:
            yield Option(
                label=f"best of {n} by {kind}, {model}",
                kind=kind,
                model=model,
                flops=n * (flops_per_response + flops_per_score),
                value_P=curve_PN[:, n - 1],
            )


def frontier(run: Run, options: Sequence[Option], bounds: tuple[float, float]) -> list[BestChoice]:
    """Return the best affordable option at each of ``BUDGETS`` budgets, evenly spaced in log."""
    # Axis C: the options to choose from.
    flops_C = np.array([option.flops for option in options])
    value_PC = np.stack([option.value_P for option in options], axis=1)
    # An option that is undefined on a problem cannot be compared with the others.
    known_C = np.isfinite(value_PC).all(axis=0)
    folds_P = run.evidence.folds_P
    best = []
    cheapest, dearest = flops_C[known_C].min(), flops_C[known_C].max()
    for budget in np.geomspace(cheapest, dearest, BUDGETS):
        # geomspace rounds its ends; the tolerance keeps the options there affordable.
        affordable = np.flatnonzero(known_C & (flops_C <= budget * (1 + 1e-9)))
        value_PA = value_PC[:, affordable]
        # The same values choose and are measured, on different problems.
        fit = crossfit(value_PA, value_PA, folds_P, run.counts_BP, bounds)
        # A fold that could choose nothing has -1.
        choices = fit.chosen_F[fit.chosen_F >= 0]
        most_chosen = np.bincount(choices).argmax()
        label = options[affordable[most_chosen]].label
        best.append(BestChoice(float(budget), label, fit.crossfitted))
    return best


def _data(
    run: Run, options: Sequence[Option], best: Sequence[BestChoice], quantity: str
) -> pl.DataFrame:
    """Return one row for each option, then one for the best choice of each budget."""
    ratios = {}
    for index, option in enumerate(options):
        ratios[index] = mean_over_problems(option.value_P, quantity)
    values = estimates(run, ratios)
    rows = []
    for index, option in enumerate(options):
        row = estimate_row(
            values[index],
            option=option.label,
            kind=option.kind,
            model=option.model,
            flops=option.flops,
        )
        rows.append(row)
    for budget, label, value in best:
        rows.append(estimate_row(value, option=label, kind=BEST, model="", flops=budget))
    return as_frame(rows)


def _summary(best: Sequence[BestChoice], write: Callable[[Estimate], str], unit: str) -> str:
    """Return the best choices of the smallest, middle and largest budget in words."""
    # A set, because a single budget is all three.
    indices = sorted({0, len(best) // 2, len(best) - 1})
    parts = []
    for index in indices:
        budget, label, value = best[index]
        parts.append(f"{budget:.1e} FLOPs: {write(value)}{unit}, mostly {label}")
    return "; ".join(parts)


def _saturation(best: Sequence[BestChoice]) -> str:
    """Return a sentence about the budget from which on no further gain is visible."""
    largest = best[-1]
    lowest = largest.value.low
    if largest.value.value is None or lowest is None:
        return "The value of the largest budget is not known."
    enough = largest.budget
    # Budgets rise, so the first match is the smallest one.
    for budget, _, value in best:
        if value.value is not None and value.value >= lowest:
            enough = budget
            break
    if enough == largest.budget:
        comparison = (
            f"No smaller budget reaches the interval of the largest one ({enough:.1e} FLOPs)"
        )
    else:
        comparison = (
            f"From {enough:.1e} FLOPs on, the best choice lies within the interval of the largest "
            f"budget ({largest.budget:.1e})"
        )
    return f"{comparison}; the paper leaves the question open, so there is no claim to test."


def _table(best: Sequence[BestChoice], title: str, write: Callable[[Estimate], str]) -> str:
    lines = []
    for budget, label, value in best:
        lines.append([f"{budget:.1e}", write(value), label])
    return markdown_table(["budget, FLOPs", title, "chosen by most folds"], lines)


def _figure(data: pl.DataFrame, x_title: str, y_title: str, zero: bool = False) -> Any:
    shown = in_per_cent(known_values(data))
    options = shown.filter(pl.col("kind") != BEST)
    best = shown.filter(kind=BEST)
    x = flops_axis(x_title)
    y = alt.Y("value:Q", title=y_title)
    legend = alt.Legend(columns=4, symbolOpacity=1)
    colour = alt.Color("kind:N", sort=None, title=None, legend=legend)
    dots = alt.Chart(options).mark_point(filled=True, size=22, opacity=0.75)
    dots = dots.encode(x=x, y=y, color=colour)
    line = alt.Chart(best).mark_line(color="black", strokeWidth=1.2, interpolate="step-after")
    line = line.encode(x=x, y="value:Q")
    spans = alt.Chart(best).mark_rule(color="black", strokeWidth=1, opacity=0.6)
    spans = spans.encode(x=x, y="low:Q", y2="high:Q")
    # Later layers cover earlier ones: the dots lie on top.
    layers = [spans, line, dots]
    if zero:
        layers.insert(0, level(0))
    return alt.layer(*layers).properties(
        width=COLUMN,
        height=190,
        title="dots: single choices; line: best for the budget, cross-fitted",
    )
