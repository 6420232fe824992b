"""A study small enough for tests, and how it is watched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import altair as alt
import polars as pl

from strop.studies.frame.base import Study
from strop.studies.frame.findings import Finding
from strop.studies.frame.runs import Runs, RunSpec

SMALL: dict[str, Any] = {"problems": 5, "samples": 3}
"""The size of a run."""


def quiet(_: str) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class Tiny(Study):
    """Accuracies of two models that judge each other."""

    models: tuple[str, ...] = ("ladder/25k", "ladder/40k")
    tasks: tuple[str, ...] = ("signs",)
    problems: int = 5
    samples: int = 3

    name: ClassVar[str] = "tiny"
    description: ClassVar[str] = "accuracies"

    @classmethod
    def quick(cls) -> Tiny:
        return cls(problems=3)

    def wanted(self) -> Sequence[RunSpec]:
        return [self._wanted(model) for model in self.models]

    def _wanted(self, model: str) -> RunSpec:
        return RunSpec(
            model,
            self.tasks[0],
            ("mc", "logprob"),
            self.models,
            problems=self.problems,
            samples=self.samples,
        )

    def findings(self, runs: Runs) -> Iterator[Finding]:
        expected = {"mc", "logprob", "mc--ladder-25k", "mc--ladder-40k"}
        rows = []
        for model in self.models:
            run = runs.run(self._wanted(model))
            stages = len(set(run.scores) & expected)
            rows.append((model, run.accuracies["accuracy"].value, stages))
        data = pl.DataFrame(rows, schema=["model", "accuracy", "stages"], orient="row")
        chart = alt.Chart(data).mark_point().encode(x="model:N", y="accuracy:Q")
        yield Finding("tiny", "Accuracies", "nothing.", f"{rows[0][1]}.", "Yes.", data, chart)
