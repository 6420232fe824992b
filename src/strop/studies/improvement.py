"""Rounds of self-improvement ("Mind the Gap", Algorithm 1, section 5 and Figure 4).

The study follows, round by round, the gap of the model's own verification, the gap of the frozen
base model's verification, accuracy and pass@k. Two controls stand beside it: filtering by the right
answers (oracle) and filtering by a fixed larger verifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import polars as pl

from strop.improvement.course import Course
from strop.studies.frame.base import Study
from strop.studies.frame.cost import Cost, cost_of_course
from strop.studies.frame.courses import (
    Courses,
    Document,
    count_seed_signs,
    interval_signs,
    largest_k,
    mean_at_round,
    mean_change,
    mean_difference,
)
from strop.studies.frame.data import as_frame, estimate_row, in_per_cent, unique_values
from strop.studies.frame.figures import Panel, panels_by, stacked_panels
from strop.studies.frame.findings import Finding, markdown_table, write_findings
from strop.studies.frame.numbers import per_cent, points
from strop.studies.frame.runs import Tell
from strop.tasks import Task, find_task
from strop.text import listed

PLAIN = "own"
"""The arm that filters by the model's own verification."""
SIZES: dict[str, Any] = {"train_problems": 800, "train_samples": 8, "problems": 200, "samples": 16}
QUANTITIES = (
    "accuracy",
    "greedy",
    "gap",
    "gap_base_verifier",
    "gap_filter",
    "train_accuracy",
)
GAPS = ("gap", "gap_base_verifier", "gap_filter")
UNIT = (0.0, 1.0)
"""Accuracies and pass@k are shares."""

Keys = tuple[str, ...]
"""Keys that lead to a number in a round's record, such as ``("pass_at_k", "8")``."""
Arm = tuple[str, str]
"""Task and filter: the model's own verification, the oracle or a fixed verifier."""
Documents = Mapping[Arm, Sequence[Document]]
"""The documents of every arm, one for each seed."""


@dataclass(frozen=True)
class ImprovementStudy(Study):
    """``tasks`` run with every control, ``alone`` with the model's own verification only.

    ``judge`` is the fixed verifier.
    """

    model: str = "ladder/125k"
    tasks: tuple[str | Task, ...] = ("arithmetic", "sudoku4")
    alone: tuple[str | Task, ...] = ("signs",)
    judge: str = "ladder/400k"
    rounds: int = 4
    seeds: int = 3
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    name: ClassVar[str] = "improvement"
    description: ClassVar[str] = (
        "rounds of self-improvement: gaps, accuracy and pass@k, with an oracle and a fixed "
        "verifier as controls"
    )

    @classmethod
    def quick(cls) -> ImprovementStudy:
        return cls(
            model="ladder/40k",
            tasks=("recall",),
            alone=(),
            judge="ladder/125k",
            rounds=2,
            seeds=2,
            sizes={"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8},
        )

    def courses(self) -> dict[Arm, list[Course]]:
        """Return the courses of every arm, one for each seed."""
        plain: dict[str, Any] = {}
        controls: dict[str, dict[str, Any]] = {
            PLAIN: plain,
            "oracle": {"filter_by": "oracle"},
            "fixed": {"verify_with": self.judge},
        }
        courses = {}
        for task in (*self.tasks, *self.alone):
            label = find_task(task).label
            filters = controls if task in self.tasks else {PLAIN: plain}
            for name, settings in filters.items():
                of_seeds = [self._course(task, seed, settings) for seed in range(self.seeds)]
                courses[label, name] = of_seeds
        return courses

    def _course(self, task: str | Task, seed: int, settings: dict[str, Any]) -> Course:
        # The settings of a control come last; those of the plain arm are empty.
        options = self.sizes | settings
        return Course(self.model, find_task(task), "rft", self.rounds, seed=seed, **options)

    def besides(self) -> Iterable[Cost]:
        for of_seeds in self.courses().values():
            yield from map(cost_of_course, of_seeds)

    def run(self, out: Path, tell: Tell) -> Path:
        stored = Courses(out.parent / "courses", tell)
        courses = self.courses()
        documents: dict[Arm, list[Document]] = {}
        for (task, name), of_seeds in courses.items():
            of_arm = []
            for course, plain in zip(of_seeds, courses[task, PLAIN], strict=True):
                # A control reuses the base model's samples of the plain course of its seed.
                of_arm.append(stored.document(course, None if name == PLAIN else plain))
            documents[task, name] = of_arm
        return write_findings(
            out,
            "Rounds of self-improvement",
            self.setting + stored.ended,
            self.findings_of(documents),
            self.name,
        )

    def findings_of(self, documents: Documents) -> Iterator[Finding]:
        """Yield the findings from the documents of the courses."""
        data = as_frame(self._rows(documents))
        yield self._gap_finding(documents, data)
        yield self._diversity_finding(documents, data)
        filters = {name for _, name in documents}
        if len(filters) > 1:
            yield self._control_finding(documents)

    def _rows(self, documents: Documents) -> Iterator[dict[str, Any]]:
        """Yield one row for each task, filter, round and quantity."""
        for (task, name), of_seeds in documents.items():
            paths: dict[str, Keys] = {quantity: (quantity,) for quantity in QUANTITIES}
            for k in of_seeds[0]["rounds"][0]["pass_at_k"]:
                paths[f"pass@{k}"] = ("pass_at_k", k)
            for number in range(self.rounds + 1):
                for quantity, path in paths.items():
                    bounds = (-1.0, 1.0) if quantity in GAPS else UNIT
                    value = mean_at_round(of_seeds, number, *path, bounds=bounds)
                    yield estimate_row(value, task=task, arm=name, round=number, quantity=quantity)

    # --- the gap ---

    def _gap_finding(self, documents: Documents, data: pl.DataFrame) -> Finding:
        seen = []
        gone = []
        remaining = []
        for task, of_seeds in _plain(documents).items():
            seen.append(self._gap_seen(task, of_seeds))
            number = self._round_of_no_gap(of_seeds)
            if number is None:
                remaining.append(task)
            else:
                gone.append(f"{task} (round {number})")
        still_there = ""
        if remaining:
            # These tasks keep more than a tenth of their gap to the end.
            still_there = f", and not within {self.rounds} rounds on {listed(remaining)}"
        return Finding(
            "improvement",
            "The gap, round by round, by the model's own verification and by the frozen base "
            "model's",
            "the gap falls to about zero in two or three rounds, whatever the size of the model "
            "(section 5, Figure 4).",
            " ".join(seen),
            f"The own gap falls below a tenth of its start on {listed(gone)}{still_there}. The "
            "model of this study is small and the tasks are synthetic; the paper trained models of "
            "7B and larger on GSM8K.",
            data,
            _gap_figure(data),
            self._table(documents),
        )

    def _gap_seen(self, task: str, of_seeds: Sequence[Document]) -> str:
        """Return a sentence about the gap and the accuracy on one task."""
        last = self.rounds
        steps = []
        for mean in self._mean_gaps(of_seeds):
            # A course that ended early has no later rounds.
            steps.append("unknown" if mean is None else f"{100 * mean:.1f}")
        own_gap = points(mean_at_round(of_seeds, last, "gap"))
        base_gap = points(mean_at_round(of_seeds, last, "gap_base_verifier"))
        gained = points(mean_change(of_seeds, last, "accuracy"))
        paired = count_seed_signs(of_seeds, last, "accuracy_since_base")
        return (
            f"{task}: the own gap by round is {', '.join(steps)} points, at the end {own_gap}; "
            f"with the base model as the verifier it ends at {base_gap}; accuracy changes by "
            f"{gained} points in {last} rounds (paired over problems: {paired})."
        )

    def _mean_gaps(self, of_seeds: Sequence[Document]) -> list[float | None]:
        """Return the own gap of every round, as the mean over seeds."""
        rounds = range(self.rounds + 1)
        return [mean_at_round(of_seeds, number, "gap").value for number in rounds]

    def _round_of_no_gap(self, of_seeds: Sequence[Document]) -> int | None:
        """Return the first round whose mean gap is below a tenth of the base model's."""
        means = self._mean_gaps(of_seeds)
        base = means[0]
        # An unknown gap at the start gives no measure to compare with.
        if base is None:
            return None
        for number, mean in enumerate(means):
            if mean is not None and mean < base / 10:
                return number
        return None

    def _table(self, documents: Documents) -> str:
        """Return a table with one line for each task, filter and round."""
        k = _largest_k(documents)
        lines = []
        for (task, name), of_seeds in documents.items():
            for number in range(self.rounds + 1):
                accuracy = mean_at_round(of_seeds, number, "accuracy", bounds=UNIT)
                passed = mean_at_round(of_seeds, number, "pass_at_k", k, bounds=UNIT)
                gaps = [mean_at_round(of_seeds, number, quantity) for quantity in GAPS]
                cells = [per_cent(accuracy), *map(points, gaps), per_cent(passed)]
                lines.append([task, name, str(number), *cells])
        header = ["task", "filtered by", "round", "accuracy, %"]
        header += ["own gap", "gap, base verifier", "gap of the filter", f"pass@{k}, %"]
        return markdown_table(header, lines)

    # --- diversity ---

    def _diversity_finding(self, documents: Documents, data: pl.DataFrame) -> Finding:
        last = self.rounds
        k = _largest_k(documents)
        seen = []
        # Tasks by the intervals over seeds, and by those over problems in each seed.
        rises = []
        falls = []
        rises_in_each = []
        falls_in_each = []
        # The controls have a finding of their own.
        for task, of_seeds in _plain(documents).items():
            pass_1 = mean_change(of_seeds, last, "accuracy")
            pass_k = mean_change(of_seeds, last, "pass_at_k", k)
            paired = count_seed_signs(of_seeds, last, "pass_at_k_since_base")
            seen.append(
                f"{task}: pass@1 {points(pass_1)}, pass@{k} {points(pass_k)} "
                f"(paired over problems: {paired})"
            )
            if pass_1.interval_sign > 0:
                rises.append(task)
            if pass_k.interval_sign < 0:
                falls.append(task)
            signs = interval_signs(of_seeds, last, "accuracy_since_base")
            if set(signs) == {1}:
                rises_in_each.append(task)
            signs = interval_signs(of_seeds, last, "pass_at_k_since_base")
            if set(signs) == {-1}:
                falls_in_each.append(task)
        return Finding(
            "improvement-pass-at-k",
            f"pass@k before and after {last} rounds",
            "pass@k rises with rounds for small k and falls for large k: effective diversity is "
            "lost (section 5).",
            f"after {last} rounds of the model's own filter, change in points: {'; '.join(seen)}.",
            f"By the intervals over problems, pass@1 rises on {listed(rises_in_each)} and "
            f"pass@{k} falls on {listed(falls_in_each)} in each of {self.seeds} seeds. The "
            "intervals over seeds are wide, because there are few seeds; they show a rise on "
            f"{listed(rises)} and a fall on {listed(falls)}.",
            data,
            self._pass_figure(data),
        )

    def _pass_figure(self, data: pl.DataFrame) -> Any:
        """Return pass@k before and after the rounds, for k = 1, 2, 4, ..."""
        shown = data.filter(
            pl.col("quantity").str.starts_with("pass@"),
            pl.col("round").is_in([0, self.rounds]),
            arm=PLAIN,
        )
        k_of_quantity = pl.col("quantity").str.strip_prefix("pass@").cast(pl.Int64)
        shown = in_per_cent(shown).with_columns(
            k_of_quantity.alias("k"), pl.format("round {}", "round").alias("after")
        )
        # Powers of two only: the axis has no room for more.
        shown = shown.filter(pl.col("k").is_in([1, 2, 4, 8, 16, 32, 64]))
        x = alt.X("k:O", title="k", axis=alt.Axis(labelAngle=0))
        colour = alt.Color("after:N", title=None)
        panels = []
        for task in unique_values(shown, "task"):
            panels.append(Panel(shown.filter(task=task), "pass@k, %", task, has_zero=False))
        return stacked_panels(panels, x, colour, height=120, apart="after:N", all_labels=True)

    # --- controls ---

    def _control_finding(self, documents: Documents) -> Finding:
        k = _largest_k(documents)
        paths: dict[str, Keys] = {"accuracy": ("accuracy",), f"pass@{k}": ("pass_at_k", k)}
        rows = []
        lines = []
        parts = []
        falling = []
        for (task, name), of_seeds in documents.items():
            if (task, "oracle") not in documents:
                continue  # a task that runs without controls
            changes = []
            differences = []
            plain = documents[task, PLAIN]
            for quantity, path in paths.items():
                value = mean_change(of_seeds, self.rounds, *path)
                changes.append(points(value))
                # Differences from the plain arm are paired by seed.
                against_own = mean_difference(of_seeds, plain, self.rounds, *path)
                differences.append(points(against_own))
                rows.append(estimate_row(value, task=task, arm=name, quantity=quantity))
                if quantity != "accuracy" and value.interval_sign < 0:
                    falling.append(f"{task} ({name})")
            if name == PLAIN:
                differences = ["–"] * len(paths)
            else:
                accuracy, passed = differences
                parts.append(f"{task}, {name}: accuracy {accuracy}, pass@{k} {passed}")
            lines.append([task, name, *changes, *differences])
        if falling:
            answer = f"pass@{k} falls for {listed(falling)}"
        else:
            answer = f"Not shown: pass@{k} falls for none"
        header = ["task", "filtered by"]
        header += [f"change of {quantity}" for quantity in paths]
        header += [f"{quantity} against own" for quantity in paths]
        return Finding(
            "improvement-controls",
            "Filtering by the truth, and by a fixed larger model",
            "filtering by the truth loses no diversity; filtering by a fixed strong verifier still "
            "does (section 5).",
            f"after {self.rounds} rounds, difference from the model's own filter in points, paired "
            f"by seed: {'; '.join(parts)}.",
            f"{answer} (whole interval over {self.seeds} seeds). Fixed verifier: {self.judge}.",
            as_frame(rows),
            None,
            markdown_table(header, lines),
        )


def _plain(documents: Documents) -> dict[str, Sequence[Document]]:
    """Return the documents of the plain arm by task."""
    plain = {}
    for (task, name), of_seeds in documents.items():
        if name == PLAIN:
            plain[task] = of_seeds
    return plain


def _largest_k(documents: Documents) -> str:
    """Return the largest k of pass@k, which is the same in all documents."""
    return largest_k(next(iter(documents.values())))


def _gap_figure(data: pl.DataFrame) -> Any:
    """Return the gap by round under the own verifier and under the base model's."""
    names = {"gap": "own verifier", "gap_base_verifier": "base verifier"}
    shown = data.filter(pl.col("quantity").is_in(list(names)), arm=PLAIN)
    shown = in_per_cent(shown).with_columns(pl.col("quantity").replace(names).alias("what"))
    x = alt.X("round:O", title="round", axis=alt.Axis(labelAngle=0))
    colour = alt.Color("what:N", title=None, sort=list(names.values()))
    panels = panels_by(shown, "task", unique_values(shown, "task"), "gap, points")
    return stacked_panels(panels, x, colour, height=140, apart="what:N", all_labels=True)
