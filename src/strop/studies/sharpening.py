"""Sharpening at inference ("The Sharpening Mechanism", Figures 1 to 6): choose the best of N by self-rewards, against greedy decoding.

A seed is another draw of problems and samples, so seeds only make problems more; copies of a question are resampled together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl

from strop.measure import Ratio, estimate_all, resample_counts
from strop.measure.dominance import Dominance, dominance, within_problem_PK
from strop.measure.gap import Mask, accuracy_P, mean_over_problems
from strop.measure.intervals import Floats, Groups, difference
from strop.measure.lifts import accuracy_gain, accuracy_lift
from strop.measure.pass_at_k import pass_at_k_PN
from strop.measure.selection import selection_curve_PN
from strop.records import Estimate
from strop.run.analysis import groups_of, sparse
from strop.run.run import Run
from strop.sharpening import SELF_REWARDS, Sharpening
from strop.studies import sharpening_figures as figures
from strop.studies.frame.base import Finding, Study, markdown_table
from strop.studies.frame.numbers import listed, per_cent, points, short, side, tally, told, written
from strop.studies.frame.runs import Runs, RunSpec
from strop.tasks import Task

LEVELS = 60
"""Points of a distribution function."""
LIFTS = (
    "lifts over greedy accuracy in most cells for log-probability, up to tens of per cent, fewer for the length-normalised one and for "
    "majority; falls for weak models and where short responses win (Figures 1a and 2)."
)
CURVES = "accuracy and the log-likelihood of the chosen response rise with N in most cells, and fall in some (Figures 1b, 3 to 5)."
DISTRIBUTIONS = "right responses have higher log-probabilities than wrong ones, in most cells at every level (Figures 1c and 6)."


@dataclass(frozen=True)
class Cell:
    """One model on one task: the problems of all its seeds together. ``curves``: accuracy at N of each self-reward, (P, N)."""

    runs: Sequence[Run]

    @cached_property
    def group_P(self) -> Groups | None:
        return groups_of([question for run in self.runs for question in run.evidence.questions])

    @cached_property
    def counts_BP(self) -> Floats:
        return resample_counts(len(self.greedy_P), 0, group_P=self.group_P)

    @cached_property
    def greedy_P(self) -> Floats:
        return np.concatenate([run.evidence.greedy_P for run in self.runs])

    @cached_property
    def utility_PK(self) -> Floats:
        return np.concatenate([run.evidence.samples.utility_PK for run in self.runs])

    @cached_property
    def mask_PK(self) -> Mask:
        return np.concatenate([run.evidence.samples.mask_PK for run in self.runs])

    @cached_property
    def logprob_PK(self) -> Floats:
        return np.concatenate([run.evidence.logprob_PK for run in self.runs])

    def curve_PN(self, reward: str) -> Floats:
        return np.concatenate([Sharpening(run).accuracy_PN(reward) for run in self.runs])

    def nats_PN(self, reward: str) -> Floats | None:
        """Log-likelihood of the response chosen of N; None for majority, which chooses an answer."""
        judges = [run.evidence.judges[reward] for run in self.runs]
        if not judges[0].pointwise:
            return None
        score_PK = np.concatenate([judge.score_PK for judge in judges])
        return selection_curve_PN(score_PK, self.logprob_PK, self.mask_PK)

    def estimates(self, ratios: Mapping[Any, Ratio]) -> dict[Any, Estimate]:
        return estimate_all(ratios, self.counts_BP, group_P=self.group_P)

    def truncated(self) -> int:
        return sum(run.truncated for run in self.runs)


@dataclass(frozen=True)
class SharpeningStudy(Study):
    """``seeds``: draws of problems, from ``seed`` on. ``shown``: the model of the curves' and distributions' figures, else the second."""

    models: tuple[str, ...] = ("ladder/40k", "ladder/125k", "ladder/250k", "ladder/400k")
    tasks: tuple[str | Task, ...] = ("arithmetic", "signs", "recall", "sudoku4")
    seeds: int = 3
    problems: int = 200
    samples: int = 32
    seed: int = 0
    shown: str = ""

    name: ClassVar[str] = "sharpening"
    description: ClassVar[str] = (
        "best of N by self-rewards against greedy, model by task: lifts, curves over N, log-probabilities"
    )

    @classmethod
    def quick(cls) -> SharpeningStudy:
        return cls(
            models=("ladder/25k", "ladder/125k"),
            tasks=("arithmetic", "recall", "sudoku4"),
            seeds=1,
            problems=48,
            samples=16,
        )

    @property
    def _shown(self) -> str:
        return (
            self.shown if self.shown in self.models else self.models[min(1, len(self.models) - 1)]
        )

    def wanted(self) -> Sequence[RunSpec]:
        return [one for cell in self._places().values() for one in cell]

    def _places(self) -> dict[tuple[str, str], list[RunSpec]]:
        size: dict[str, Any] = {
            "problems": self.problems,
            "samples": self.samples,
            "temperature": 1.0,
            "top_p": 1.0,
        }
        found: dict[tuple[str, str], list[RunSpec]] = {}
        for model in self.models:
            for task in self.tasks:
                own = [
                    RunSpec(model, task, SELF_REWARDS, seed=self.seed + number, **size)
                    for number in range(self.seeds)
                ]
                found[model, own[0].plan.task.label] = own
        return found

    def findings(self, runs: Runs) -> Iterator[Finding]:
        cells = {
            place: Cell([runs.run(one) for one in wanted])
            for place, wanted in self._places().items()
        }
        yield self._lifts(cells)
        yield self._curves(cells)
        yield self._distributions(cells)

    # --- lifts ---

    def _lifts(self, cells: Mapping[tuple[str, str], Cell]) -> Finding:
        found = {place: lifts(cell) for place, cell in cells.items()}
        rows = [
            {
                "model": model,
                "task": task,
                "reward": reward,
                "quantity": quantity,
                "truncated": cells[model, task].truncated(),
            }
            | told(value)
            for (model, task), own in found.items()
            for (reward, quantity), value in own.items()
        ]
        gains = {
            (reward, *place): own[reward, "gain"]
            for place, own in found.items()
            for reward in SELF_REWARDS
        }
        falls = [
            f"{short(m)} on {t} by {reward}"
            for (m, t), own in found.items()
            for reward in SELF_REWARDS
            if any(side(own[reward, key]) < 0 for key in ("over_one", "over_half"))
        ]
        parts = [
            f"{reward}: {tally(value for (name, *_), value in gains.items() if name == reward)}"
            for reward in SELF_REWARDS
        ]
        best = max(
            ((place, value) for place, value in gains.items() if value.value is not None),
            key=lambda one: one[1].value or 0.0,
            default=None,
        )
        largest = (
            f" The largest gain: {points(best[1])} points, {best[0][0]} of {short(best[0][1])} on {best[0][2]}."
            if best
            else ""
        )
        risen = sum(side(value) > 0 for value in gains.values())
        lines = [
            [
                m,
                t,
                *(per_cent(own["", name]) for name in ("greedy", "sampling", "coverage")),
                *(
                    f"{points(own[reward, 'gain'])}; {written(own[reward, 'lift'], 100, '+.0f', '.0f')}"
                    for reward in SELF_REWARDS
                ),
            ]
            for (m, t), own in found.items()
        ]
        header = [
            "model",
            "task",
            "greedy, %",
            "one sample, %",
            "coverage, %",
            *(f"{r}: gain, points; lift, %" for r in SELF_REWARDS),
        ]
        data = pl.DataFrame(rows, infer_schema_length=None)
        return Finding(
            "sharpening-lifts",
            f"Best of {self.samples} against greedy decoding: lift in per cent of greedy accuracy",
            LIFTS,
            f"gain in points over greedy, {len(found)} cells: {'; '.join(parts)}.{largest}",
            f"{'In most cells' if 2 * risen > len(gains) else 'In few cells' if risen else 'Not shown'}: {risen} of {len(gains)} gains "
            f"over greedy lie wholly above zero. Accuracy at N = {self.samples} lies wholly below that at N = 1 or at "
            f"N = {self.samples // 2} for {listed(falls)}. Greedy decoding of these models is strong against one sample, as their "
            "slips are drawn by chance.",
            data,
            figures.heatmaps(data, self.samples),
            markdown_table(header, lines),
        )

    # --- curves ---

    def _curves(self, cells: Mapping[tuple[str, str], Cell]) -> Finding:
        rows: list[dict[str, Any]] = []
        changes: dict[tuple[str, str, str, str], Estimate] = {}
        for (model, task), cell in cells.items():
            measured, changed = curves(cell)
            rows += [
                {"model": model, "task": task, "reward": reward, "quantity": quantity, "samples": n}
                | told(value)
                for (reward, quantity, n), value in measured.items()
            ]
            changes |= {
                (model, task, reward, quantity): value
                for (reward, quantity), value in changed.items()
            }
        up = {
            quantity: [value for (*_, kind), value in changes.items() if kind == quantity]
            for quantity in ("accuracy", "log-likelihood")
        }
        fallen = [
            f"{short(m)} on {t} by {reward} ({points(value)})"
            for (m, t, reward, kind), value in changes.items()
            if kind == "accuracy" and side(value) < 0
        ]
        data = pl.DataFrame(rows, infer_schema_length=None)
        cases = len(up["accuracy"])
        rising = sum(side(value) > 0 for value in up["accuracy"])
        return Finding(
            "sharpening-curves",
            f"Accuracy and log-likelihood of the chosen response against N (figure: {short(self._shown)})",
            CURVES,
            f"from N = 1 to N = {self.samples}, all cells and rewards: accuracy, {tally(up['accuracy'])}; log-likelihood, "
            f"{tally(up['log-likelihood'])}.",
            f"Accuracy rises in {rising} of {cases} curves, and falls for {listed(fallen)}. Curves are exact over all subsets of the "
            "samples, and their points share them: neighbouring points go up and down together.",
            data,
            figures.curves(data.filter(pl.col("model") == self._shown)),
        )

    # --- log-probabilities ---

    def _distributions(self, cells: Mapping[tuple[str, str], Cell]) -> Finding:
        rows, lines, verdicts = [], [], []
        for (model, task), cell in cells.items():
            within_PK = within_problem_PK(cell.logprob_PK, cell.mask_PK)
            rows += [
                {"model": model, "task": task} | row for row in distribution(cell.logprob_PK, cell)
            ]
            both = [
                dominance(value_PK, cell.utility_PK, cell.mask_PK, cell.counts_BP)
                for value_PK in (cell.logprob_PK, within_PK)
            ]
            verdicts.append(both)
            lines.append(
                [model, task, *(text for one in both for text in (one.verdict, _fails(one)))]
            )
        counted = [_counted([both[place].verdict for both in verdicts]) for place in (0, 1)]
        header = [
            "model",
            "task",
            "pooled",
            "right fails; wrong fails (p)",
            "within problems",
            "right fails; wrong fails (p)",
        ]
        data = pl.DataFrame(rows, schema=figures.DISTRIBUTION, orient="row")
        won = sum(both[0].verdict == "right dominates" for both in verdicts)
        return Finding(
            "sharpening-logprobs",
            f"Log-probabilities of right and wrong responses (figure: {short(self._shown)})",
            DISTRIBUTIONS,
            f"stochastic dominance at the 5% level over {len(verdicts)} cells: pooled, {counted[0]}; each response against its own "
            f"problem's mean, {counted[1]}.",
            f"Right responses dominate in {won} of {len(verdicts)} cells. A cell that is not told apart shows neither. What fails is the "
            "largest amount by which one distribution function lies above the other; problems are resampled.",
            data,
            figures.distributions(data.filter(pl.col("model") == self._shown)),
            markdown_table(header, lines),
        )


def lifts(cell: Cell) -> dict[tuple[str, str], Estimate]:
    """Of one cell: (self-reward or "", quantity). ``over_one`` and ``over_half``: accuracy at K minus that at 1 and at K / 2, paired."""
    sampling = mean_over_problems(
        accuracy_P(cell.utility_PK, cell.mask_PK), "accuracy of one sample", (0, 1)
    )
    ratios: dict[tuple[str, str], Ratio] = {
        ("", "greedy"): mean_over_problems(cell.greedy_P, "greedy accuracy", (0, 1)),
        ("", "sampling"): sampling,
        ("", "coverage"): mean_over_problems(
            cell.utility_PK.max(axis=1), "share of problems with a right response", (0, 1)
        ),
    }
    for reward in SELF_REWARDS:
        curve_PN = cell.curve_PN(reward)
        last, half = (
            mean_over_problems(curve_PN[:, n - 1], "", (0, 1))
            for n in (curve_PN.shape[1], max(1, curve_PN.shape[1] // 2))
        )
        ratios[reward, "gain"] = accuracy_gain(curve_PN[:, -1], cell.greedy_P)
        ratios[reward, "lift"] = accuracy_lift(curve_PN[:, -1], cell.greedy_P)
        ratios[reward, "over_one"] = difference(
            last, sampling, "accuracy at N = K minus that of one sample"
        )
        ratios[reward, "over_half"] = difference(
            last, half, "accuracy at N = K minus that at K / 2"
        )
    return cell.estimates(ratios)


def curves(
    cell: Cell,
) -> tuple[dict[tuple[str, str, int], Estimate], dict[tuple[str, str], Estimate]]:
    """Values at N = 1, 2, 4, .. of each self-reward, with coverage beside them; and the change from N = 1 to K."""
    pass_PN = pass_at_k_PN(cell.utility_PK, cell.mask_PK)
    ratios: dict[Any, Ratio] = {
        ("greedy", "accuracy", 1): mean_over_problems(cell.greedy_P, "greedy accuracy", (0, 1))
    }
    changes: dict[tuple[str, str], Ratio] = {}
    series: dict[tuple[str, str], Floats] = {("coverage", "accuracy"): pass_PN}
    for reward in SELF_REWARDS:
        series[reward, "accuracy"] = cell.curve_PN(reward)
        if (nats_PN := cell.nats_PN(reward)) is not None:
            series[reward, "log-likelihood"] = nats_PN
    for (reward, quantity), value_PN in series.items():
        bounds = (0.0, 1.0) if quantity == "accuracy" else (-np.inf, 0.0)
        for n in sparse(value_PN.shape[1]):
            ratios[reward, quantity, n] = mean_over_problems(
                value_PN[:, n - 1], f"{quantity} of the chosen of {n}", bounds
            )
        if reward != "coverage":
            ends = [mean_over_problems(value_PN[:, place], quantity, bounds) for place in (-1, 0)]
            changes[reward, quantity] = difference(
                ends[0], ends[1], f"{quantity} at N = K minus that at N = 1"
            )
    return cell.estimates(ratios), cell.estimates(changes)


def distribution(value_PK: Floats, cell: Cell) -> Iterator[dict[str, Any]]:
    """The distribution functions of right and of wrong responses, at levels that cut all but the lowest hundredth evenly."""
    known_PK = cell.mask_PK & np.isfinite(value_PK)
    if not known_PK.any():
        return
    levels = np.unique(np.quantile(value_PK[known_PK], np.linspace(0.01, 1, LEVELS)))
    for kind, of_PK in (("right", cell.utility_PK == 1), ("wrong", cell.utility_PK != 1)):
        values = np.sort(value_PK[known_PK & of_PK])
        if len(values):
            below = np.searchsorted(values, levels, side="right") / len(values)
            yield from (
                {
                    "kind": kind,
                    "logprob": float(level),
                    "below": float(part),
                    "responses": len(values),
                }
                for level, part in zip(levels, below, strict=True)
            )


def _fails(one: Dominance) -> str:
    if one.right_fails is None or one.wrong_fails is None:
        return one.why or "–"
    return f"{one.right_fails:.2f} ({one.right_p:.3f}); {one.wrong_fails:.2f} ({one.wrong_p:.3f})"


def _counted(verdicts: Sequence[str]) -> str:
    return listed(f"{one} in {verdicts.count(one)}" for one in dict.fromkeys(verdicts))
