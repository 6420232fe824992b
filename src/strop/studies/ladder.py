"""The frozen evaluation of the embedded models: every task at every difficulty, every prompted verifier, over all training seeds.

Rules that were fixed before the models were trained:

- The scaling measure of a model is the mean, over the nine cells SCALED x LEVELS, of the relative gap under a verifier's default weight.
  ``recall`` is left out of it: checking a fact takes the knowledge that giving it takes, so "Mind the Gap" (section 4.3) expects no gap.
- Of a size's training seeds, the one with the median scaling measure under ``cot-binary`` is shipped; of equals, the lowest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from strop.engines import LADDER
from strop.engines.base import training_flops
from strop.engines.llama import LlamaEngine
from strop.errors import UsageError
from strop.measure import (
    Ratio,
    Weighed,
    accuracy,
    gap,
    kept_accuracy,
    relative_gap,
    resample_counts,
)
from strop.measure.gap import SHARE, mean_over_problems
from strop.measure.pass_at_k import coverage
from strop.measure.replicates import mean_of_cells, over_seeds, spread
from strop.measure.scaling import Trend, trend_of
from strop.measure.summary import summary_ratios
from strop.records import Estimate
from strop.run.gap import gap as measure_gap
from strop.run.run import Run
from strop.seeds import derive
from strop.studies.frame.base import Study, write_findings
from strop.studies.frame.cost import Cost, cost_of
from strop.studies.frame.runs import RunSpec
from strop.tasks import TASKS, find_task

LEVELS = ("easy", "standard", "hard")
SCALED = ("arithmetic", "signs", "sudoku4")
EVALUATED = (*SCALED, "recall")
PROMPTED = ("mc", "cot-binary", "cot-score", "tournament")
BEST = "logprob"
MEASURED_BY = ("cot-binary", "cot-score")
PROBLEMS, SAMPLES = 100, 32
OF_MODEL = ("accuracy", "greedy", "pass@K", "best-of-K")
OF_VERIFIER = ("gap", "relative_gap", "tpr", "fpr", "auroc_pooled")
STORED = "cells.parquet"
TABLES = "tables.md"

Cell = tuple[str, str]
Ratios = dict[tuple[Cell, str, str], Ratio]
"""(task, difficulty), verifier or "", quantity."""


@dataclass(frozen=True)
class Trained:
    """A model with its card."""

    folder: Path
    card: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.card["name"])

    @property
    def seed(self) -> int:
        return int(self.card["recipe"]["seed"])

    @property
    def label(self) -> str:
        return f"{self.name}-seed{self.seed}"

    @property
    def flops(self) -> float:
        """6 N D at the recipe's tokens: the same for all seeds."""
        return float(
            training_flops(int(self.card["parameters"]), int(self.card["recipe"]["tokens"]))
        )


def trained_models(folder: Path = LADDER) -> list[Trained]:
    """The models in the folders of ``folder``, smallest first, family by family. UsageError if there is none."""
    found = [
        Trained(path.parent, json.loads(path.read_text())) for path in folder.glob("*/card.json")
    ]
    if not found:
        raise UsageError(
            f"{folder} holds no trained models: expected folders with a card.json, as strop ladder train writes them"
        )
    return sorted(found, key=lambda one: (one.card["family"], one.card["parameters"], one.seed))


def evaluate(
    model: Trained, out: Path, problems: int, samples: int, tell: Callable[[str], None]
) -> Ratios:
    """Every cell of one model, from ``out`` if it was evaluated already, else from runs that are made there."""
    engine = LlamaEngine(model.folder, model.label)
    stored = out / model.label / STORED
    asked = {"fingerprint": engine.fingerprint, "problems": problems, "samples": samples}
    if stored.exists() and json.loads(pl.read_parquet_metadata(stored)["asked"]) == asked:
        return read_cells(stored)
    ratios: Ratios = {}
    for task in EVALUATED:
        for level in LEVELS:
            tell(f"{model.label}: {task}, {level}")
            place = out / model.label / f"{task}-{level}"
            run = measure_gap(
                engine,
                TASKS[task].at(level),
                verifiers=[*PROMPTED, BEST],
                out=place,
                problems=problems,
                samples=samples,
            )
            ratios |= {
                ((task, level), verifier, quantity): ratio
                for verifier, quantity, ratio in cell_ratios(run)
            }
    write_cells(ratios, stored, asked)
    return ratios


def cell_ratios(run: Run) -> Iterator[tuple[str, str, Ratio]]:
    """(verifier or "", quantity, ratio) of one run. A problem of which nothing is kept keeps all, so that it counts as no gap."""
    evidence, samples = run.evidence, run.evidence.samples
    yield "", "accuracy", accuracy(samples.utility_PK, samples.mask_PK)
    yield (
        "",
        "greedy",
        mean_over_problems(
            evidence.greedy_P, "share of problems whose greedy response is right", SHARE
        ),
    )
    yield "", "pass@K", coverage(samples.utility_PK, samples.mask_PK)
    yield (
        "",
        "best-of-K",
        kept_accuracy(samples.utility_PK, evidence.weights[BEST], samples.mask_PK),
    )
    for verifier in PROMPTED:
        weight_PK = evidence.weights[verifier]
        judged = summary_ratios(samples, Weighed(evidence.judges[verifier].score_PK, weight_PK))
        judged |= {
            name: of(samples.utility_PK, weight_PK, samples.mask_PK)
            for name, of in (("gap", gap), ("relative_gap", relative_gap))
        }
        yield from ((verifier, quantity, judged[quantity]) for quantity in OF_VERIFIER)


def write_cells(ratios: Ratios, path: Path, asked: Mapping[str, Any]) -> None:
    """One row a ratio, its sums as lists over problems."""
    rows = [
        (
            *cell,
            verifier,
            quantity,
            r.above_P.tolist(),
            r.below_P.tolist(),
            r.definition,
            r.why,
            list(r.bounds),
        )
        for (cell, verifier, quantity), r in ratios.items()
    ]
    names = (
        "task",
        "difficulty",
        "verifier",
        "quantity",
        "above",
        "below",
        "definition",
        "why",
        "bounds",
    )
    partial = path.with_suffix(".partial")
    pl.DataFrame(rows, schema=list(names), orient="row").write_parquet(
        partial, metadata={"asked": json.dumps(asked)}
    )
    partial.replace(path)


def read_cells(path: Path) -> Ratios:
    """What ``write_cells`` wrote."""
    return {
        ((row["task"], row["difficulty"]), row["verifier"], row["quantity"]): Ratio(
            np.array(row["above"]),
            np.array(row["below"]),
            row["definition"],
            row["why"],
            (row["bounds"][0], row["bounds"][1]),
        )
        for row in pl.read_parquet(path).iter_rows(named=True)
    }


def scaling_measure(ratios: Ratios, verifier: str) -> Ratio:
    """The mean relative gap over the cells of SCALED x LEVELS. A cell without room is left out."""
    cells = [ratios[(task, level), verifier, "relative_gap"] for task in SCALED for level in LEVELS]
    known = sum(bool(np.isfinite(cell.value)) for cell in cells)
    return mean_of_cells(cells, f"mean over {known} cells of the relative gap of {verifier}")


@dataclass(frozen=True)
class Evaluation:
    """All cells of all models."""

    models: Sequence[Trained]
    ratios: Sequence[Ratios]

    @cached_property
    def sizes(self) -> dict[str, list[int]]:
        """Name: places of its seeds, in the order of the models."""
        places: dict[str, list[int]] = {}
        for place, model in enumerate(self.models):
            places.setdefault(model.name, []).append(place)
        return places

    def estimate(self, name: str, cell: Cell, verifier: str, quantity: str) -> Estimate:
        """Mean over seeds, interval over seeds and problems."""
        return over_seeds(
            [self.ratios[place][cell, verifier, quantity] for place in self.sizes[name]]
        )

    def median_seed(self, name: str) -> Trained:
        """The seed to ship."""
        ranked = sorted(
            self.sizes[name],
            key=lambda m: (
                scaling_measure(self.ratios[m], MEASURED_BY[0]).value,
                self.models[m].seed,
            ),
        )
        return self.models[ranked[(len(ranked) - 1) // 2]]

    def card(self, model: Trained, problems: int, samples: int) -> dict[str, Any]:
        """What a shipped model's card says of this evaluation: its own values, without intervals; those are in docs/ladder.csv."""
        ratios = self.ratios[self.models.index(model)]
        told = {("", quantity) for quantity in OF_MODEL} | {
            (v, quantity) for v in PROMPTED for quantity in ("gap", "tpr", "fpr")
        }
        cells: dict[str, dict[str, Any]] = {}
        for (cell, verifier, quantity), ratio in ratios.items():
            if (verifier, quantity) in told:
                value = round(ratio.value, 4) if np.isfinite(ratio.value) else None
                cells.setdefault(":".join(cell), {})[f"{verifier} {quantity}".strip()] = value
        return {
            "problems": problems,
            "samples": samples,
            "seeds_trained": len(self.sizes[model.name]),
            "cells": cells,
        }

    @property
    def table(self) -> pl.DataFrame:
        """One row a size, cell, verifier and quantity: mean over seeds, interval, standard deviation between seeds, value of each seed."""
        rows = []
        for name, places in self.sizes.items():
            for cell, verifier, quantity in self.ratios[places[0]]:
                seeds = [self.ratios[place][cell, verifier, quantity] for place in places]
                found = over_seeds(seeds)
                values = " ".join(
                    f"{self.models[p].seed}:{ratio.value:.4f}"
                    for p, ratio in zip(places, seeds, strict=True)
                )
                rows.append(
                    (
                        name,
                        *cell,
                        verifier,
                        quantity,
                        found.value,
                        found.low,
                        found.high,
                        spread(seeds),
                        found.n,
                        values,
                        found.why,
                    )
                )
        names = (
            "model",
            "task",
            "difficulty",
            "verifier",
            "quantity",
            "mean",
            "low",
            "high",
            "sd_of_seeds",
            "problems",
            "seeds",
            "why",
        )
        floats = dict.fromkeys(("mean", "low", "high", "sd_of_seeds"), pl.Float64)
        schema = {
            name: floats.get(name, pl.Int64 if name == "problems" else pl.String) for name in names
        }
        return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
            pl.col(*floats).round(4)
        )

    def scaling(self, verifier: str, family: str = "full") -> dict[str, Trend]:
        """The trend of the scaling measure over a family's sizes: of each seed alone, and "pooled"."""
        members = [
            place for place, model in enumerate(self.models) if model.card["family"] == family
        ]
        seeds = sorted({self.models[place].seed for place in members})
        groups = {
            f"seed {seed}": [place for place in members if self.models[place].seed == seed]
            for seed in seeds
        }
        return {
            label: self._trend(places, verifier)
            for label, places in (groups | {"pooled": members}).items()
        }

    def _trend(self, places: list[int], verifier: str) -> Trend:
        measures = [scaling_measure(self.ratios[place], verifier) for place in places]
        cells = len(SCALED) * len(LEVELS)
        problems = len(measures[0].above_P) // cells
        counts_BP = np.hstack(
            [resample_counts(problems, derive(0, "ladder", cell)) for cell in range(cells)]
        )
        flops = [self.models[place].flops for place in places]
        return trend_of(
            measures,
            np.array(flops),
            counts_BP,
            size_M=[self.models[place].name for place in places],
        )


@dataclass(frozen=True)
class LadderStudy(Study):
    """``models``: the folder whose folders are the models; several seeds of a name are averaged. The shipped ones by default."""

    models: Path = LADDER
    problems: int = PROBLEMS
    samples: int = SAMPLES

    name: ClassVar[str] = "ladder"
    description: ClassVar[str] = (
        "the embedded models: every task, difficulty and verifier, and how the relative gap grows with size"
    )

    @classmethod
    def quick(cls) -> LadderStudy:
        return cls(problems=20, samples=8)

    def evaluate(self, out: Path, tell: Callable[[str], None]) -> Evaluation:
        """Every model; what ``out`` holds already is read."""
        models = trained_models(self.models)
        return Evaluation(
            models, [evaluate(model, out, self.problems, self.samples, tell) for model in models]
        )

    def besides(self) -> Iterable[Cost]:
        tasks = [find_task(f"{task}:{level}") for task in EVALUATED for level in LEVELS]
        models = [f"llama:{one.folder}" for one in trained_models(self.models)]
        yield cost_of(
            [
                RunSpec(
                    model, task, (*PROMPTED, BEST), problems=self.problems, samples=self.samples
                )
                for model in models
                for task in tasks
            ]
        )

    def run(self, out: Path, tell: Callable[[str], None]) -> Path:
        from strop.studies.ladder_page import finding, page

        found = self.evaluate(out, tell)
        found.table.write_csv(out / "ladder.csv")
        (out / TABLES).write_text(
            tables := page(found, self.problems, self.samples), encoding="utf-8"
        )
        return write_findings(
            out, "The embedded models", self.setting, [finding(found, tables)], self.name
        )
