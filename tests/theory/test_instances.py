"""theory/ hard_instance, limits, shortfall and sphere: the instances are what the theorems need."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.theory import argmax_XY, coverage, margin
from strop.theory.best_of_n import best_of_n_law
from strop.theory.hard_instance import HardInstance, with_coverage
from strop.theory.limits import cut_weight, max_cut_model, theta_of_base, unsharpenable
from strop.theory.sequences import as_base_model
from strop.theory.shortfall import RARE, Shortfall
from strop.theory.sphere import MOST_INNER, packing, sphere_model, with_hidden_pole
from strop.theory.tilt import tilted


@pytest.mark.parametrize("eps", [0.2, 0.05, 0.0125])
def test_coverage_stays_as_eps_falls_and_the_margin_is_at_least_one(eps: float) -> None:
    instance = with_coverage(6, 2 * eps, 5.0)
    base = instance.base(np.random.default_rng(0))
    assert np.isclose(coverage(base), instance.coverage) and np.isclose(
        instance.coverage, 5, atol=0.1
    )
    assert margin(base) >= 1 - 1e-9 and (argmax_XY(base).sum(axis=1) == 1).all()
    assert np.isclose(1 - base.prompt_X[0], 2 * eps) and base.probability_XY[0, 0] == 1
    assert np.isclose(instance.log_size, 6 * np.log(instance.answers))


def test_the_class_holds_the_best_of_n_laws_of_every_member() -> None:
    """Assumption 4.1, for every choice of secrets."""
    instance = HardInstance(rare=2, answers=5, delta_mass=0.4)
    classes = instance.best_of_n_class(3), instance.tilted_class(0.2)
    for seed in range(20):
        base = instance.base(np.random.default_rng(seed))
        laws = np.stack([best_of_n_law(row, 3) for row in base.probability_XY]), tilted(base, 0.2)
        for law_XY, held in zip(laws, classes, strict=True):
            assert all(
                np.isclose(held.laws[x], law_XY[x]).all(axis=1).any() for x in range(base.prompts)
            )
    assert np.isclose(classes[0].log_size, instance.log_size)


@pytest.mark.parametrize("delta", [0.3, 0.1, 0.01])
def test_the_least_n_is_the_least(delta: float) -> None:
    instance = HardInstance(rare=1, answers=40, delta_mass=0.1)
    samples = instance.samples_for(delta)
    masses = [
        best_of_n_law(instance.base(np.random.default_rng(0)).probability_XY[1], n).max()
        for n in (samples - 1, samples)
    ]
    assert masses[0] < 1 - delta <= masses[1] + 1e-12


def test_the_short_laws_fall_short_and_the_best_of_n_laws_do_not() -> None:
    world = Shortfall(blocks=3, delta_mass=0.5, delta=2 / 27)
    base, members = world.base(), world.members()
    assert world.samples == 3 and np.isclose(world.slip, world.delta / 2)
    laws_XY = np.stack([best_of_n_law(row, world.samples) for row in base.probability_XY])
    assert len(members.law_FXY) == 8 and np.allclose(members.law_FXY[-1], laws_XY)
    assert (
        np.isclose(members.law_FXY[0, 1, 0], 1 - 2 * world.delta) and members.law_FXY[0, 2, 0] == 1
    )
    assert np.isclose(base.prompt_X[1] / (base.prompt_X[1] + base.prompt_X[2]), RARE)


@given(st.integers(0, 2**32), st.integers(3, 7))
def test_points_on_the_sphere_are_a_packing(seed: int, dimension: int) -> None:
    rng = np.random.default_rng(seed)
    for make in (packing, with_hidden_pole):
        point_YD = make(2**dimension, dimension, rng)
        inner_YY = point_YD @ point_YD.T
        assert point_YD.shape == (2**dimension, dimension) and np.allclose(np.diag(inner_YY), 1)
        assert inner_YY[~np.eye(len(inner_YY), dtype=bool)].max() <= MOST_INNER + 1e-9
        base = sphere_model(point_YD)
        assert argmax_XY(base)[0].nonzero()[0].tolist() == [0]
        assert margin(base) >= np.exp(1 - MOST_INNER) - 1 - 1e-9
        assert 2**dimension / np.e**2 <= coverage(base) <= 2**dimension
    assert np.allclose(point_YD[1:, -1], 0) and point_YD[0, -1] == 1


def test_a_packing_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="of 100 unit vectors fit in 2 dimensions"):
        packing(100, 2, np.random.default_rng(0))


@given(st.integers(2, 5), st.integers(0, 2**32))
def test_the_most_likely_sequences_are_the_maximum_cuts(vertices: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight_VV = np.zeros((vertices, vertices))
    for first, second in combinations(range(vertices), 2):
        weight_VV[first, second] = weight_VV[second, first] = rng.integers(0, 4)
    if not weight_VV.any():
        return
    best: tuple[float, list[tuple[int, ...]]] = (-1.0, [])
    for sides in np.ndindex(*(2,) * vertices):
        cut = sum(
            weight_VV[a, b] for a, b in combinations(range(vertices), 2) if sides[a] != sides[b]
        )
        assert np.isclose(cut, cut_weight(weight_VV)[sides])
        best = (
            (cut, [sides])
            if cut > best[0]
            else (cut, [*best[1], sides])
            if cut == best[0]
            else best
        )
    model = max_cut_model(weight_VV)
    likely = argmax_XY(as_base_model([model]))[0].reshape(model.probability.shape)
    assert [tuple(map(int, index)) for index in np.argwhere(likely)] == [
        (*sides, 1) for sides in best[1]
    ]


@given(st.integers(3, 12), st.floats(-20, 20))
def test_no_member_of_the_class_is_sharpened(symbols: int, theta: float) -> None:
    assert unsharpenable(symbols, theta).probability[1, 0] <= 1 / (symbols - 1) <= 0.5
    model = unsharpenable(symbols, theta_of_base(symbols))
    assert (
        argmax_XY(as_base_model([model])).sum() == 1
        and model.most_likely() == (1, 0) != model.greedy()
    )


def test_unsuitable_instances_are_refused() -> None:
    with pytest.raises(ValueError, match="4 answers"):
        HardInstance(rare=1, answers=3, delta_mass=0.1)
    with pytest.raises(ValueError, match="symmetric"):
        max_cut_model(np.array([[0.0, 1.0], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="at least 3 symbols"):
        unsharpenable(2, 0.0)
