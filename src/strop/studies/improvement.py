"""Rounds of self-improvement ("Mind the Gap", Algorithm 1, section 5 and Figure 4): does it help, when does it stop, what does it cost?

The gap of the model's own verification and of the frozen base model's; accuracy and pass@k, round by round; and the controls: filtering by
what is right, and by a fixed larger verifier.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import polars as pl

from strop.improvement.course import Course
from strop.records import Estimate
from strop.studies.frame.base import Finding, Study, Tell, markdown_table, write_findings
from strop.studies.frame.cost import Cost, cost_of_course
from strop.studies.frame.courses import (
    Courses,
    Document,
    change,
    each_seed,
    largest_k,
    of_round,
    over,
    sides,
)
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.numbers import listed, per_cent, points, side, told
from strop.tasks import Task, find_task

PLAIN = "own"
SIZES: dict[str, Any] = {"train_problems": 800, "train_samples": 8, "problems": 200, "samples": 16}
Cell = tuple[str, str]
"""Task and arm."""

QUANTITIES = {
    "accuracy": ("accuracy",),
    "greedy": ("greedy",),
    "gap": ("gap",),
    "gap_base_verifier": ("gap_base_verifier",),
    "gap_filter": ("gap_filter",),
    "train_accuracy": ("train_accuracy",),
}


@dataclass(frozen=True)
class ImprovementStudy(Study):
    """``tasks`` run with every control; those of ``alone`` with the model's own verification only. ``judge`` is the fixed verifier."""

    model: str = "ladder/125k"
    tasks: tuple[str | Task, ...] = ("arithmetic", "sudoku4")
    alone: tuple[str | Task, ...] = ("signs",)
    judge: str = "ladder/400k"
    rounds: int = 4
    seeds: int = 3
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    name: ClassVar[str] = "improvement"
    description: ClassVar[str] = (
        "rounds of self-improvement: gaps, accuracy and pass@k, with an oracle and a fixed verifier as controls"
    )

    @classmethod
    def quick(cls) -> ImprovementStudy:
        small = {"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8}
        return cls(
            model="ladder/40k",
            tasks=("recall",),
            alone=(),
            judge="ladder/125k",
            rounds=2,
            seeds=2,
            sizes=small,
        )

    def courses(self) -> dict[Cell, list[Course]]:
        """One for each seed."""
        controls: dict[str, dict[str, Any]] = {
            PLAIN: {},
            "oracle": {"filter_by": "oracle"},
            "fixed": {"verify_with": self.judge},
        }
        found = {}
        for task in (*self.tasks, *self.alone):
            for arm, settings in (
                controls.items() if task in self.tasks else [(PLAIN, controls[PLAIN])]
            ):
                found[find_task(task).label, arm] = [
                    self._course(task, seed, settings) for seed in range(self.seeds)
                ]
        return found

    def _course(self, task: str | Task, seed: int, settings: dict[str, Any]) -> Course:
        return Course(
            self.model, find_task(task), "rft", self.rounds, seed=seed, **self.sizes, **settings
        )

    def besides(self) -> Iterable[Cost]:
        return (cost_of_course(course) for own in self.courses().values() for course in own)

    def run(self, out: Path, tell: Tell) -> Path:
        stored, found = Courses(out.parent / "courses", tell), self.courses()
        documents = {
            (task, arm): [
                stored.document(course, None if arm == PLAIN else plain)
                for course, plain in zip(courses, found[task, PLAIN], strict=True)
            ]
            for (task, arm), courses in found.items()
        }
        return write_findings(
            out,
            "Rounds of self-improvement",
            self.setting + stored.ended,
            self.findings_of(documents),
            self.name,
        )

    def findings_of(self, documents: Mapping[Cell, Sequence[Document]]) -> Iterator[Finding]:
        """From the courses' documents, by task and arm."""
        data = pl.DataFrame(list(self._rows(documents)), infer_schema_length=None)
        yield self._gap_finding(documents, data)
        yield self._diversity_finding(documents, data)
        if len({arm for _, arm in documents}) > 1:
            yield self._control_finding(documents)

    def _rows(self, documents: Mapping[Cell, Sequence[Document]]) -> Iterator[dict[str, Any]]:
        for (task, arm), own in documents.items():
            passes = {f"pass@{k}": ("pass_at_k", k) for k in own[0]["rounds"][0]["pass_at_k"]}
            for number in range(self.rounds + 1):
                for name, path in (QUANTITIES | passes).items():
                    value = over(
                        (of_round(one, number, *path) for one in own),
                        name,
                        (-1, 1) if "gap" in name else (0, 1),
                    )
                    yield {"task": task, "arm": arm, "round": number, "quantity": name} | told(
                        value
                    )

    # --- the gap ---

    def _gap_finding(
        self, documents: Mapping[Cell, Sequence[Document]], data: pl.DataFrame
    ) -> Finding:
        seen = " ".join(
            self._gap_seen(task, own) for (task, arm), own in documents.items() if arm == PLAIN
        )
        gone = {task: self._gone(own) for (task, arm), own in documents.items() if arm == PLAIN}
        never = [task for task, number in gone.items() if number is None]
        when = [f"{task} (round {number})" for task, number in gone.items() if number is not None]
        holds = (
            f"The own gap falls below a tenth of its start on {listed(when)}"
            + (f", and not within {self.rounds} rounds on {listed(never)}" if never else "")
            + ". A model of this size and a synthetic task; the paper trained 7B and larger on GSM8K."
        )
        paper = "the gap falls to about zero in two or three rounds, whatever the size of the model (section 5, Figure 4)."
        title = "The gap, round by round, by the model's own verification and by the frozen base model's"
        return Finding(
            "improvement",
            title,
            paper,
            seen,
            holds,
            data,
            self._figure(data),
            self._table(documents),
        )

    def _gap_seen(self, task: str, own: Sequence[Document]) -> str:
        def at(name: str, number: int) -> str:
            return points(over((of_round(one, number, name) for one in own), name))

        last = self.rounds
        gained = points(over((change(one, last, "accuracy") for one in own), "gain"))
        seeds = each_seed(own, last, "accuracy_since_base")
        steps = ", ".join(
            "unknown" if mean is None else f"{100 * mean:.1f}" for mean in self._mean_gaps(own)
        )
        return (
            f"{task}: the own gap goes {steps} points by round, to {at('gap', last)}; with the base model as the verifier it ends at "
            f"{at('gap_base_verifier', last)}; accuracy changes by {gained} points in {last} rounds (paired over problems: {seeds})."
        )

    def _mean_gaps(self, own: Sequence[Document]) -> list[float | None]:
        """The own gap of every round, over seeds."""
        return [
            over((of_round(one, number, "gap") for one in own), "gap").value
            for number in range(self.rounds + 1)
        ]

    def _gone(self, own: Sequence[Document]) -> int | None:
        """The first round whose mean gap is below a tenth of the base model's."""
        means = self._mean_gaps(own)
        first = means[0]
        return next(
            (
                n
                for n, mean in enumerate(means)
                if first is not None and mean is not None and mean < first / 10
            ),
            None,
        )

    def _figure(self, data: pl.DataFrame) -> Any:
        names = {"gap": "own verifier", "gap_base_verifier": "base verifier"}
        rows = data.filter(
            pl.col("arm") == PLAIN, pl.col("quantity").is_in(list(names))
        ).with_columns(
            pl.col("value", "low", "high") * 100, pl.col("quantity").replace(names).alias("what")
        )
        x = alt.X("round:O", title="round", axis=alt.Axis(labelAngle=0))
        panels = []
        for task in rows["task"].unique(maintain_order=True):
            own = rows.filter(pl.col("task") == task)
            colour = alt.Color("what:N", title=None, sort=list(names.values()))
            layers = alt.layer(
                level(0),
                points_with_intervals(
                    own, x, "value:Q", colour, title="gap, points", apart="what:N"
                ),
            )
            panels.append(layers.properties(title=task, width=COLUMN, height=140))
        return alt.vconcat(*panels, spacing=8)

    def _table(self, documents: Mapping[Cell, Sequence[Document]]) -> str:
        k = largest_k(next(iter(documents.values())))
        header = [
            "task",
            "filtered by",
            "round",
            "accuracy, %",
            "own gap",
            "gap, base verifier",
            "gap of the filter",
            f"pass@{k}, %",
        ]
        lines = []
        for (task, arm), own in documents.items():
            for number in range(self.rounds + 1):
                cells = [
                    over((of_round(one, number, name) for one in own), name)
                    for name in ("gap", "gap_base_verifier", "gap_filter")
                ]
                accuracy, passed = (
                    over((of_round(one, number, *path) for one in own), "", (0, 1))
                    for path in (("accuracy",), ("pass_at_k", k))
                )
                lines.append(
                    [
                        task,
                        arm,
                        str(number),
                        per_cent(accuracy),
                        *map(points, cells),
                        per_cent(passed),
                    ]
                )
        return markdown_table(header, lines)

    # --- diversity ---

    def _diversity_finding(
        self, documents: Mapping[Cell, Sequence[Document]], data: pl.DataFrame
    ) -> Finding:
        k = largest_k(next(iter(documents.values())))
        own = {task: one for (task, arm), one in documents.items() if arm == PLAIN}
        changes = {
            task: [
                over((change(one, self.rounds, *path) for one in some), "")
                for path in (("accuracy",), ("pass_at_k", k))
            ]
            for task, some in own.items()
        }
        seen = "; ".join(
            f"{task}: pass@1 {points(one)}, pass@{k} {points(all_k)} "
            f"(paired over problems: {each_seed(own[task], self.rounds, 'pass_at_k_since_base')})"
            for task, (one, all_k) in changes.items()
        )
        rises = [task for task, (one, _) in changes.items() if side(one) > 0]
        falls = [task for task, (_, all_k) in changes.items() if side(all_k) < 0]
        up = [
            task
            for task, one in own.items()
            if set(sides(one, self.rounds, "accuracy_since_base")) == {1}
        ]
        down = [
            task
            for task, one in own.items()
            if set(sides(one, self.rounds, "pass_at_k_since_base")) == {-1}
        ]
        holds = (
            f"pass@1 rises on {listed(up)} and pass@{k} falls on {listed(down)} in each of {self.seeds} seeds, by the interval over "
            f"problems; the interval over seeds, wide as they are few, shows a rise on {listed(rises)} and a fall on {listed(falls)}."
        )
        paper = "pass@k rises with rounds for small k and falls for large k: effective diversity is lost (section 5)."
        return Finding(
            "improvement-pass-at-k",
            f"pass@k before and after {self.rounds} rounds",
            paper,
            f"after {self.rounds} rounds of the model's own filter: {seen} points.",
            holds,
            data,
            self._pass_figure(data),
        )

    def _pass_figure(self, data: pl.DataFrame) -> Any:
        rows = data.filter(
            pl.col("arm") == PLAIN,
            pl.col("quantity").str.starts_with("pass@"),
            pl.col("round").is_in([0, self.rounds]),
        ).with_columns(
            pl.col("value", "low", "high") * 100,
            pl.col("quantity").str.strip_prefix("pass@").cast(pl.Int64).alias("k"),
            pl.format("round {}", "round").alias("after"),
        )
        rows = rows.filter(pl.col("k").is_in([1, 2, 4, 8, 16, 32, 64]))
        x = alt.X("k:O", title="k", axis=alt.Axis(labelAngle=0))
        panels = []
        for task in rows["task"].unique(maintain_order=True):
            own = rows.filter(pl.col("task") == task)
            layers = points_with_intervals(
                own,
                x,
                "value:Q",
                alt.Color("after:N", title=None),
                title="pass@k, %",
                apart="after:N",
            )
            panels.append(layers.properties(title=task, width=COLUMN, height=120))
        return alt.vconcat(*panels, spacing=8)

    # --- controls ---

    def _control_finding(self, documents: Mapping[Cell, Sequence[Document]]) -> Finding:
        k = largest_k(next(iter(documents.values())))
        paths = {"accuracy": ("accuracy",), f"pass@{k}": ("pass_at_k", k)}
        rows, lines, parts = [], [], []
        for (task, arm), own in documents.items():
            if (task, "oracle") not in documents:
                continue
            found = {
                name: over((change(one, self.rounds, *path) for one in own), f"change of {name}")
                for name, path in paths.items()
            }
            beside = {
                name: self._against_own(documents, task, arm, path) for name, path in paths.items()
            }
            rows += [
                {"task": task, "arm": arm, "quantity": name} | told(value)
                for name, value in found.items()
            ]
            lines.append(
                [
                    task,
                    arm,
                    *map(points, found.values()),
                    *(points(one) if arm != PLAIN else "–" for one in beside.values()),
                ]
            )
            if arm != PLAIN:
                parts.append(
                    f"{task}, {arm}: {', '.join(f'{name} {points(value)}' for name, value in beside.items())}"
                )
        header = [
            "task",
            "filtered by",
            *(f"change of {name}" for name in paths),
            *(f"{name} against own" for name in paths),
        ]
        passed = [row for row in rows if row["quantity"] != "accuracy"]
        falls = [
            f"{row['task']} ({row['arm']})"
            for row in passed
            if row["high"] is not None and row["high"] < 0
        ]
        fallen = (
            f"pass@{k} falls for {listed(falls)}"
            if falls
            else f"Not shown: pass@{k} falls for none"
        )
        holds = f"{fallen} (whole interval over {self.seeds} seeds). Fixed verifier: {self.judge}."
        paper = "filtering by the truth loses no diversity; filtering by a fixed strong verifier still does (section 5)."
        seen = f"after {self.rounds} rounds, against the model's own filter, paired by seed: {'; '.join(parts)} points."
        title, data = (
            "Filtering by the truth, and by a fixed larger model",
            pl.DataFrame(rows, infer_schema_length=None),
        )
        return Finding(
            "improvement-controls",
            title,
            paper,
            seen,
            holds,
            data,
            None,
            markdown_table(header, lines),
        )

    def _against_own(
        self,
        documents: Mapping[Cell, Sequence[Document]],
        task: str,
        arm: str,
        path: tuple[str, ...],
    ) -> Estimate:
        pairs = zip(documents[task, arm], documents[task, PLAIN], strict=True)
        return over(
            (
                of_round(one, self.rounds, *path) - of_round(plain, self.rounds, *path)
                for one, plain in pairs
            ),
            "against own",
        )
