"""Base models pi(y|x) over finitely many prompts and responses, with the law mu of the prompts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SUM_TOLERANCE = 1e-9


@dataclass(frozen=True)
class BaseModel:
    """pi(y|x) as a table.

    ``prompt_X`` is mu, the law of the prompts; every row of ``probability_XY`` sums to 1.
    """

    prompt_X: Floats
    probability_XY: Floats

    def __post_init__(self) -> None:
        if self.probability_XY.ndim != 2 or self.prompt_X.shape != self.probability_XY.shape[:1]:
            raise ValueError(
                f"got prompt_X {self.prompt_X.shape} and probability_XY "
                f"{self.probability_XY.shape}: expected (X,) and (X, Y)"
            )
        _check_law("prompt_X", self.prompt_X)
        _check_law("probability_XY", self.probability_XY)

    @cached_property
    def logprob_XY(self) -> Floats:
        """log pi(y|x), -inf where a response never occurs."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.probability_XY))

    @property
    def prompts(self) -> int:
        """The number of prompts."""
        return len(self.probability_XY)

    @property
    def responses(self) -> int:
        """The number of responses."""
        return int(self.probability_XY.shape[1])


def _check_law(name: str, probability: Floats) -> None:
    """Raise ValueError unless the numbers are >= 0 and sum to 1 along the last axis."""
    sums = probability.sum(axis=-1)
    positive = np.isfinite(probability).all() and (probability >= 0).all()
    if not (positive and np.allclose(sums, 1, rtol=0, atol=SUM_TOLERANCE)):
        raise ValueError(
            f"{name} is not a law: expected numbers >= 0 that sum to 1 along the last axis"
        )


def tabular(probability_XY: ArrayLike, prompt_X: ArrayLike | None = None) -> BaseModel:
    """Return the model of this table (X, Y); prompts are equally likely without ``prompt_X``.

    One law (Y,) makes a model of one prompt. Raises ValueError unless every law is >= 0 and sums
    to 1.
    """
    table_XY = np.atleast_2d(np.asarray(probability_XY, dtype=float))
    if prompt_X is None:
        prompts = len(table_XY)
        prompt_X = np.full(prompts, 1 / prompts)
    return BaseModel(np.asarray(prompt_X, dtype=float), table_XY)


def linear_softmax(
    feature_XYD: Floats, theta_D: Floats, prompt_X: ArrayLike | None = None
) -> BaseModel:
    """Return the model with pi(y|x) proportional to exp(<phi(x, y), theta>).

    ``feature_XYD`` holds phi; prompts are equally likely without ``prompt_X``.
    """
    logit_XY = feature_XYD @ theta_D
    return tabular(softmax(logit_XY), prompt_X)


def draw(law_Y: Floats, count: int, rng: np.random.Generator) -> Indices:
    """Return ``count`` independent draws from a law, as indices of responses."""
    # Inversion: the draw is the first response whose cumulative probability exceeds a uniform
    # number. Divided by its last entry the cumulative law ends at 1 exactly, so no draw lies
    # beyond it; side="right" skips responses of probability 0.
    cumulative_Y = np.cumsum(law_Y)
    cumulative_Y = cumulative_Y / cumulative_Y[-1]
    uniform_N = rng.random(count)
    return np.searchsorted(cumulative_Y, uniform_N, side="right")


def softmax(logit: Floats) -> Floats:
    """Return exp(logit) divided by its sum along the last axis, without overflow."""
    # The largest exponent is 0 after the shift, and the shift cancels in the quotient.
    largest = logit.max(axis=-1, keepdims=True)
    shifted = np.exp(logit - largest)
    total = shifted.sum(axis=-1, keepdims=True)
    return np.asarray(shifted / total)
