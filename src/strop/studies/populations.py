"""Populations of problems whose laws are known exactly, to test estimators against.

A kind of problem is a table of probabilities: how likely a response is right or wrong and gets one
of L scores. A population is a finite set of equally likely kinds, drawn once from the fixed seed
SEED. Exact expectations are therefore sums over kinds.

Axes: H kinds, U = 2 for wrong and right, L scores, Y = 2 L cells of a kind (wrong at each score,
then right at each score), P problems, K responses, N cells in a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from strop.measure.intervals import Floats
from strop.weigh import Weight, parse_weight

KINDS = 200
SEED = 20261121
"""Never changed: the published coverage figures are about the populations that it draws."""


@dataclass(frozen=True)
class Population:
    """A set of kinds of problems and the weight under which their gap is measured.

    ``right_H`` is the accuracy J(x; f) of each kind, and ``score_HUL`` the law of the scores
    ``level_L`` of its wrong (U = 0) and right (U = 1) responses.
    """

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
        right_HU = np.stack([1 - self.right_H, self.right_H], axis=1)
        joint_HUL: Floats = right_HU[:, :, None] * self.score_HUL
        return joint_HUL.reshape(len(self.right_H), -1)

    @cached_property
    def utility_Y(self) -> Floats:
        return np.repeat([0.0, 1.0], len(self.level_L))

    @cached_property
    def score_Y(self) -> Floats:
        return np.tile(self.level_L, 2)

    def draw(self, problems: int, samples: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw problems, and return utilities and scores (P, K) of responses to them.

        The order of responses is random only as to which half they are in: see ``respond``.
        """
        kind_P = rng.integers(len(self.right_H), size=problems)
        return self.respond(kind_P, samples, rng)

    def respond(
        self, kind_P: np.ndarray, samples: int, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Draw K responses to problems of these kinds, and return utilities and scores (P, K)."""
        # The counts of cells are drawn instead of single responses, which is much faster. Within a
        # half the responses are then sorted, but no estimator looks at a finer order than halves.
        halves = []
        for size in (samples // 2, samples - samples // 2):
            count_PY = rng.multinomial(size, self.probability_HY[kind_P])
            halves.append(_cells_of_counts(count_PY))
        cell_PK = np.concatenate(halves, axis=1)
        return self.utility_Y[cell_PK], self.score_Y[cell_PK]


def _cells_of_counts(count_PY: np.ndarray) -> np.ndarray:
    """Return each problem's cells in order, each as often as it is counted: (P, sum of counts)."""
    problems, cells = count_PY.shape
    cell_N = np.tile(np.arange(cells, dtype=np.int8), problems)
    return np.repeat(cell_N, count_PY.ravel()).reshape(problems, -1)


def populations() -> list[Population]:
    """Return the five populations of the coverage study."""
    rng = np.random.default_rng(SEED)
    # The order of these draws is part of the populations.
    u_shaped_H = rng.beta(0.4, 0.4, KINDS)
    rare_H = rng.beta(0.5, 14.5, KINDS)
    middling_H = rng.beta(1, 1.5, KINDS)
    low_H = rng.beta(0.5, 1, KINDS)
    mixed_H = rng.beta(0.7, 0.7, KINDS)

    right_is_one_HU = np.tile([0.0, 1.0], (KINDS, 1))
    binary_L = np.array([0.0, 1.0])
    # Three kinds in ten never pass a response.
    can_pass_H1 = (np.arange(KINDS) >= 0.3 * KINDS)[:, None]
    passes_HU = np.tile([0.05, 0.2], (KINDS, 1)) * can_pass_H1
    return [
        Population(
            "U-shaped accuracies",
            u_shaped_H,
            *_normal_scores(right_is_one_HU, 1.0),
            "quantile:0.7",
        ),
        Population(
            "accuracy below 5%",
            rare_H,
            *_normal_scores(right_is_one_HU, 1.0),
            "quantile:0.7",
        ),
        Population(
            "binary scores",
            middling_H,
            np.tile([[0.7, 0.3], [0.2, 0.8]], (KINDS, 1, 1)),
            binary_L,
            "threshold:0.5",
        ),
        Population(
            "30% without survivors",
            low_H,
            np.stack([1 - passes_HU, passes_HU], axis=2),
            binary_L,
            "threshold:0.5",
        ),
        Population(
            "scores know difficulty only",
            mixed_H,
            *_normal_scores(np.stack([mixed_H, mixed_H], axis=1), 0.3),
            "threshold:0.5",
        ),
    ]


def _normal_scores(mean_HU: Floats, spread: float) -> tuple[Floats, Floats]:
    """Return the law of normal scores, rounded to twelve levels, and the levels."""
    lowest = mean_HU.min() - 2 * spread
    highest = mean_HU.max() + 2 * spread
    level_L = np.linspace(lowest, highest, 12)
    distance_HUL = (level_L - mean_HU[:, :, None]) / spread
    density_HUL = np.exp(-0.5 * distance_HUL**2)
    return density_HUL / density_HUL.sum(axis=2, keepdims=True), level_L
