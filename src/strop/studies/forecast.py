"""How well is the gain of one round forecast before it is trained?

"Mind the Gap" leaves open which metric predicts that a task can be improved, and how well the gap
does. The rounds were listed and divided before any was trained (``forecast_cells.py``): one half
fits the forecast, the other half judges it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure.forecast import WORTH
from strop.run.updates import Update, shipped, write
from strop.studies.forecast_cells import (
    METHOD_VERIFIER,
    UNSEEN_TASK,
    ForecastCell,
    Outcome,
    listed_cells,
    outcome_of,
)
from strop.studies.forecast_later import LONG_CELLS, ROUNDS, later_finding
from strop.studies.forecast_scores import Judged, Score, judge_all, score
from strop.studies.frame.base import Finding, Study, Tell, markdown_table, write_findings
from strop.studies.frame.cost import Cost, cost_of_course
from strop.studies.frame.courses import Courses
from strop.studies.frame.figures import COLUMN
from strop.studies.improvement import SIZES
from strop.tasks import Task, find_task

UPDATES = "updates.csv"
PAPER = (
    "a metric that predicts whether a task can be self-improved, and how well the gap does, are "
    "open questions (conclusion)."
)
SOURCES = {
    "no change": "a round gains nothing",
    "whole gap": "a round keeps the whole gap",
    "min(gap, headroom)": "the gap, but not more than greedy decoding gains",
    "gap x (2 AUROC - 1)": "the gap, as far as the likelihood knows right from wrong",
    "past": "the share of the gap that past rounds kept, partially pooled",
    "pilot": "the gain of a pilot fit, scaled as in past rounds",
}
BINS = 5


@dataclass(frozen=True)
class ForecastStudy(Study):
    """One round of rft for each of the ``cells``.

    ``longer``: cells of which later rounds are trained too. With ``models`` or ``tasks``, every
    such model on every such task is trained, and judged by the updates that the package holds.
    """

    cells: tuple[ForecastCell, ...] = field(default_factory=listed_cells)
    longer: tuple[ForecastCell, ...] = LONG_CELLS
    models: tuple[str, ...] = ()
    tasks: tuple[str | Task, ...] = ()
    seed: int = 0
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    name: ClassVar[str] = "forecast"
    description: ClassVar[str] = "the gain forecast before training, against what came of one round"

    @classmethod
    def quick(cls) -> ForecastStudy:
        small = {"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8}
        cells = []
        for model in ("ladder/25k", "ladder/40k"):
            for task in ("arithmetic", "recall"):
                cells.append(ForecastCell(model, task, "majority", fits=model == "ladder/25k"))
        return cls(cells=tuple(cells), longer=(), sizes=small)

    @property
    def setting(self) -> str:
        """The description and the settings, for the head of the page."""
        fitting = sum(cell.fits for cell in self._chosen)
        judging = len(self._chosen) - fitting
        sizes = ", ".join(f"{name.replace('_', ' ')} {size}" for name, size in self.sizes.items())
        models = ", ".join(self.models) or "those of the cells"
        tasks = ", ".join(str(getattr(task, "label", task)) for task in self.tasks)
        return (
            f"{self.description}. One round of rft each; cells: {fitting} fit the forecast, "
            f"{judging} judge it; longer: {len(self.longer)} of four rounds; models: {models}; "
            f"tasks: {tasks or 'those of the cells'}; seed: {self.seed}; sizes: {sizes}."
        )

    @property
    def _chosen(self) -> tuple[ForecastCell, ...]:
        if not (self.models or self.tasks):
            return self.cells
        models = self.models or tuple(dict.fromkeys(cell.model for cell in self.cells))
        tasks = self.tasks or tuple(dict.fromkeys(cell.task for cell in self.cells))
        labels = [find_task(task).label for task in tasks]
        return tuple(
            ForecastCell(model, task, METHOD_VERIFIER, fits=False)
            for model in models
            for task in labels
        )

    def besides(self) -> Iterable[Cost]:
        for cell in self._chosen:
            yield cost_of_course(cell.course(self.sizes, self.seed))
        if not (self.models or self.tasks):
            for cell in self.longer:
                yield cost_of_course(cell.course(self.sizes, self.seed, ROUNDS))

    def run(self, out: Path, tell: Tell) -> Path:
        courses = Courses(out.parent / "courses", tell)
        outcomes = []
        for cell in self._chosen:
            outcome = outcome_of(cell, cell.course(self.sizes, self.seed), courses)
            if outcome is not None:
                outcomes.append(outcome)
        updates = [outcome.update for outcome in outcomes]
        out.mkdir(parents=True, exist_ok=True)
        write(updates, out / UPDATES)
        fitting = [outcome.update for outcome in outcomes if outcome.cell.fits]
        judging = [outcome for outcome in outcomes if not outcome.cell.fits]
        introduction = self.setting + courses.ended
        findings = list(self._findings(judging, outcomes, fitting or shipped()))
        if self.longer and not (self.models or self.tasks):
            findings.append(later_finding(self.longer, self.sizes, self.seed, courses, updates))
        return write_findings(out, "Forecast and outcome", introduction, findings, self.name)

    def _findings(
        self, judging: Sequence[Outcome], outcomes: Sequence[Outcome], past: Sequence[Update]
    ) -> Iterator[Finding]:
        if not judging:
            yield _nothing_trained()
            return
        judged = judge_all(judging, past)
        yield _errors(judged)
        yield _reliability(judged)
        yield _retention(outcomes)


def _nothing_trained() -> Finding:
    data = pl.DataFrame({"model": []})
    seen = "no judging round could be trained."
    return Finding("forecast", "Forecasts", PAPER, seen, "Not testable here.", data)


# --- errors by source ---


def _errors(judged: dict[str, list[Judged]]) -> Finding:
    """Compare the predictors on all judging cells, and on the cells of the unseen task."""
    scores = {name: score(cells) for name, cells in judged.items() if cells}
    sentences = []
    for name, found in scores.items():
        sentence = f"{name} {_points(found.error.value)}"
        if name in ("past", "pilot"):
            sentence += (
                f" (correlation {found.correlation:.2f}, {found.held:.0%} of 95% intervals held, "
                f"right on more than two points in {found.right:.0%})"
            )
        sentences.append(sentence)
    count = len(judged["no change"])
    seen = f"mean absolute error of the gain in points over {count} rounds: {'; '.join(sentences)}."
    pilots = [one.outcome.pilot for one in judged["pilot"] if one.outcome.pilot is not None]
    if pilots:
        shares = [pilot.share_of_round for pilot in pilots]
        seen += f" A pilot took {np.median(shares):.0%} of a round's FLOPs (median)."
    return Finding(
        "forecast",
        "Forecast of one round, and what came",
        PAPER,
        seen,
        _goal(scores),
        pl.DataFrame(list(_cell_rows(judged)), infer_schema_length=None),
        _scatter(judged),
        _score_table(judged),
    )


def _goal(scores: dict[str, Score]) -> str:
    """Say which of the goals set for a forecast each source met."""
    nothing = scores["no change"].error.value or 0.0
    whole = scores["whole gap"].error.value or 0.0
    verdicts = []
    for name in ("past", "pilot"):
        if name not in scores:
            continue
        found = scores[name]
        error = found.error.value or 0.0
        met = {
            "half the error of no change and of the whole gap": error <= min(nothing, whole) / 2,
            "correlation of at least 0.9": found.correlation >= 0.9,
            "90 to 98% of intervals hold": 0.9 <= found.held <= 0.98,
            "right in at least 90%": found.right >= 0.9,
        }
        missed = [goal for goal, is_met in met.items() if not is_met]
        verdicts.append(
            f"{name}: " + (f"missed {'; '.join(missed)}" if missed else "all goals met")
        )
    return ". ".join(verdicts) + "." if verdicts else "No source could forecast."


def _score_table(judged: dict[str, list[Judged]]) -> str:
    header = (
        "Predictor", "Cells", "Judged on", "Error [95%]", "Correlation", "> 2 points right",
        "Intervals held", "Decided", "Decided right",
    )  # fmt: skip  # a table's head reads as one row
    rows = []
    for name, cells in judged.items():
        unseen = [one for one in cells if _task(one) == UNSEEN_TASK]
        others = [one for one in cells if _task(one) != UNSEEN_TASK]
        groups = {"all": cells, f"unseen task ({UNSEEN_TASK})": unseen, "seen tasks": others}
        for group, members in groups.items():
            if len(members) > 1:
                rows.append((f"{name}: {SOURCES[name]}", *_score_row(group, score(members))))
    return markdown_table(header, rows)


def _score_row(group: str, found: Score) -> tuple[str, ...]:
    error = found.error
    interval = f"[{_points(error.low)}, {_points(error.high)}]"
    return (
        str(found.cells),
        group,
        f"{_points(error.value)} {interval}",
        _number(found.correlation, ".2f"),
        _number(found.right, ".0%"),
        _number(found.held, ".0%"),
        _number(found.decided, ".0%"),
        _number(found.decided_right, ".0%"),
    )


def _cell_rows(judged: dict[str, list[Judged]]) -> Iterator[dict[str, Any]]:
    for name, cells in judged.items():
        for one in cells:
            outcome = one.outcome
            yield {
                "predictor": name,
                "model": outcome.cell.model,
                "task": outcome.cell.task,
                "verifier": outcome.cell.verifier,
                "accuracy": 100 * outcome.accuracy,
                "gap": 100 * outcome.update.gap,
                "pilot": 100 * outcome.update.pilot,
                "predicted": 100 * one.predicted,
                "low": None if one.low is None else 100 * one.low,
                "high": None if one.high is None else 100 * one.high,
                "probability": one.worth,
                "gain": 100 * outcome.update.gain,
            }


def _scatter(judged: dict[str, list[Judged]]) -> Any:
    """Draw what came against what was forecast, with intervals, one panel a source."""
    data = pl.DataFrame(list(_cell_rows(judged)), infer_schema_length=None)
    panels = []
    for name in ("whole gap", "past", "pilot"):
        rows = data.filter(pl.col("predictor") == name)
        if rows.height == 0:
            continue
        limits = [*rows["predicted"], *rows["gain"]]
        diagonal = alt.Chart(pl.DataFrame({"at": [min(limits), max(limits)]})).mark_line(
            strokeDash=[4, 4], color="gray"
        )
        x = alt.X("predicted:Q", title="forecast gain (points)")
        points = alt.Chart(rows).mark_point(filled=True, size=30)
        bars = alt.Chart(rows).mark_rule(opacity=0.35)
        panel = alt.layer(
            diagonal.encode(x="at:Q", y="at:Q"),
            bars.encode(x="low:Q", x2="high:Q", y="gain:Q"),
            points.encode(
                x=x,
                y=alt.Y("gain:Q", title="gain that came (points)"),
                color=alt.Color("task:N", title="task"),
            ),
        )
        panels.append(panel.properties(width=COLUMN // 2, height=COLUMN // 2, title=name))
    return alt.hconcat(*panels)


# --- reliability ---


def _reliability(judged: dict[str, list[Judged]]) -> Finding:
    """Compare the probability of a gain above two points with how often it came."""
    rows = []
    for name in ("past", "pilot"):
        cells = [one for one in judged[name] if one.worth is not None]
        for index in range(BINS):
            low, high = index / BINS, (index + 1) / BINS
            members = [one for one in cells if low <= (one.worth or 0) < high + (index == BINS - 1)]
            if members:
                rows.append(_bin_row(name, members))
    sentences = [
        f"{row['source']}, {row['forecast']:.0%} expected: {row['came']:.0%} of {row['cells']}"
        for row in rows
    ]
    data = pl.DataFrame(rows, infer_schema_length=None)
    return Finding(
        "reliability",
        "Are the probabilities right?",
        PAPER,
        "; ".join(sentences) + ".",
        "A source is reliable where expected and observed shares agree.",
        data,
        _reliability_figure(data),
    )


def _bin_row(name: str, members: Sequence[Judged]) -> dict[str, Any]:
    came = [one.outcome.update.gain > WORTH for one in members]
    return {
        "source": name,
        "forecast": float(np.mean([one.worth for one in members])),
        "came": float(np.mean(came)),
        "cells": len(members),
    }


def _reliability_figure(data: pl.DataFrame) -> Any:
    diagonal = alt.Chart(pl.DataFrame({"at": [0.0, 1.0]})).mark_line(
        strokeDash=[4, 4], color="gray"
    )
    points = alt.Chart(data).mark_point(filled=True)
    return alt.layer(
        diagonal.encode(x="at:Q", y="at:Q"),
        points.encode(
            x=alt.X("forecast:Q", title="forecast probability of more than two points"),
            y=alt.Y("came:Q", title="share of rounds that gained more"),
            size=alt.Size("cells:Q", title="rounds"),
            color=alt.Color("source:N", title="source"),
        ),
    ).properties(width=COLUMN, height=COLUMN)


# --- which share of the gap training keeps ---


def _retention(outcomes: Sequence[Outcome]) -> Finding:
    """Return the share of the gap that rounds kept, by task: sum of gains over sum of gaps."""
    rows = []
    for task in dict.fromkeys(outcome.cell.task for outcome in outcomes):
        members = [outcome.update for outcome in outcomes if outcome.cell.task == task]
        gaps = sum(update.gap for update in members)
        gains = sum(update.gain for update in members)
        kept = gains / gaps if gaps > 0.02 * len(members) else None
        rows.append({"task": task, "rounds": len(members), "gap": 100 * gaps / len(members)})
        rows[-1] |= {"gain": 100 * gains / len(members), "kept": kept}
    known = [row for row in rows if row["kept"] is not None]
    seen = "; ".join(f"{row['task']} {row['kept']:.2f}" for row in known) or "no task has a gap"
    table = markdown_table(
        ("Task", "Rounds", "Mean gap", "Mean gain", "Share kept"),
        [
            (
                str(row["task"]),
                str(row["rounds"]),
                f"{row['gap']:.1f}",
                f"{row['gain']:.1f}",
                "–" if row["kept"] is None else f"{row['kept']:.2f}",
            )
            for row in rows
        ],
    )
    return Finding(
        "retention",
        "Which share of the gap training keeps",
        PAPER,
        f"mean gain over mean gap, by task: {seen}.",
        "The task decides it: the same gap means much on one task and nothing on another.",
        pl.DataFrame(rows, infer_schema_length=None),
        None,
        table,
    )


def _task(judged: Judged) -> str:
    return judged.outcome.cell.task.partition(":")[0]


def _points(share: float | None) -> str:
    return "–" if share is None or np.isnan(share) else f"{100 * share:.1f}"


def _number(value: float, spec: str) -> str:
    return "–" if np.isnan(value) else format(value, spec)
