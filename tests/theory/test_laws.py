"""theory/ base_models, best_of_n, sequences, sharpness, tilt: closed forms against brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.theory import (
    argmax_XY,
    coverage,
    entropy_X,
    is_sharpened,
    linear_softmax,
    margin,
    tabular,
)
from strop.theory.base_models import BaseModel
from strop.theory.best_of_n import adaptive_law, best_of_n_law, samples_for
from strop.theory.sequences import NextToken, as_base_model, multi_layer_softmax
from strop.theory.sharpness import inverse_best, mass_on_argmax_X
from strop.theory.tilt import beta_for, margin_bound, objective, tilted
from tests.theory.theory_worlds import base_models, random_law


@given(base_models(most_prompts=1, most_responses=4), st.integers(1, 4))
def test_the_law_of_best_of_n_is_that_of_all_sequences(model: BaseModel, samples: int) -> None:
    probability_Y = model.probability_XY[0]
    expected_Y = np.zeros(len(probability_Y))
    for drawn in product(range(len(probability_Y)), repeat=samples):
        best = max(drawn, key=lambda y: probability_Y[y])  # max keeps the first of equals
        expected_Y[best] += np.prod(probability_Y[list(drawn)])
    assert np.allclose(best_of_n_law(probability_Y, samples), expected_Y)


@given(base_models(most_prompts=1, most_responses=4), st.floats(0.3, 4))
def test_the_law_of_the_adaptive_best_is_that_of_its_tree(model: BaseModel, mu: float) -> None:
    probability_Y = model.probability_XY[0]
    expected_Y, draws, alive, k = np.zeros(len(probability_Y)), 0.0, {None: 1.0}, 0
    while alive:
        k += 1
        after: dict[int | None, float] = {}
        for best, chance in alive.items():
            draws += chance
            for y in np.flatnonzero(probability_Y):
                kept = int(y) if best is None or probability_Y[y] > probability_Y[best] else best
                after[kept] = after.get(kept, 0.0) + chance * probability_Y[y]
        stopped = {best for best in after if k * probability_Y[best] >= mu * (1 - 1e-12)}
        for best in stopped:
            expected_Y[best] += after[best]
        alive = {best: chance for best, chance in after.items() if best not in stopped}
    law_Y, expected_draws = adaptive_law(probability_Y, mu)
    # The tree keeps one response of equals as its state, and any of them may be the first: only the
    # mass of a level is comparable.
    for level in np.unique(probability_Y):
        at_Y = probability_Y == level
        assert np.isclose(law_Y[at_Y].sum(), expected_Y[at_Y].sum())
    assert np.isclose(expected_draws, draws)


@given(base_models(), st.sampled_from([0.0, 0.1, 0.5]), st.sampled_from([1.0, 2.0]))
def test_coverage_margin_and_entropy_by_loops(model: BaseModel, gamma: float, p: float) -> None:
    inverse, margins, entropies, best = 0.0, [], [], 0.0
    for mu, row in zip(model.prompt_X, model.probability_XY, strict=True):
        star = [y for y in row if y >= (1 - gamma) * row.max() - 1e-12]
        inverse += mu / sum(star) ** p
        best += mu / row.max()
        others = [y for y in row if y < row.max() - 1e-12]
        margins.append(row.max() / max(others) - 1 if others and max(others) > 0 else np.inf)
        entropies.append(-sum(y * np.log(y) for y in row if y > 0))
    assert np.isclose(coverage(model, gamma, p), inverse ** (1 / p))
    assert np.isclose(inverse_best(model), best) and best >= coverage(model) - 1e-12
    assert np.isclose(margin(model), min(margins)) and np.allclose(entropy_X(model), entropies)


@given(
    base_models(),
    st.integers(0, 2**32),
    st.floats(0, 1),
    st.floats(0, 0.99),
    st.sampled_from([0.0, 0.3]),
)
def test_sharpened_is_what_definition_3_1_says(
    model: BaseModel, seed: int, eps: float, delta: float, gamma: float
) -> None:
    law_XY = random_law(np.random.default_rng(seed), model.prompts, model.responses)
    good = 0.0
    for x in range(model.prompts):
        best = model.probability_XY[x].max()
        mass = sum(
            law_XY[x, y]
            for y in range(model.responses)
            if model.probability_XY[x, y] >= (1 - gamma) * best - 1e-12
        )
        good += model.prompt_X[x] * (mass >= 1 - delta)
    assert is_sharpened(law_XY, model, eps, delta, gamma) == (good >= 1 - eps - 1e-12)


@given(base_models(), st.floats(0.05, 5), st.integers(0, 2**32))
def test_the_tilt_maximises_its_objective_and_keeps_the_margin_bound(
    model: BaseModel, beta: float, seed: int
) -> None:
    law_XY = tilted(model, beta)
    assert np.allclose(law_XY.sum(axis=1), 1) and (law_XY[model.probability_XY == 0] == 0).all()
    other_XY = random_law(np.random.default_rng(seed), *law_XY.shape) * (model.probability_XY > 0)
    other_XY /= other_XY.sum(axis=1, keepdims=True)
    for share in (0.01, 0.3, 1.0):
        assert (
            objective((1 - share) * law_XY + share * other_XY, model, beta)
            <= objective(law_XY, model, beta) + 1e-9
        )
    if np.isfinite(margin(model)):
        mass_X = mass_on_argmax_X(model.probability_XY, model)
        bound = min(margin_bound(float(mass), margin(model), beta) for mass in mass_X)
        assert mass_on_argmax_X(law_XY, model).min() >= bound - 1e-9
        small = beta_for(margin(model), model.responses, 0.1)
        assert mass_on_argmax_X(tilted(model, small), model).min() >= 0.9


def test_the_tilt_is_base_to_the_power() -> None:
    model = tabular([[0.5, 0.3, 0.2]])
    power_Y = model.probability_XY[0] ** 3
    assert np.allclose(tilted(model, 0.5)[0], power_Y / power_Y.sum())


@given(st.integers(0, 2**32), st.floats(-1.5, 0.5))
def test_greedy_finds_what_has_more_than_half(seed: int, concentration: float) -> None:
    """Proposition 3.1."""
    rng = np.random.default_rng(seed)
    tables = [rng.dirichlet(np.full(3, 10**concentration), size=(3,) * h) for h in range(3)]
    model = NextToken(tuple(tables))
    joint = model.probability
    assert np.isclose(joint.sum(), 1)
    if joint.max() > 0.5 + 1e-9:
        assert (
            model.greedy()
            == model.most_likely()
            == tuple(np.unravel_index(joint.argmax(), joint.shape))
        )


def test_layers_and_one_layer_are_the_same_model() -> None:
    rng = np.random.default_rng(0)
    theta_D, features = (
        rng.standard_normal(3),
        [rng.standard_normal((2, 3)), rng.standard_normal((2, 4, 3))],
    )
    model = multi_layer_softmax(features, theta_D)
    first = linear_softmax(features[0][None], theta_D).probability_XY[0]
    after = linear_softmax(features[1], theta_D).probability_XY
    assert np.allclose(as_base_model([model]).probability_XY[0], (first[:, None] * after).ravel())


@pytest.mark.parametrize("mass", [0.02, 0.3, 0.9])
@pytest.mark.parametrize("rho", [0.5, 0.01])
def test_proposition_c_1_grants_what_it_says(mass: float, rho: float) -> None:
    law_Y = best_of_n_law(np.array([mass, *[(1 - mass) / 100] * 100]), samples_for(mass, rho))
    assert 1 - law_Y[0] <= rho


def test_no_law_is_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        tabular([[0.5, 0.4]])
    with pytest.raises(ValueError, match=r"\(2,\)"):
        tabular([[0.5, 0.5]], [0.5, 0.5])
    with pytest.raises(ValueError, match="gamma"):
        argmax_XY(tabular([[1.0, 0.0]]), gamma=1)
