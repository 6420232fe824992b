"""Example J.1: one prompt, 2^d responses that are unit vectors in R^d with some distance between them, base = pi_theta* with theta* = y*.

Two packings. ``packing`` is a random one. ``with_hidden_pole`` is a packing too: y* is the pole and all other responses lie on the equator,
so that nothing but y* itself tells of the pole's direction.
"""

from __future__ import annotations

import numpy as np

from strop.theory.base_models import BaseModel, Floats, linear_softmax

MOST_INNER = 0.9
"""Inner products stay below: distance at least sqrt(0.2) = 0.45 > 1/4, and a log-margin of at least 0.1 whatever d."""
ROUNDS = 1_000


def packing(
    count: int, dimension: int, rng: np.random.Generator, most_inner: float = MOST_INNER
) -> Floats:
    """``count`` random unit vectors (Y, D), each refused that comes closer to one before it than ``most_inner`` allows."""
    point_YD, kept = np.empty((count, dimension)), 0
    for _ in range(ROUNDS):
        for direction_D in _directions(2 * (count - kept) + 8, dimension, rng):
            if not kept or float((point_YD[:kept] @ direction_D).max()) <= most_inner:
                point_YD[kept] = direction_D
                kept += 1
            if kept == count:
                return point_YD
    raise ValueError(
        f"only {kept} of {count} unit vectors in {dimension} dimensions found room: ask for fewer, or let them be closer"
    )


def with_hidden_pole(count: int, dimension: int, rng: np.random.Generator) -> Floats:
    """The pole e_d first, then ``count`` - 1 unit vectors of a packing of the equator."""
    equator_YD = np.pad(packing(count - 1, dimension - 1, rng), ((0, 0), (0, 1)))
    return np.vstack([np.eye(dimension)[-1:], equator_YD])


def sphere_model(point_YD: Floats, star: int = 0) -> BaseModel:
    """pi(y) proportional to exp(<y, y*>)."""
    return linear_softmax(point_YD[None], point_YD[star])


def _directions(count: int, dimension: int, rng: np.random.Generator) -> Floats:
    normal_ND = rng.standard_normal((count, dimension))
    return np.asarray(normal_ND / np.linalg.norm(normal_ND, axis=1, keepdims=True))
