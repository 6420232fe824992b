"""Can diversity be kept (an open question of "Mind the Gap")? Options of rft, one at a time, against plain rft.

All train in large steps, in which plain rft gains accuracy and loses pass@K; a smaller step is one of the options. The option that does
best is chosen on these seeds, and judged on fresh seeds, which draw fresh problems. Verification documents of pre-training know what is
right, which no model's own samples do: so the best of the options without them is judged too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import polars as pl

from strop.improvement.course import Course
from strop.improvement.replay import Replay
from strop.improvement.training_rows import Keeping
from strop.records import Estimate
from strop.studies.frame.base import Finding, Study, Tell, markdown_table, write_findings
from strop.studies.frame.cost import Cost, cost_of_course
from strop.studies.frame.courses import Courses, Document, change, largest_k, of_round, over
from strop.studies.frame.figures import COLUMN, level
from strop.studies.frame.numbers import listed, points, told
from strop.studies.improvement import SIZES
from strop.tasks import find_task

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
    "hard": "problems weigh by their inverse accuracy, as the verifier sees it",
    "base": "30% of the weight: unfiltered base samples",
    "earlier": "half of the weight: rows of earlier rounds",
    "verification": "30% of the weight: verification documents of pre-training",
    "tilt": "weights e and 1 in place of kept and dropped",
    "kl": "0.3 times the divergence from the base model in the loss",
    "warm": "training samples at temperature 1",
    "small step": "step size 3e-4 in place of 1e-3",
}
INFORMED = ("verification",)
"""Options that bring in what is right."""
GAIN_KEPT, LOSS_ALLOWED = 0.8, 0.5
"""An option wins if it keeps so much of plain rft's gain in pass@1 and loses less than so much of what that loses in pass@K."""


@dataclass(frozen=True)
class Changes:
    """Of pass@1 and of pass@K, from the base model to the last round, over seeds; and the last gap by own and by base verifier."""

    one: Estimate
    all_k: Estimate
    own_gap: Estimate
    base_gap: Estimate

    @classmethod
    def of(cls, documents: Sequence[Document], rounds: int) -> Changes:
        k = largest_k(documents)
        changes = (
            over((change(one, rounds, *path) for one in documents), "")
            for path in (("accuracy",), ("pass_at_k", k))
        )
        gaps = (
            over((of_round(one, rounds, name) for one in documents), "")
            for name in ("gap", "gap_base_verifier")
        )
        return cls(*changes, *gaps)

    def wins(self, plain: Changes) -> bool:
        """By the means; whether that is more than chance is for fresh seeds to say."""
        gained, lost, kept, missed = (
            plain.one.value,
            plain.all_k.value,
            self.one.value,
            self.all_k.value,
        )
        if (
            gained is None
            or lost is None
            or kept is None
            or missed is None
            or gained <= 0
            or lost >= 0
        ):
            return (
                False  # nothing is known, nothing was gained, or nothing was lost: nothing to keep
            )
        return kept >= GAIN_KEPT * gained and missed > LOSS_ALLOWED * lost


@dataclass(frozen=True)
class DiversityStudy(Study):
    """``options`` are names of OPTIONS, the plain one among them; ``seeds`` choose, as many fresh ones confirm."""

    model: str = "ladder/125k"
    task: str = "arithmetic"
    options: tuple[str, ...] = tuple(OPTIONS)
    rounds: int = 3
    seeds: int = 3
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    name: ClassVar[str] = "diversity"
    description: ClassVar[str] = (
        "pass@1 gained and pass@K lost after rounds of rft, under each option that may keep diversity"
    )

    @classmethod
    def quick(cls) -> DiversityStudy:
        small = {"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8}
        return cls(
            model="ladder/40k",
            task="recall",
            options=(PLAIN, "base", "kl"),
            rounds=1,
            seeds=2,
            sizes=small,
        )

    def courses(self, option: str, fresh: bool = False) -> list[Course]:
        """One for each seed; ``fresh`` seeds have problems of their own."""
        first = self.seeds if fresh else 0
        return [self._course(option, seed) for seed in range(first, first + self.seeds)]

    def _course(self, option: str, seed: int) -> Course:
        settings: dict[str, Any] = {"settings": LARGE_STEP} | OPTIONS[option]
        return Course(
            self.model,
            find_task(self.task),
            "rft",
            self.rounds,
            seed=seed,
            **self.sizes,
            **settings,
        )

    def besides(self) -> Iterable[Cost]:
        """On fresh seeds the plain one and at most two winners run; any option costs about what the plain one does."""
        counted = [
            course for option in self.options for course in self.courses(option)
        ] + 3 * self.courses(PLAIN, fresh=True)
        return map(cost_of_course, counted)

    def run(self, out: Path, tell: Tell) -> Path:
        stored = Courses(out.parent / "courses", tell)

        def documents(option: str, fresh: bool = False) -> list[Document]:
            pairs = zip(self.courses(option, fresh), self.courses(PLAIN, fresh), strict=True)
            return [
                stored.document(course, None if option == PLAIN else plain)
                for course, plain in pairs
            ]

        chosen_on = {
            option: documents(option)
            for option in (PLAIN, *(one for one in self.options if one != PLAIN))
        }
        winners = self._winners(chosen_on)
        fresh = (
            {option: documents(option, fresh=True) for option in (PLAIN, *winners)}
            if winners
            else {}
        )
        return write_findings(
            out,
            "Keeping diversity",
            self.setting + stored.ended,
            self._findings(chosen_on, fresh),
            self.name,
        )

    def _winners(self, found: dict[str, list[Document]]) -> list[str]:
        """Of the options that win, the one that loses least of pass@K; if it is an informed one, the best of the others too."""
        changes = {option: Changes.of(own, self.rounds) for option, own in found.items()}
        winning = [
            option
            for option, own in changes.items()
            if option != PLAIN and own.wins(changes[PLAIN])
        ]
        ordered = sorted(
            winning, key=lambda option: changes[option].all_k.value or 0.0, reverse=True
        )
        alone = [option for option in ordered if option not in INFORMED]
        return list(dict.fromkeys([*ordered[:1], *alone[:1]]))

    def _findings(
        self, found: dict[str, list[Document]], fresh: dict[str, list[Document]]
    ) -> Iterator[Finding]:
        k = largest_k(found[PLAIN])
        tables = [(f"seeds 0 to {self.seeds - 1}", found)]
        tables += [(f"fresh seeds {self.seeds} to {2 * self.seeds - 1}", fresh)] if fresh else []
        rows = [row for seeds, some in tables for row in self._rows(seeds, some)]
        data = pl.DataFrame(rows, infer_schema_length=None)
        changes = {option: Changes.of(own, self.rounds) for option, own in found.items()}
        winning = [
            option
            for option, own in changes.items()
            if option != PLAIN and own.wins(changes[PLAIN])
        ]
        plain = changes[PLAIN]
        seen = (
            f"plain rft changes pass@1 by {points(plain.one)} and pass@{k} by {points(plain.all_k)} points in {self.rounds} rounds; "
            f"keeping {GAIN_KEPT:.0%} of that gain and losing less than half of that loss (means of {self.seeds} seeds): {listed(winning)}."
        )
        paper = "stopping the loss of diversity is an open question; replay, tilting and the like are not tried (conclusion)."
        title = f"pass@1 and pass@{k} after {self.rounds} rounds, against the base model"
        yield Finding(
            "diversity",
            title,
            paper,
            seen,
            self._holds(fresh),
            data,
            self._figure(data, k),
            self._table(tables, k),
        )

    def _holds(self, fresh: dict[str, list[Document]]) -> str:
        if not fresh:
            return "No option keeps diversity by this measure; where plain rft gains nothing or loses nothing, there is nothing to keep."
        changes = {option: Changes.of(own, self.rounds) for option, own in fresh.items()}
        plain = changes.pop(PLAIN)
        told = [
            f"{option} ({MEANING[option]}) {'wins there too' if own.wins(plain) else 'does not win there'}: pass@1 {points(own.one)}, "
            f"pass@K {points(own.all_k)}"
            for option, own in changes.items()
        ]
        return (
            f"Judged on fresh seeds and problems, where plain rft has pass@1 {points(plain.one)} and pass@K {points(plain.all_k)} points: "
            f"{'; '.join(told)}."
        )

    def _rows(self, seeds: str, found: dict[str, list[Document]]) -> Iterator[dict[str, Any]]:
        for option, own in found.items():
            changes = Changes.of(own, self.rounds)
            for name in ("one", "all_k", "own_gap", "base_gap"):
                yield {"option": option, "seeds": seeds, "quantity": name} | told(
                    getattr(changes, name)
                )

    def _figure(self, data: pl.DataFrame, k: str) -> Any:
        names = {"one": "pass@1", "all_k": f"pass@{k}"}
        rows = data.filter(
            pl.col("seeds") == data["seeds"][0], pl.col("quantity").is_in(list(names))
        ).with_columns(
            pl.col("value", "low", "high") * 100, pl.col("quantity").replace(names).alias("what")
        )
        order = list(rows["option"].unique(maintain_order=True))
        base = alt.Chart(rows).encode(
            y=alt.Y("option:N", sort=order, title=None),
            yOffset=alt.YOffset("what:N", sort=list(names.values())),
            color=alt.Color("what:N", title=None, sort=list(names.values())),
        )
        spans = base.mark_rule(strokeWidth=1.4, opacity=0.7).encode(
            x=alt.X("low:Q", title="change in points"), x2="high:Q"
        )
        return alt.layer(
            level(0, "x"),
            spans,
            base.mark_point(filled=True, size=34, opacity=1).encode(x="value:Q"),
        ).properties(width=COLUMN, height=24 * len(order))

    def _table(self, tables: Sequence[tuple[str, dict[str, list[Document]]]], k: str) -> str:
        header = [
            "option",
            "what it does",
            "seeds",
            "change of pass@1",
            f"change of pass@{k}",
            "last gap, own verifier",
            "base verifier",
        ]
        lines = []
        for seeds, found in tables:
            for option, own in found.items():
                changes = Changes.of(own, self.rounds)
                cells = map(points, (changes.one, changes.all_k, changes.own_gap, changes.base_gap))
                lines.append([option, MEANING[option], seeds, *cells])
        return markdown_table(header, lines)
