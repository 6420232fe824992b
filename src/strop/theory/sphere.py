"""Example J.1: one prompt, 2^d responses that are distant unit vectors in R^d.

base = pi_theta* with theta* = y*. There are two packings. ``packing`` is a random one. In
``with_hidden_pole`` y* is the pole and all other responses lie on the equator, so that nothing but
y* itself reveals the direction of the pole.
"""

from __future__ import annotations

import numpy as np

from strop.theory.base_models import BaseModel, Floats, linear_softmax

MOST_INNER = 0.9
"""Inner products stay below: the distance is at least sqrt(0.2) = 0.45 > 1/4, and the log-margin at
least 0.1 for every d."""
ROUNDS = 1_000


def packing(
    count: int, dimension: int, rng: np.random.Generator, most_inner: float = MOST_INNER
) -> Floats:
    """Return ``count`` random unit vectors (Y, D).

    A vector is refused if its inner product with an earlier one exceeds ``most_inner``. Raises
    ValueError where so many do not fit.
    """
    point_YD = np.empty((count, dimension))
    kept = 0
    for _ in range(ROUNDS):
        # More than needed, since some will be refused.
        tries = 2 * (count - kept) + 8
        for direction_D in _directions(tries, dimension, rng):
            inner_Y = point_YD[:kept] @ direction_D
            if float(inner_Y.max(initial=-np.inf)) <= most_inner:
                point_YD[kept] = direction_D
                kept += 1
            if kept == count:
                return point_YD
    raise ValueError(
        f"only {kept} of {count} unit vectors fit in {dimension} dimensions: "
        "expected fewer vectors, or a greater most_inner"
    )


def with_hidden_pole(count: int, dimension: int, rng: np.random.Generator) -> Floats:
    """Return the pole e_d, then ``count`` - 1 unit vectors of a packing of the equator."""
    # The equator is a sphere of one dimension less; its last coordinate is 0.
    lower_YD = packing(count - 1, dimension - 1, rng)
    equator_YD = np.pad(lower_YD, ((0, 0), (0, 1)))
    pole_1D = np.eye(dimension)[-1:]
    return np.vstack([pole_1D, equator_YD])


def sphere_model(point_YD: Floats, star: int = 0) -> BaseModel:
    """Return the model with pi(y) proportional to exp(<y, y*>)."""
    return linear_softmax(point_YD[None], point_YD[star])


def _directions(count: int, dimension: int, rng: np.random.Generator) -> Floats:
    """Return unit vectors of uniform direction: normal vectors have none that they prefer."""
    normal_ND = rng.standard_normal((count, dimension))
    length_N1 = np.linalg.norm(normal_ND, axis=1, keepdims=True)
    return np.asarray(normal_ND / length_N1)
