"""Populations of problems whose every law is known: what estimators are held against.

A kind of problem is a table: how likely is a response to be right or wrong and to get one of L scores. A population is a fixed, finite
set of kinds, all equally likely, drawn once from a seed that stands here and is never changed. So exact expectations are sums over kinds.

Axes: H kinds, Y = 2 L cells of a kind (wrong at each score, then right at each score), P problems, K responses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from strop.measure.intervals import Floats
from strop.weigh import Weight, parse_weight

KINDS = 200
SEED = 20261121


@dataclass(frozen=True)
class Population:
    """``right_H`` is each kind's accuracy J(x; f); ``score_HUL`` the law of the score of its wrong (U = 0) and right (U = 1) responses."""

    name: str
    right_H: Floats
    score_HUL: Floats
    level_L: Floats
    weigh: str

    @cached_property
    def weight(self) -> Weight:
        return parse_weight(self.weigh)

    @cached_property
    def probability_HY(self) -> Floats:
        wrong_right_HU = np.stack([1 - self.right_H, self.right_H], axis=1)
        result: Floats = (wrong_right_HU[:, :, None] * self.score_HUL).reshape(
            len(self.right_H), -1
        )
        return result

    @cached_property
    def utility_Y(self) -> Floats:
        return np.repeat([0.0, 1.0], len(self.level_L))

    @cached_property
    def score_Y(self) -> Floats:
        return np.tile(self.level_L, 2)

    def draw(self, problems: int, samples: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Utilities and scores (P, K) of fresh problems, their responses in random order within each half."""
        kind_P = rng.integers(len(self.right_H), size=problems)
        return self.respond(kind_P, samples, rng)

    def respond(
        self, kind_P: np.ndarray, samples: int, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """K responses to problems of these kinds. Drawn as counts of cells, half by half: estimators ask for no finer order than halves."""
        halves = [samples // 2, samples - samples // 2]
        cells = [self._cells(rng.multinomial(half, self.probability_HY[kind_P])) for half in halves]
        cell_PK = np.concatenate(cells, axis=1)
        return self.utility_Y[cell_PK], self.score_Y[cell_PK]

    def _cells(self, counts_PY: np.ndarray) -> np.ndarray:
        cell_N = np.repeat(
            np.tile(np.arange(counts_PY.shape[1], dtype=np.int8), len(counts_PY)), counts_PY.ravel()
        )
        return cell_N.reshape(len(counts_PY), -1)


def populations() -> list[Population]:
    """The five worlds of the coverage study, fixed beforehand."""
    rng = np.random.default_rng(SEED)
    u_shaped, rare, middling, low, mixed = (
        rng.beta(a, b, KINDS) for a, b in ((0.4, 0.4), (0.5, 14.5), (1, 1.5), (0.5, 1), (0.7, 0.7))
    )
    binary = np.array([0.0, 1.0])
    passes_HU = np.tile([0.05, 0.2], (KINDS, 1)) * (np.arange(KINDS) >= 0.3 * KINDS)[:, None]
    return [
        Population(
            "U-shaped accuracies",
            u_shaped,
            *_normal_scores(np.tile([0.0, 1.0], (KINDS, 1)), 1.0),
            "quantile:0.7",
        ),
        Population(
            "accuracy below 5%",
            rare,
            *_normal_scores(np.tile([0.0, 1.0], (KINDS, 1)), 1.0),
            "quantile:0.7",
        ),
        Population(
            "binary scores",
            middling,
            np.tile([[0.7, 0.3], [0.2, 0.8]], (KINDS, 1, 1)),
            binary,
            "threshold:0.5",
        ),
        Population(
            "30% without survivors",
            low,
            np.stack([1 - passes_HU, passes_HU], axis=2),
            binary,
            "threshold:0.5",
        ),
        Population(
            "scores know difficulty only",
            mixed,
            *_normal_scores(np.stack([mixed, mixed], axis=1), 0.3),
            "threshold:0.5",
        ),
    ]


def _normal_scores(mean_HU: Floats, spread: float) -> tuple[Floats, Floats]:
    """Normal scores on a grid of twelve levels, each with the density's share; and the levels."""
    level_L = np.linspace(mean_HU.min() - 2 * spread, mean_HU.max() + 2 * spread, 12)
    density_HUL = np.exp(-0.5 * ((level_L - mean_HU[:, :, None]) / spread) ** 2)
    return density_HUL / density_HUL.sum(axis=2, keepdims=True), level_L
