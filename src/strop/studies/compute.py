"""Compute-optimal verification, which "Mind the Gap" leaves open (section 4.2): which verifier, how often, which model, for so many FLOPs?

First the responses are given, K of one generator to each problem: what is the largest gap that so many FLOPs of verification buy? Then
nothing is given: what is the most accurate single answer that so many FLOPs a problem buy, by whichever model, number of samples and way of
choosing? FLOPs are those that the runs spent, divided evenly over their responses. The best choice for a budget is cross-fitted over
problems: chosen on other problems than it is judged on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

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
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.figures import COLUMN, level
from strop.studies.frame.numbers import estimates, per_cent, points, short, told
from strop.studies.frame.runs import Runs, RunSpec, each
from strop.tasks import Task
from strop.text import slug

BUDGETS = 8
PAPER = "names the compute-optimal choice of generator, verifier and verification as an open question (section 4.2)."


@dataclass(frozen=True)
class Option:
    """One way to spend compute: what it costs, and what each problem gets of it."""

    label: str
    kind: str
    model: str
    flops: float
    value_P: Floats


@dataclass(frozen=True)
class ComputeStudy(Study):
    """``generator``: whose responses are verified by all ``models``, up to ``draws`` times each."""

    models: tuple[str, ...] = ("ladder/40k", "ladder/125k", "ladder/250k", "ladder/400k")
    generator: str = ""
    tasks: tuple[str | Task, ...] = ("arithmetic",)
    verifiers: tuple[str, ...] = ("mc", "cot-binary", "cot-score")
    draws: int = 4
    problems: int = 100
    samples: int = 16
    seed: int = 0

    name: ClassVar[str] = "compute"
    description: ClassVar[str] = "which verifier, how often, which model, for a budget of FLOPs"

    @classmethod
    def quick(cls) -> ComputeStudy:
        return cls(models=("ladder/40k", "ladder/125k", "ladder/250k"), draws=2, problems=48)

    @property
    def _generator(self) -> str:
        """The one asked for, else the second of the models."""
        return self.generator or self.models[min(1, len(self.models) - 1)]

    def _judged(self) -> dict[str, RunSpec]:
        judges = tuple(model for model in self.models if model != self._generator)
        size: dict[str, Any] = {
            "problems": self.problems,
            "samples": self.samples,
            "seed": self.seed,
        }
        found = [
            RunSpec(self._generator, task, self.verifiers, judges, self.draws, **size)
            for task in self.tasks
        ]
        return {one.plan.task.label: one for one in found}

    def _answering(self) -> dict[tuple[str, str], RunSpec]:
        return each(self, verifiers=(*self.verifiers, "logprob", MAJORITY))

    def wanted(self) -> Sequence[RunSpec]:
        return [*self._judged().values(), *self._answering().values()]

    def findings(self, runs: Runs) -> Iterator[Finding]:
        for task, wanted in self._judged().items():
            ending = "" if len(self.tasks) == 1 else f"-{slug(task)}"
            run = runs.run(wanted)
            yield self._verification(run, task, ending)
            answering = {
                model: runs.run(one)
                for (model, label), one in self._answering().items()
                if label == task
            }
            yield self._answer(answering, task, ending)

    def _verification(self, run: Run, task: str, ending: str) -> Finding:
        options = list(verification_options(run, self.verifiers, self.models))
        rows, best = _measured(run, options, "gap"), frontier(run, options, (-1.0, 1.0))
        data = pl.DataFrame(
            rows + [_row_of(budget, label, value) for budget, label, value in best],
            infer_schema_length=None,
        )
        told_best = "; ".join(
            f"{budget:.1e} FLOPs: {points(value)} points, mostly {label}"
            for budget, label, value in _ends(best)
        )
        title = f"What verification FLOPs buy: {run.plan.samples} responses of {short(self._generator)} to each problem, {task}"
        return Finding(
            f"compute-verification{ending}",
            title,
            PAPER,
            f"largest gap for a budget of verification a response, cross-fitted, at the smallest, middle and largest budget: {told_best}.",
            f"{_growth(best)} The verifiers here write about as long at every size: FLOPs go with the size of the verifying model.",
            data,
            _figure(data, "verification FLOPs a response", "gap, points", zero=True),
            _table(best, "best gap, points", points),
        )

    def _answer(self, of_model: Mapping[str, Run], task: str, ending: str) -> Finding:
        options = [
            option for run in of_model.values() for option in answer_options(run, self.verifiers)
        ]
        run = next(iter(of_model.values()))
        rows, best = _measured(run, options, "accuracy"), frontier(run, options, (0.0, 1.0))
        data = pl.DataFrame(
            rows + [_row_of(budget, label, value) for budget, label, value in best],
            infer_schema_length=None,
        )
        told_best = "; ".join(
            f"{budget:.1e} FLOPs: {per_cent(value)}%, mostly {label}"
            for budget, label, value in _ends(best)
        )
        return Finding(
            f"compute-answer{ending}",
            f"What FLOPs a problem buy: one answer, {task}",
            PAPER,
            f"the best accuracy for a budget, cross-fitted, at the smallest, middle and largest budget: {told_best}.",
            f"{_growth(best)} A prompt's FLOPs are spread over the {run.plan.samples} samples that the runs drew, so that few samples "
            "look a little cheaper than they are.",
            data,
            _figure(data, "FLOPs a problem", "accuracy, %"),
            _table(best, "best accuracy, %", per_cent),
        )


def verification_options(
    run: Run, verifiers: Sequence[str], judges: Sequence[str]
) -> Iterator[Option]:
    """Every verifier, verifying model and number of verifications (1, 2, 4, ..); the value is each problem's gap."""
    for judge in judges:
        for verifier in verifiers:
            stage = stage_name(verifier, judge, run.plan.model)
            by_draws = gaps_by_draws(run, stage)
            each_draw = (
                run.usage_by_stage[f"scores/{stage}"].flops / run.responses.height / max(by_draws)
            )
            for draws in sparse(max(by_draws)):
                label = f"{verifier} x {draws} by {short(judge)}"
                yield Option(
                    label, verifier, short(judge), draws * each_draw, by_draws[draws].above_P
                )


def answer_options(run: Run, verifiers: Sequence[str]) -> Iterator[Option]:
    """One answer of a model: its sample, its greedy response, its vote, its likeliest, or the best of N by its own verdict."""
    evidence, samples, name = run.evidence, run.evidence.samples, short(run.plan.model)
    spent, responses = run.usage_by_stage, run.responses.height
    each_response = spent["responses"].flops / responses
    yield Option(
        f"one sample of {name}",
        "sample",
        name,
        each_response,
        accuracy_P(samples.utility_PK, samples.mask_PK),
    )
    yield Option(
        f"greedy by {name}",
        "greedy",
        name,
        spent["greedy"].flops / run.plan.problems,
        evidence.greedy_P,
    )
    curves = {MAJORITY: majority_curve_PN(evidence.answer_PK, samples.utility_PK, samples.mask_PK)}
    curves |= {
        one: selection_curve_PN(evidence.judges[one].score_PK, samples.utility_PK, samples.mask_PK)
        for one in (*verifiers, "logprob")
    }
    for kind, curve_PN in curves.items():
        judging = spent[f"scores/{kind}"].flops / responses
        for n in sparse(curve_PN.shape[1])[1:]:
            yield Option(
                f"best of {n} by {kind}, {name}",
                kind,
                name,
                n * (each_response + judging),
                curve_PN[:, n - 1],
            )


def frontier(
    run: Run, options: Sequence[Option], bounds: tuple[float, float]
) -> list[tuple[float, str, Estimate]]:
    """(budget, what most folds chose, its cross-fitted value): the best of what a budget affords."""
    cost_C = np.array([option.flops for option in options])
    value_PC = np.stack([option.value_P for option in options], axis=1)
    folds_P = run.evidence.folds_P
    known_C = np.isfinite(value_PC).all(axis=0)
    found = []
    for budget in np.geomspace(cost_C[known_C].min(), cost_C[known_C].max(), BUDGETS):
        afforded = np.flatnonzero(known_C & (cost_C <= budget * (1 + 1e-9)))
        own = crossfit(value_PC[:, afforded], value_PC[:, afforded], folds_P, run.counts_BP, bounds)
        chosen = np.bincount(own.chosen_F[own.chosen_F >= 0]).argmax()
        found.append((float(budget), options[afforded[chosen]].label, own.crossfitted))
    return found


def _measured(run: Run, options: Sequence[Option], quantity: str) -> list[dict[str, Any]]:

    found = estimates(
        run,
        {
            place: mean_over_problems(option.value_P, quantity)
            for place, option in enumerate(options)
        },
    )
    return [
        {"option": option.label, "kind": option.kind, "model": option.model, "flops": option.flops}
        | told(found[place])
        for place, option in enumerate(options)
    ]


def _row_of(budget: float, label: str, value: Estimate) -> dict[str, Any]:
    return {"option": label, "kind": "best for the budget", "model": "", "flops": budget} | told(
        value
    )


def _ends(best: Sequence[tuple[float, str, Estimate]]) -> list[tuple[float, str, Estimate]]:
    return [best[place] for place in sorted({0, len(best) // 2, len(best) - 1})]


def _growth(best: Sequence[tuple[float, str, Estimate]]) -> str:
    """From which budget on nothing more is gained, as far as the intervals tell."""
    last = best[-1][2]
    if last.value is None or last.low is None:
        return "What a budget buys is not known here."
    enough = next(
        budget for budget, _, value in best if value.value is not None and value.value >= last.low
    )
    reached = (
        f"No smaller budget buys what the largest ({enough:.1e} FLOPs) does"
        if enough == best[-1][0]
        else f"From {enough:.1e} FLOPs on, the best choice lies within the interval of what the largest budget ({best[-1][0]:.1e}) buys"
    )
    return f"{reached}; the question is open in the paper, so there is nothing to hold."


def _table(best: Sequence[tuple[float, str, Estimate]], title: str, write: Any) -> str:
    return markdown_table(
        ["budget, FLOPs", title, "chosen by most folds"],
        [[f"{budget:.1e}", write(value), label] for budget, label, value in best],
    )


def _figure(data: pl.DataFrame, x_title: str, y_title: str, zero: bool = False) -> Any:
    shown = data.filter(pl.col("value").is_not_null()).with_columns(
        pl.col("value", "low", "high") * 100
    )
    x = alt.X(
        "flops:Q",
        scale=alt.Scale(type="log", nice=False, padding=10),
        title=x_title,
        axis=alt.Axis(format=".0e", tickCount=4),
    )
    single, best = (
        shown.filter((pl.col("kind") == "best for the budget") == is_best)
        for is_best in (False, True)
    )
    kind = alt.Color("kind:N", sort=None, title=None, legend=alt.Legend(columns=4, symbolOpacity=1))
    dots = (
        alt.Chart(single)
        .mark_point(filled=True, size=22, opacity=0.75)
        .encode(x=x, y=alt.Y("value:Q", title=y_title), color=kind)
    )
    line = (
        alt.Chart(best)
        .mark_line(color="black", strokeWidth=1.2, interpolate="step-after")
        .encode(x=x, y="value:Q")
    )
    spans = (
        alt.Chart(best)
        .mark_rule(color="black", strokeWidth=1, opacity=0.6)
        .encode(x=x, y="low:Q", y2="high:Q")
    )
    layers = [*([level(0)] if zero else []), spans, line, dots]
    return alt.layer(*layers).properties(
        width=COLUMN,
        height=190,
        title="dots: single choices; line: best for the budget, cross-fitted",
    )
