"""The populations of the coverage study are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.gap import has_survivor_P
from strop.studies.populations import KINDS, Population, populations

WORLDS = {population.name: population for population in populations()}
every_world = pytest.mark.parametrize("world", WORLDS.values(), ids=list(WORLDS))


@pytest.mark.parametrize("samples", [8, 128])
def test_problems_without_survivors_stay_without(samples: int) -> None:
    """Three kinds in ten never pass a response, however many are drawn."""
    world = WORLDS["30% without survivors"]
    utility_PK, score_PK = world.respond(
        np.repeat(np.arange(KINDS), 5), samples, np.random.default_rng(5)
    )
    mask_PK = np.ones(utility_PK.shape, bool)
    none = 1 - has_survivor_P(world.weight(score_PK, mask_PK), mask_PK).mean()
    assert none > 0.2 and (samples == 8 or none == pytest.approx(0.3, abs=0.01))


def test_rare_is_rare_and_difficulty_alone_tells_nothing_within_a_problem() -> None:
    assert 0 < WORLDS["accuracy below 5%"].right_H.mean() < 0.05
    ends = WORLDS["U-shaped accuracies"].right_H
    assert (np.minimum(ends, 1 - ends) < 0.1).mean() > 0.4
    difficulty = WORLDS["scores know difficulty only"]
    assert np.allclose(difficulty.score_HUL[:, 0], difficulty.score_HUL[:, 1])
    level_H = (difficulty.score_HUL[:, 1] * difficulty.level_L).sum(axis=1)
    assert np.corrcoef(level_H, difficulty.right_H)[0, 1] > 0.9


@every_world
def test_tables_are_probabilities(world: Population) -> None:
    assert (world.probability_HY >= 0).all() and world.probability_HY.sum(axis=1) == pytest.approx(
        np.ones(KINDS)
    )
    right_H = (world.probability_HY * world.utility_Y).sum(axis=1)
    assert right_H == pytest.approx(world.right_H)
