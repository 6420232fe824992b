"""The evaluation of all models: means over training seeds, and their trend with compute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from strop.measure import Ratio, resample_counts
from strop.measure.replicates import mean_of_cells, mean_over_seeds, spread
from strop.measure.scaling import Trend, trend_of_ratios
from strop.records import Estimate
from strop.seeds import derive
from strop.studies.ladder_cells import (
    LEVELS,
    OF_MODEL,
    PROMPTED,
    SCALED,
    Cell,
    Ratios,
    Trained,
)

MEASURED_BY = ("cot-binary", "cot-score")
"""The verifiers of the scaling measure. The first one decides which seed is shipped."""
SCALED_CELLS: tuple[Cell, ...] = tuple(product(SCALED, LEVELS))

_TABLE_SCHEMA = {
    "model": pl.String,
    "task": pl.String,
    "difficulty": pl.String,
    "verifier": pl.String,
    "quantity": pl.String,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "sd_of_seeds": pl.Float64,
    "problems": pl.Int64,
    "seeds": pl.String,
    "why": pl.String,
}


def scaling_measure(ratios: Ratios, verifier: str) -> Ratio:
    """Return the mean relative gap over the scaled cells. A cell without room is left out."""
    cells = [ratios[cell, verifier, "relative_gap"] for cell in SCALED_CELLS]
    # A relative gap without any room is NaN.
    known = np.isfinite([cell.value for cell in cells])
    definition = f"mean over {known.sum()} cells of the relative gap of {verifier}"
    return mean_of_cells(cells, definition)


@dataclass(frozen=True)
class Evaluation:
    """All cells of all models; ``ratios`` are in the order of ``models``."""

    models: Sequence[Trained]
    ratios: Sequence[Ratios]

    @cached_property
    def sizes(self) -> dict[str, list[int]]:
        """The indices of each size's seeds among the models, by the size's name."""
        indices: dict[str, list[int]] = {}
        for index, model in enumerate(self.models):
            indices.setdefault(model.name, []).append(index)
        return indices

    def seeds(self, name: str) -> list[int]:
        """Return the training seeds of a size, in the order of the models."""
        return [self.models[index].seed for index in self.sizes[name]]

    def first(self, name: str) -> Trained:
        """Return a size's first model. The others differ in seed and weights only."""
        return self.models[self.sizes[name][0]]

    def estimate(self, name: str, cell: Cell, verifier: str, quantity: str) -> Estimate:
        """Return the mean over seeds, with an interval over seeds and problems."""
        return mean_over_seeds(self._of_seeds(name, cell, verifier, quantity))

    def _of_seeds(self, name: str, cell: Cell, verifier: str, quantity: str) -> list[Ratio]:
        """Return a number of each training seed of a size."""
        return [self.ratios[index][cell, verifier, quantity] for index in self.sizes[name]]

    def mean_relative_gap(self, name: str, verifier: str) -> Estimate:
        """Return the scaling measure of a size, with an interval over seeds and problems."""
        return mean_over_seeds(self._scaling_measures(self.sizes[name], verifier))

    def _scaling_measures(self, indices: Sequence[int], verifier: str) -> list[Ratio]:
        return [scaling_measure(self.ratios[index], verifier) for index in indices]

    def median_seed(self, name: str) -> Trained:
        """Return the model to ship: the lower median by scaling measure, then by seed."""

        def rank(index: int) -> tuple[float, int]:
            measure = scaling_measure(self.ratios[index], MEASURED_BY[0])
            return measure.value, self.models[index].seed

        # Of an even number of seeds, the lower of the two in the middle.
        ranked = sorted(self.sizes[name], key=rank)
        return self.models[ranked[(len(ranked) - 1) // 2]]

    def card(self, model: Trained, problems: int, samples: int) -> dict[str, Any]:
        """Return the evaluation for a shipped model's card.

        It holds the model's own values, without intervals; these are in docs/ladder.csv.
        """
        on_card = {("", quantity) for quantity in OF_MODEL}
        on_card.update(product(PROMPTED, ("gap", "tpr", "fpr")))
        cells: dict[str, dict[str, Any]] = {}
        ratios = self.ratios[self.models.index(model)]
        for (cell, verifier, quantity), ratio in ratios.items():
            if (verifier, quantity) not in on_card:
                continue
            of_cell = cells.setdefault(":".join(cell), {})
            # JSON has no NaN; a quantity of the model itself has no verifier in its name.
            value = round(ratio.value, 4) if np.isfinite(ratio.value) else None
            of_cell[f"{verifier} {quantity}".strip()] = value
        return {
            "problems": problems,
            "samples": samples,
            "seeds_trained": len(self.sizes[model.name]),
            "cells": cells,
        }

    @property
    def table(self) -> pl.DataFrame:
        """One row for each size, cell, verifier and quantity.

        The columns hold the mean over seeds, its interval, the standard deviation between seeds,
        and the value of each seed.
        """
        frame = pl.DataFrame(list(self._table_rows()), schema=_TABLE_SCHEMA, orient="row")
        return frame.with_columns(pl.col(pl.Float64).round(4))

    def _table_rows(self) -> Iterator[tuple[Any, ...]]:
        for name, indices in self.sizes.items():
            seeds = self.seeds(name)
            # All seeds have the same cells, verifiers and quantities.
            for cell, verifier, quantity in self.ratios[indices[0]]:
                of_seeds = self._of_seeds(name, cell, verifier, quantity)
                values = []
                for seed, ratio in zip(seeds, of_seeds, strict=True):
                    values.append(f"{seed}:{ratio.value:.4f}")
                mean = mean_over_seeds(of_seeds)
                numbers = (mean.value, mean.low, mean.high, spread(of_seeds), mean.n)
                yield (name, *cell, verifier, quantity, *numbers, " ".join(values), mean.why)

    def scaling(self, verifier: str, family: str = "full") -> dict[str, Trend]:
        """Return the trend of the scaling measure over a family: of each seed, and "pooled"."""
        members = []
        by_seed: dict[int, list[int]] = {}
        for index, model in enumerate(self.models):
            if model.card["family"] == family:
                members.append(index)
                by_seed.setdefault(model.seed, []).append(index)
        trends = {}
        for seed, indices in sorted(by_seed.items()):
            trends[f"seed {seed}"] = self._trend(indices, verifier)
        trends["pooled"] = self._trend(members, verifier)
        return trends

    def _trend(self, indices: Sequence[int], verifier: str) -> Trend:
        models = [self.models[index] for index in indices]
        measures = self._scaling_measures(indices, verifier)
        problems = len(measures[0].above_P) // len(SCALED_CELLS)
        # Problems of different cells are independent, so each cell has resamples of its own.
        counts = []
        for number in range(len(SCALED_CELLS)):
            seed = derive(0, "ladder", number)
            counts.append(resample_counts(problems, seed))
        flops_M = np.array([model.flops for model in models])
        # Models of one name are training seeds of one size.
        names = [model.name for model in models]
        return trend_of_ratios(measures, flops_M, np.hstack(counts), size_M=names)
