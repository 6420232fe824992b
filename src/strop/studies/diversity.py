"""Can diversity be kept? An open question of "Mind the Gap".

The study compares options of rejection-sampling fine-tuning (rft), one at a time, with plain rft.
All train in large steps, with which plain rft gains accuracy and loses pass@K; a smaller step is
one of the options. The best option is chosen on the first seeds, and judged on fresh seeds, which
draw fresh problems.

Verification documents of pre-training contain the right answers, which no model's own samples do.
So the best of the options without them is judged too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import polars as pl

from strop.improvement.course import Course
from strop.improvement.replay import Replay
from strop.improvement.training_rows import Keeping
from strop.records import Estimate
from strop.studies.frame.base import Study
from strop.studies.frame.cost import Cost, cost_of_course
from strop.studies.frame.courses import (
    Courses,
    Document,
    largest_k,
    mean_at_round,
    mean_change,
)
from strop.studies.frame.data import as_frame, estimate_row, in_per_cent, unique_values
from strop.studies.frame.figures import COLUMN, forest
from strop.studies.frame.findings import Finding, markdown_table, write_findings
from strop.studies.frame.numbers import points
from strop.studies.frame.runs import Tell
from strop.studies.improvement import SIZES
from strop.tasks import find_task
from strop.text import listed

PLAIN = "plain"
LARGE_STEP = {"learning_rate": 1e-3}
OPTIONS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "cap": {"keeping": Keeping(cap=2)},
    "distinct": {"keeping": Keeping(distinct="answer")},
    "hard": {"keeping": Keeping(balance="hard")},
    "base": {"replay": (Replay("base", 0.3),)},
    "earlier": {"replay": (Replay("earlier", 0.5),)},
    "verification": {"replay": (Replay("verification", 0.3),)},
    "tilt": {"filter_by": "cot-binary@tilt:1"},
    "kl": {"settings": LARGE_STEP | {"base_kl": 0.3}},
    "warm": {"train_temperature": 1.0},
    "small step": {"settings": {"learning_rate": 3e-4}},
}
MEANING = {
    PLAIN: "rft as it is",
    "cap": "at most two responses of a problem",
    "distinct": "one response of each answer",
    "hard": "problems weighted by the inverse of their accuracy, as the verifier sees it",
    "base": "30% of the weight: unfiltered base samples",
    "earlier": "half of the weight: rows of earlier rounds",
    "verification": "30% of the weight: verification documents of pre-training",
    "tilt": "weights e and 1 in place of kept and dropped",
    "kl": "0.3 times the divergence from the base model in the loss",
    "warm": "training samples at temperature 1",
    "small step": "step size 3e-4 in place of 1e-3",
}
INFORMED = ("verification",)
"""Options that use the right answers."""
GAIN_KEPT = 0.8
"""An option wins only if it keeps at least this share of plain rft's gain in pass@1."""
LOSS_ALLOWED = 0.5
"""An option wins only if it loses less than this share of plain rft's loss in pass@K."""

Documents = Mapping[str, Sequence[Document]]
"""The documents of every option, one for each seed."""


@dataclass(frozen=True)
class Changes:
    """Means over seeds: the changes from the base model to the last round, and the last gaps.

    ``pass_1`` and ``pass_k`` are the changes of pass@1 and of pass@K; ``own_gap`` and ``base_gap``
    are the last gap under the model's own verification and under the base model's.
    """

    pass_1: Estimate
    pass_k: Estimate
    own_gap: Estimate
    base_gap: Estimate

    @classmethod
    def of(cls, documents: Sequence[Document], rounds: int) -> Changes:
        """Measure the documents of one option, one for each seed."""
        k = largest_k(documents)
        return cls(
            pass_1=mean_change(documents, rounds, "accuracy"),
            pass_k=mean_change(documents, rounds, "pass_at_k", k),
            own_gap=mean_at_round(documents, rounds, "gap"),
            base_gap=mean_at_round(documents, rounds, "gap_base_verifier"),
        )

    def wins(self, plain: Changes) -> bool:
        """Return whether the means keep plain rft's gain and avoid its loss.

        Fresh seeds must show whether this is more than chance.
        """
        if plain.pass_1.value is None or plain.pass_k.value is None:
            return False
        if self.pass_1.value is None or self.pass_k.value is None:
            return False
        if plain.pass_1.value <= 0 or plain.pass_k.value >= 0:
            return False  # plain rft gained nothing or lost nothing: there is nothing to keep
        keeps_gain = self.pass_1.value >= GAIN_KEPT * plain.pass_1.value
        # A loss is a negative change, so a smaller loss is a larger number.
        avoids_loss = self.pass_k.value > LOSS_ALLOWED * plain.pass_k.value
        return keeps_gain and avoids_loss


ChangesOf = Mapping[str, Changes]
"""The changes of every option."""


@dataclass(frozen=True)
class DiversityStudy(Study):
    """``options`` are names of OPTIONS, with the plain one among them.

    ``seeds`` is the number of seeds that choose the best option, and of fresh seeds that judge it.
    """

    model: str = "ladder/125k"
    task: str = "arithmetic"
    options: tuple[str, ...] = tuple(OPTIONS)
    rounds: int = 3
    seeds: int = 3
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    name: ClassVar[str] = "diversity"
    description: ClassVar[str] = (
        "gain in pass@1 and loss in pass@K after rounds of rft, with options to keep diversity"
    )

    @classmethod
    def quick(cls) -> DiversityStudy:
        return cls(
            model="ladder/40k",
            task="recall",
            options=(PLAIN, "base", "kl"),
            rounds=1,
            seeds=2,
            sizes={"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8},
        )

    def courses(self, option: str, fresh: bool = False) -> list[Course]:
        """Return the courses of an option, one for each seed; ``fresh`` seeds have new problems."""
        first = self.seeds if fresh else 0
        return [self._course(option, seed) for seed in range(first, first + self.seeds)]

    def _course(self, option: str, seed: int) -> Course:
        # The settings of an option, if it has any, replace those of the large step.
        options: dict[str, Any] = self.sizes | {"settings": LARGE_STEP} | OPTIONS[option]
        return Course(self.model, find_task(self.task), "rft", self.rounds, seed=seed, **options)

    def besides(self) -> Iterable[Cost]:
        """Yield the cost of all options, and of plain rft and at most two winners on fresh seeds.

        A winner is counted as plain rft, because every option costs about the same.
        """
        for option in self.options:
            yield from map(cost_of_course, self.courses(option))
        for _ in range(3):
            yield from map(cost_of_course, self.courses(PLAIN, fresh=True))

    def run(self, out: Path, tell: Tell) -> Path:
        stored = Courses(out.parent / "courses", tell)
        # Plain rft is first: the other options reuse its samples of the base model.
        options = dict.fromkeys((PLAIN, *self.options))
        first = {option: self._documents(stored, option) for option in options}
        # The fresh seeds judge the winners, beside plain rft.
        fresh: dict[str, list[Document]] = {}
        winners = self._judged_winners(first)
        if winners:
            for option in (PLAIN, *winners):
                fresh[option] = self._documents(stored, option, fresh=True)
        return write_findings(
            out,
            "Keeping diversity",
            self.setting + stored.ended,
            self._findings(first, fresh),
            self.name,
        )

    def _documents(self, stored: Courses, option: str, fresh: bool = False) -> list[Document]:
        documents = []
        pairs = zip(self.courses(option, fresh), self.courses(PLAIN, fresh), strict=True)
        for course, plain in pairs:
            # Plain rft of the same seed has the same base model and held-out problems.
            documents.append(stored.document(course, None if option == PLAIN else plain))
        return documents

    def _changes(self, documents: Documents) -> dict[str, Changes]:
        changes = {}
        for option, of_seeds in documents.items():
            changes[option] = Changes.of(of_seeds, self.rounds)
        return changes

    def _judged_winners(self, documents: Documents) -> list[str]:
        """Return the winner that loses least of pass@K, and the best one that is not informed."""
        changes = self._changes(documents)
        winners = _winners(changes)
        # A loss is a negative change, so the smallest loss comes first.
        winners.sort(key=lambda option: changes[option].pass_k.value or 0.0, reverse=True)
        uninformed = [option for option in winners if option not in INFORMED]
        # The two are the same option if the first winner is not informed.
        return list(dict.fromkeys([*winners[:1], *uninformed[:1]]))

    def _findings(self, first: Documents, fresh: Documents) -> Iterator[Finding]:
        k = largest_k(first[PLAIN])
        changes = {f"seeds 0 to {self.seeds - 1}": self._changes(first)}
        if fresh:
            changes[f"fresh seeds {self.seeds} to {2 * self.seeds - 1}"] = self._changes(fresh)
        data = as_frame(_rows(changes))
        yield Finding(
            "diversity",
            f"pass@1 and pass@{k} after {self.rounds} rounds, against the base model",
            "stopping the loss of diversity is an open question; replay, tilting and the like are "
            "not tried (conclusion).",
            self._seen(self._changes(first), k),
            _holds(self._changes(fresh)),
            data,
            _figure(data, k),
            _table(changes, k),
        )

    def _seen(self, changes: ChangesOf, k: str) -> str:
        gain = points(changes[PLAIN].pass_1)
        loss = points(changes[PLAIN].pass_k)
        winners = listed(_winners(changes))
        return (
            f"plain rft changes pass@1 by {gain} and pass@{k} by {loss} points in {self.rounds} "
            f"rounds; these options keep at least {GAIN_KEPT:.0%} of that gain and lose less than "
            f"half of that loss (means of {self.seeds} seeds): {winners}."
        )


def _winners(changes: ChangesOf) -> list[str]:
    """Return the options that win against plain rft."""
    winners = []
    for option, measured in changes.items():
        if option != PLAIN and measured.wins(changes[PLAIN]):
            winners.append(option)
    return winners


def _holds(fresh: ChangesOf) -> str:
    """Return whether the winners of the first seeds win on fresh seeds too."""
    if not fresh:
        return (
            "No option keeps diversity by this measure; where plain rft gains nothing or loses "
            "nothing, there is nothing to keep."
        )
    plain = fresh[PLAIN]
    parts = []
    for option, measured in fresh.items():
        if option == PLAIN:
            continue
        result = "wins there too" if measured.wins(plain) else "does not win there"
        numbers = f"pass@1 {points(measured.pass_1)}, pass@K {points(measured.pass_k)}"
        parts.append(f"{option} ({MEANING[option]}) {result}: {numbers}")
    gain = points(plain.pass_1)
    loss = points(plain.pass_k)
    return (
        f"Judged on fresh seeds and problems, where plain rft changes pass@1 by {gain} and pass@K "
        f"by {loss} points: {'; '.join(parts)}."
    )


def _rows(changes: Mapping[str, ChangesOf]) -> Iterator[dict[str, Any]]:
    """Yield one row for each group of seeds, option and quantity."""
    for seeds, of_options in changes.items():
        for option, measured in of_options.items():
            # The names of the quantities are part of the data files: keep them.
            values = {
                "one": measured.pass_1,
                "all_k": measured.pass_k,
                "own_gap": measured.own_gap,
                "base_gap": measured.base_gap,
            }
            for quantity, value in values.items():
                yield estimate_row(value, option=option, seeds=seeds, quantity=quantity)


def _figure(data: pl.DataFrame, k: str) -> Any:
    """Return the changes on the first seeds."""
    names = {"one": "pass@1", "all_k": f"pass@{k}"}
    first_seeds = data["seeds"][0]
    shown = data.filter(pl.col("quantity").is_in(list(names)), seeds=first_seeds)
    shown = in_per_cent(shown).with_columns(pl.col("quantity").replace(names).alias("what"))
    options = unique_values(shown, "option")
    order = list(names.values())
    base = alt.Chart(shown).encode(
        y=alt.Y("option:N", sort=options, title=None),
        yOffset=alt.YOffset("what:N", sort=order),
        color=alt.Color("what:N", title=None, sort=order),
    )
    chart = forest(base, "x", "change in points", size=34, stroke=1.4)
    return chart.properties(width=COLUMN, height=24 * len(options))


def _table(changes: Mapping[str, ChangesOf], k: str) -> str:
    lines = []
    for seeds, of_options in changes.items():
        for option, measured in of_options.items():
            values = (measured.pass_1, measured.pass_k, measured.own_gap, measured.base_gap)
            lines.append([option, MEANING[option], seeds, *map(points, values)])
    header = ["option", "what it does", "seeds", "change of pass@1", f"change of pass@{k}"]
    return markdown_table([*header, "last gap, own verifier", "base verifier"], lines)
