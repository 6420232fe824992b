"""Sharpening at inference ("The Sharpening Mechanism", Figures 1 to 6).

The study chooses the best of N samples by self-rewards and compares it with greedy decoding. A seed
is another draw of problems and samples, so more seeds mean more problems; copies of a question are
resampled together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from strop.measure.dominance import Dominance, dominance, within_problem_PK
from strop.records import Estimate
from strop.sharpening import SELF_REWARDS
from strop.studies import sharpening_figures as figures
from strop.studies.frame.base import Study
from strop.studies.frame.data import as_frame, estimate_row
from strop.studies.frame.findings import Finding, markdown_table
from strop.studies.frame.numbers import (
    FOUR_SIZES,
    count_signs,
    format_estimate,
    per_cent,
    points,
    second_or_only,
    short_name,
)
from strop.studies.frame.runs import Runs, RunSpec
from strop.studies.sharpening_cells import Cell, curves, distribution, lifts
from strop.tasks import Task
from strop.text import listed

LIFTS = (
    "lifts over greedy accuracy in most cells for log-probability, up to tens of per cent, fewer "
    "for the length-normalised one and for majority; falls for weak models and where short "
    "responses win (Figures 1a and 2)."
)
CURVES = (
    "accuracy and the log-likelihood of the chosen response rise with N in most cells, and fall in "
    "some (Figures 1b, 3 to 5)."
)
DISTRIBUTIONS = (
    "right responses have higher log-probabilities than wrong ones, in most cells at every level "
    "(Figures 1c and 6)."
)

CellKey = tuple[str, str]
"""Model and task."""
LiftValues = Mapping[CellKey, Mapping[tuple[str, str], Estimate]]
"""The estimates of ``lifts`` of every cell."""
Changes = Mapping[tuple[str, str, str, str], Estimate]
"""The change from N = 1 to N = K by model, task, self-reward and quantity."""


@dataclass(frozen=True)
class SharpeningStudy(Study):
    """``seeds`` is the number of draws of problems, the first of them with ``seed``.

    ``shown`` is the model of the figures of curves and distributions, by default the second.
    """

    models: tuple[str, ...] = FOUR_SIZES
    tasks: tuple[str | Task, ...] = ("arithmetic", "signs", "recall", "sudoku4")
    seeds: int = 3
    problems: int = 200
    samples: int = 32
    seed: int = 0
    shown: str = ""

    name: ClassVar[str] = "sharpening"
    description: ClassVar[str] = (
        "best of N by self-rewards against greedy decoding: lifts, curves over N, log-probabilities"
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
        """Return the model of the figures; ``shown`` may name a model that the study lacks."""
        if self.shown in self.models:
            return self.shown
        return second_or_only(self.models)

    def wanted(self) -> Sequence[RunSpec]:
        wanted: list[RunSpec] = []
        for specs in self._specs().values():
            wanted += specs
        return wanted

    def _specs(self) -> dict[CellKey, list[RunSpec]]:
        """Return the runs of all seeds for each model and task."""
        cells = {}
        seeds = range(self.seed, self.seed + self.seeds)
        for model in self.models:
            for task in self.tasks:
                specs = [self._spec(model, task, seed) for seed in seeds]
                cells[model, specs[0].plan.task.label] = specs
        return cells

    def _spec(self, model: str, task: str | Task, seed: int) -> RunSpec:
        return RunSpec(
            model,
            task,
            SELF_REWARDS,
            problems=self.problems,
            samples=self.samples,
            temperature=1.0,
            top_p=1.0,
            seed=seed,
        )

    def findings(self, runs: Runs) -> Iterator[Finding]:
        cells = {}
        for key, specs in self._specs().items():
            cells[key] = Cell([runs.run(spec) for spec in specs])
        yield self._lift_finding(cells)
        yield self._curve_finding(cells)
        yield self._distribution_finding(cells)

    # --- lifts ---

    def _lift_finding(self, cells: Mapping[CellKey, Cell]) -> Finding:
        values = {key: lifts(cell) for key, cell in cells.items()}
        rows = []
        for (model, task), of_cell in values.items():
            truncated = cells[model, task].truncated()
            for (reward, quantity), value in of_cell.items():
                row = estimate_row(
                    value,
                    model=model,
                    task=task,
                    reward=reward,
                    quantity=quantity,
                    truncated=truncated,
                )
                rows.append(row)
        data = as_frame(rows)
        return Finding(
            "sharpening-lifts",
            f"Best of {self.samples} against greedy decoding: lift in per cent of greedy accuracy",
            LIFTS,
            _lifts_seen(values),
            self._lifts_hold(values),
            data,
            figures.heatmaps(data, self.samples),
            _lift_table(values),
        )

    def _lifts_hold(self, values: LiftValues) -> str:
        gains = 0
        risen = 0
        falling = []
        for (model, task), of_cell in values.items():
            for reward in SELF_REWARDS:
                gains += 1
                if of_cell[reward, "gain"].interval_sign > 0:
                    risen += 1
                over_one = of_cell[reward, "over_one"].interval_sign
                over_half = of_cell[reward, "over_half"].interval_sign
                if over_one < 0 or over_half < 0:
                    falling.append(f"{short_name(model)} on {task} by {reward}")
        if risen > gains / 2:
            answer = "In most cells"
        elif risen:
            answer = "In few cells"
        else:
            answer = "Not shown"
        return (
            f"{answer}: {risen} of {gains} gains over greedy lie wholly above zero. The "
            f"change of accuracy from N = 1 or from N = {self.samples // 2} to N = {self.samples} "
            f"lies wholly below zero for {listed(falling)}. Greedy decoding of these models is "
            "strong compared with one sample, because their slips are drawn at random."
        )

    # --- curves ---

    def _curve_finding(self, cells: Mapping[CellKey, Cell]) -> Finding:
        rows = []
        changes = {}
        for (model, task), cell in cells.items():
            values, cell_changes = curves(cell)
            for (reward, quantity, n), value in values.items():
                row = estimate_row(
                    value, model=model, task=task, reward=reward, quantity=quantity, samples=n
                )
                rows.append(row)
            for (reward, quantity), change in cell_changes.items():
                changes[model, task, reward, quantity] = change
        accuracy = _changes_of(changes, "accuracy")
        log_likelihood = _changes_of(changes, "log-likelihood")
        rising = sum(change.interval_sign > 0 for change in accuracy)
        falling = listed(_falling_accuracy(changes))
        data = as_frame(rows)
        return Finding(
            "sharpening-curves",
            "Accuracy and log-likelihood of the chosen response against N "
            f"(figure: {short_name(self._shown)})",
            CURVES,
            f"from N = 1 to N = {self.samples}, all cells and rewards: accuracy, "
            f"{count_signs(accuracy)}; log-likelihood, {count_signs(log_likelihood)}.",
            f"Accuracy rises in {rising} of {len(accuracy)} curves, and falls for "
            f"{falling}. The curves are exact over all subsets of the "
            "samples. The points of a curve use the same samples, so neighbouring points go up and "
            "down together.",
            data,
            figures.curves(data.filter(model=self._shown)),
        )

    # --- log-probabilities ---

    def _distribution_finding(self, cells: Mapping[CellKey, Cell]) -> Finding:
        rows = []
        lines = []
        pooled: list[str] = []
        within: list[str] = []
        for (model, task), cell in cells.items():
            labels = {"model": model, "task": task}
            for row in distribution(cell.logprob_PK, cell):
                rows.append(labels | row)
            pooled_test = _dominance(cell, within_problems=False)
            within_test = _dominance(cell, within_problems=True)
            pooled.append(pooled_test.verdict)
            within.append(within_test.verdict)
            line = [model, task]
            for test in (pooled_test, within_test):
                line += [test.verdict, _failures(test)]
            lines.append(line)
        failures = "right fails; wrong fails (p)"
        header = ["model", "task", "pooled", failures, "within problems", failures]
        # The schema is given because there may be no row: log-probabilities can be unknown.
        data = pl.DataFrame(rows, schema=figures.DISTRIBUTION, orient="row")
        dominating = pooled.count("right dominates")
        return Finding(
            "sharpening-logprobs",
            f"Log-probabilities of right and wrong responses (figure: {short_name(self._shown)})",
            DISTRIBUTIONS,
            f"stochastic dominance at the 5% level over {len(pooled)} cells: pooled, "
            f"{_count_each(pooled)}; each response against its own problem's mean, "
            f"{_count_each(within)}.",
            f"Right responses dominate in {dominating} of {len(pooled)} cells. In cells that are "
            "not told apart, neither kind is shown to dominate. The failure of one kind is the "
            "largest amount by which its distribution function lies above the other; problems are "
            "resampled.",
            data,
            figures.distributions(data.filter(model=self._shown)),
            markdown_table(header, lines),
        )


def _lifts_seen(values: LiftValues) -> str:
    """Return how many gains lie above and below zero, and the largest gain."""
    parts = []
    for reward in SELF_REWARDS:
        gains = [of_cell[reward, "gain"] for of_cell in values.values()]
        parts.append(f"{reward}: {count_signs(gains)}")
    return (
        f"gain in points over greedy, {len(values)} cells: {'; '.join(parts)}."
        f"{_largest_gain(values)}"
    )


def _largest_gain(values: LiftValues) -> str:
    """Return a sentence about the largest gain, if any gain is known."""
    gains = []
    for (model, task), of_cell in values.items():
        for reward in SELF_REWARDS:
            gain = of_cell[reward, "gain"]
            if gain.value is not None:
                gains.append((f"{reward} of {short_name(model)} on {task}", gain))
    if not gains:
        return ""
    label, largest = max(gains, key=lambda entry: entry[1].value or 0.0)
    return f" The largest gain: {points(largest)} points, {label}."


def _lift_table(values: LiftValues) -> str:
    lines = []
    for (model, task), of_cell in values.items():
        accuracies = [per_cent(of_cell["", name]) for name in ("greedy", "sampling", "coverage")]
        cells = []
        for reward in SELF_REWARDS:
            gain = points(of_cell[reward, "gain"])
            # A lift is relative, so whole per cents are precise enough.
            lift = format_estimate(of_cell[reward, "lift"], 100, "+.0f", ".0f")
            cells.append(f"{gain}; {lift}")
        lines.append([model, task, *accuracies, *cells])
    columns = [f"{reward}: gain, points; lift, %" for reward in SELF_REWARDS]
    header = ["model", "task", "greedy, %", "one sample, %", "coverage, %", *columns]
    return markdown_table(header, lines)


def _changes_of(changes: Changes, quantity: str) -> list[Estimate]:
    """Return the changes of one quantity, over all cells and self-rewards."""
    return [change for (*_, name), change in changes.items() if name == quantity]


def _falling_accuracy(changes: Changes) -> list[str]:
    """Return the curves of accuracy that fall from N = 1 to N = K."""
    falling = []
    for (model, task, reward, quantity), change in changes.items():
        if quantity == "accuracy" and change.interval_sign < 0:
            falling.append(f"{short_name(model)} on {task} by {reward} ({points(change)})")
    return falling


def _dominance(cell: Cell, within_problems: bool) -> Dominance:
    """Test the dominance of right responses, pooled or against the mean of each problem."""
    value_PK = cell.logprob_PK
    if within_problems:
        value_PK = within_problem_PK(value_PK, cell.mask_PK)
    return dominance(value_PK, cell.utility_PK, cell.mask_PK, cell.counts_BP)


def _failures(test: Dominance) -> str:
    """Return by how much each kind fails to dominate, with the p-values."""
    if test.right_fails is None or test.wrong_fails is None:
        return test.why or "–"
    right = f"{test.right_fails:.2f} ({test.right_p:.3f})"
    wrong = f"{test.wrong_fails:.2f} ({test.wrong_p:.3f})"
    return f"{right}; {wrong}"


def _count_each(verdicts: Sequence[str]) -> str:
    """Return each verdict with its count, such as ``right dominates in 3 and ...``."""
    # In the order of their first cells.
    different = dict.fromkeys(verdicts)
    return listed(f"{verdict} in {verdicts.count(verdict)}" for verdict in different)
