"""Partial pooling: predict an outcome as a share of a predictor, from earlier cells.

    outcome = predictor * (share + effect of the task + effect of the model + ... + own) + noise

The effects of each factor (task, model, filter ...) are draws from a normal law with a spread of
its own, and so is what a cell has of its own. A task that was seen often is therefore predicted by
its own share, a task that was never seen by the mean share of all tasks with the spread between
them, and everything between these two without a step. The spreads are unknown: the prediction
averages over settings drawn from their prior, each weighed by its likelihood.

Axes: N cells seen, G settings of the spreads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LARGEST_SPREAD = 0.6
"""Spreads of the shares are LARGEST_SPREAD * u^2 with u uniform: half of them are below 0.15."""
LARGEST_NOISE = 0.03
"""The same for a cell's noise, in units of the outcome (shares of 1)."""
SMALLEST = 1e-4
"""A spread of exactly zero would make the covariance singular where nothing was measured."""
SETTINGS = 512
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)
"""The bases of Halton's sequence: one for every dimension, noise and own included."""


@dataclass(frozen=True)
class Cell:
    """An observed outcome, or one to predict (``outcome`` is NaN).

    ``labels`` names the cell's level of each factor. ``predictor_se`` and ``outcome_se`` are the
    standard errors of what was measured: noise whose size is known.
    """

    predictor: float
    labels: Mapping[str, str]
    outcome: float = float("nan")
    predictor_se: float = 0.0
    outcome_se: float = 0.0


@dataclass(frozen=True)
class Prediction:
    """The predictive law of one outcome: a mixture of normal laws, one for each setting."""

    weight_G: Floats
    mean_G: Floats
    sd_G: Floats

    @property
    def mean(self) -> float:
        return float(self.weight_G @ self.mean_G)

    def probability_above(self, value: float) -> float:
        """Return the probability that the outcome is larger than ``value``."""
        z_G = (self.mean_G - value) / self.sd_G
        above_G = np.array([0.5 * (1 + erf(z / sqrt(2))) for z in z_G])
        return float(self.weight_G @ above_G)

    def quantile(self, level: float) -> float:
        """Return the value below which the outcome lies with probability ``level``."""
        low = float((self.mean_G - 12 * self.sd_G).min())
        high = float((self.mean_G + 12 * self.sd_G).max())
        for _ in range(60):  # bisection: each step halves the bracket
            middle = (low + high) / 2
            if 1 - self.probability_above(middle) < level:
                low = middle
            else:
                high = middle
        return (low + high) / 2


@dataclass(frozen=True)
class Pool:
    """The cells that came before, and the factors that may explain how their shares differ.

    ``share_mean`` and ``share_sd``: the normal prior of the mean share, before any cell is seen.
    """

    cells: Sequence[Cell]
    factors: tuple[str, ...]
    share_mean: float = 0.5
    share_sd: float = 0.5

    def predict(self, new: Cell) -> Prediction:
        """Return the predictive law of a new outcome; without cells, the prior's."""
        # Condition a normal law: how the new cell's share covaries with the outcomes seen.
        alike_FN = np.array([self._alike(new, factor) for factor in self.factors])
        alike_FN = alike_FN.reshape(len(self.factors), len(self.cells))
        covariance_GN = (self.share_sd**2 + self._variance_GF @ alike_FN) * self._predictor_N
        cross_GN = np.linalg.solve(self._root_GNN, covariance_GN[:, :, None])[:, :, 0]
        share_G = self.share_mean + (cross_GN * self._whitened_GN).sum(axis=1)
        prior_variance_G = self.share_sd**2 + self._own_G**2 + self._variance_GF.sum(axis=1)
        variance_G = np.maximum(prior_variance_G - (cross_GN**2).sum(axis=1), 0)
        # The predictor is known up to its standard error, and is multiplied by the share.
        from_share_G = new.predictor**2 * variance_G
        from_predictor_G = new.predictor_se**2 * (share_G**2 + variance_G)
        noise_G = self._noise_G**2 + new.outcome_se**2
        sd_G = np.sqrt(from_share_G + from_predictor_G + noise_G)
        return Prediction(self._weight_G, new.predictor * share_G, sd_G)

    @cached_property
    def _weight_G(self) -> Floats:
        """Return each setting's posterior weight, from its likelihood; the weights sum to 1."""
        diagonal_GN = np.diagonal(self._root_GNN, axis1=1, axis2=2)
        log_determinant_G = np.log(diagonal_GN).sum(axis=1)
        log_likelihood_G = -0.5 * (self._whitened_GN**2).sum(axis=1) - log_determinant_G
        weight_G = np.exp(log_likelihood_G - log_likelihood_G.max())
        result: Floats = weight_G / weight_G.sum()
        return result

    @cached_property
    def _root_GNN(self) -> Floats:
        """The Cholesky roots of the outcomes' covariance."""
        count = len(self.cells)
        share_GNN: Floats = np.full((SETTINGS, count, count), self.share_sd**2)
        share_GNN += self._own_G[:, None, None] ** 2 * np.eye(count)
        for index, factor in enumerate(self.factors):
            alike = [self._alike(cell, factor) for cell in self.cells]
            alike_NN = np.array(alike).reshape(count, count)
            share_GNN += self._variance_GF[:, index, None, None] * alike_NN
        measured_N = np.array([cell.outcome_se**2 for cell in self.cells])
        noise_GN = measured_N + self._noise_G[:, None] ** 2
        share_GNN *= np.outer(self._predictor_N, self._predictor_N)
        share_GNN[:, np.arange(count), np.arange(count)] += noise_GN
        return np.asarray(np.linalg.cholesky(share_GNN), dtype=np.float64)

    @cached_property
    def _whitened_GN(self) -> Floats:
        outcome_N = np.array([cell.outcome for cell in self.cells])
        residual_N = outcome_N - self.share_mean * self._predictor_N
        residual_GN1 = np.broadcast_to(residual_N[:, None], (SETTINGS, len(residual_N), 1))
        solved_GN1 = np.linalg.solve(self._root_GNN, residual_GN1)
        return np.asarray(solved_GN1[:, :, 0], dtype=np.float64)

    @cached_property
    def _predictor_N(self) -> Floats:
        return np.array([cell.predictor for cell in self.cells], dtype=float)

    def _alike(self, cell: Cell, factor: str) -> list[float]:
        """Return 1 for every cell seen that has the same level of the factor."""
        return [float(seen.labels[factor] == cell.labels[factor]) for seen in self.cells]

    @cached_property
    def _noise_G(self) -> Floats:
        return self._drawn(0, LARGEST_NOISE)

    @cached_property
    def _own_G(self) -> Floats:
        return self._drawn(1, LARGEST_SPREAD)

    @cached_property
    def _variance_GF(self) -> Floats:
        """The variance of every factor's effects in every setting."""
        spreads = [self._drawn(2 + index, LARGEST_SPREAD) for index in range(len(self.factors))]
        return np.array(spreads).reshape(len(self.factors), SETTINGS).T ** 2

    def _drawn(self, dimension: int, largest: float) -> Floats:
        """Return one spread for every setting, from its prior.

        Halton's sequence covers all dimensions evenly, and is the same every time.
        """
        base = PRIMES[dimension]
        uniform_G = np.array([_halton(number + 1, base) for number in range(SETTINGS)])
        return np.maximum(largest * uniform_G**2, SMALLEST)


def _halton(number: int, base: int) -> float:
    """Return the digits of ``number`` in ``base``, mirrored behind the point."""
    value, scale = 0.0, 1.0
    while number:
        scale /= base
        number, digit = divmod(number, base)
        value += digit * scale
    return value
