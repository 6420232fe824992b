"""The cells of the frozen evaluation: one model on one task at one difficulty.

A model's cells are computed from runs, and stored as sums over problems, so that the evaluation of
several training seeds needs neither the runs nor a model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from strop.engines import LADDER
from strop.engines.base import training_flops
from strop.engines.llama import LlamaEngine
from strop.errors import UsageError
from strop.measure import Ratio, Weighed, accuracy, gap, kept_accuracy, relative_gap
from strop.measure.gap import SHARE, mean_over_problems
from strop.measure.pass_at_k import coverage
from strop.measure.summary import summary_ratios
from strop.run.gap import gap as measure_gap
from strop.run.run import Run
from strop.tasks import TASKS

LEVELS = ("easy", "standard", "hard")
SCALED = ("arithmetic", "signs", "sudoku4")
EVALUATED = (*SCALED, "recall")
PROMPTED = ("mc", "cot-binary", "cot-score", "tournament")
BEST = "logprob"
OF_MODEL = ("accuracy", "greedy", "pass@K", "best-of-K")
"""Quantities of a model's responses, without a verifier."""
OF_VERIFIER = ("gap", "relative_gap", "tpr", "fpr", "auroc_pooled")
STORED = "cells.parquet"
COLUMNS = (
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

Cell = tuple[str, str]
"""(task, difficulty)."""
Ratios = dict[tuple[Cell, str, str], Ratio]
"""By cell, verifier (empty for OF_MODEL) and quantity."""


@dataclass(frozen=True)
class Trained:
    """A trained model: its folder and its card."""

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
        """6 N D at the recipe's number of tokens, which is the same for all seeds."""
        parameters = int(self.card["parameters"])
        tokens = int(self.card["recipe"]["tokens"])
        return float(training_flops(parameters, tokens))


def trained_models(folder: Path = LADDER) -> list[Trained]:
    """Return the models in the folders of ``folder``, family by family, smallest first.

    Raises UsageError if there is none.
    """
    models = []
    for path in folder.glob("*/card.json"):
        card = json.loads(path.read_text())
        models.append(Trained(path.parent, card))
    if not models:
        raise UsageError(
            f"{folder} holds no trained models: expected folders with a card.json,"
            " as strop ladder train writes them"
        )

    def rank(model: Trained) -> tuple[str, int, int]:
        return model.card["family"], model.card["parameters"], model.seed

    return sorted(models, key=rank)


def evaluate(
    model: Trained, out: Path, problems: int, samples: int, tell: Callable[[str], None]
) -> Ratios:
    """Return every cell of one model.

    The cells are read from ``out`` if this model was evaluated there, else computed from runs that
    are made there.
    """
    engine = LlamaEngine(model.folder, model.label)
    stored = out / model.label / STORED
    settings = {"fingerprint": engine.fingerprint, "problems": problems, "samples": samples}
    if stored.exists():
        metadata = pl.read_parquet_metadata(stored)
        # Cells of other weights or of another size are computed anew.
        if json.loads(metadata["asked"]) == settings:
            return read_cells(stored)
    ratios: Ratios = {}
    for task in EVALUATED:
        for level in LEVELS:
            tell(f"{model.label}: {task}, {level}")
            run = measure_gap(
                engine,
                TASKS[task].at(level),
                verifiers=[*PROMPTED, BEST],
                out=out / model.label / f"{task}-{level}",
                problems=problems,
                samples=samples,
            )
            for verifier, quantity, ratio in cell_ratios(run):
                ratios[(task, level), verifier, quantity] = ratio
    write_cells(ratios, stored, settings)
    return ratios


def cell_ratios(run: Run) -> Iterator[tuple[str, str, Ratio]]:
    """Yield (verifier or "", quantity, ratio) of one run.

    A problem without a kept response keeps all its responses here, and so counts as no gap.
    """
    evidence = run.evidence
    samples = evidence.samples
    utility_PK, mask_PK = samples.utility_PK, samples.mask_PK
    greedy_definition = "share of problems whose greedy response is right"
    yield "", "accuracy", accuracy(utility_PK, mask_PK)
    yield "", "greedy", mean_over_problems(evidence.greedy_P, greedy_definition, SHARE)
    yield "", "pass@K", coverage(utility_PK, mask_PK)
    yield "", "best-of-K", kept_accuracy(utility_PK, evidence.weights[BEST], mask_PK)
    for verifier in PROMPTED:
        score_PK = evidence.judges[verifier].score_PK
        weight_PK = evidence.weights[verifier]
        ratios = summary_ratios(samples, Weighed(score_PK, weight_PK))
        # The summary leaves gaps undefined if nothing was filtered; here such a gap counts as 0.
        ratios["gap"] = gap(utility_PK, weight_PK, mask_PK)
        ratios["relative_gap"] = relative_gap(utility_PK, weight_PK, mask_PK)
        for quantity in OF_VERIFIER:
            yield verifier, quantity, ratios[quantity]


def write_cells(ratios: Ratios, path: Path, settings: Mapping[str, Any]) -> None:
    """Write one row for each ratio, with its terms as lists over problems.

    ``settings`` name the model and the sizes of its runs; they stand in the file's metadata.
    """
    rows = []
    for ((task, difficulty), verifier, quantity), ratio in ratios.items():
        row = (
            task,
            difficulty,
            verifier,
            quantity,
            ratio.above_P.tolist(),
            ratio.below_P.tolist(),
            ratio.definition,
            ratio.why,
            list(ratio.bounds),
        )
        rows.append(row)
    # Written under another name first: a file that was interrupted is never read.
    partial = path.with_suffix(".partial")
    frame = pl.DataFrame(rows, schema=list(COLUMNS), orient="row")
    frame.write_parquet(partial, metadata={"asked": json.dumps(settings)})
    partial.replace(path)


def read_cells(path: Path) -> Ratios:
    """Read the cells that ``write_cells`` wrote."""
    ratios: Ratios = {}
    for row in pl.read_parquet(path).iter_rows(named=True):
        cell = (row["task"], row["difficulty"])
        lowest, highest = row["bounds"]
        ratios[cell, row["verifier"], row["quantity"]] = Ratio(
            np.array(row["above"]),
            np.array(row["below"]),
            row["definition"],
            row["why"],
            (lowest, highest),
        )
    return ratios
