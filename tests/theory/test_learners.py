"""theory/ classes, linear_ball, oracle, regression and sft: the learners optimise what they say."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.errors import QueryBudgetError
from strop.theory import BaseModel, Oracle, is_sharpened, tabular
from strop.theory.best_of_n import adaptive_best, adaptive_law, best_of_n, best_of_n_law
from strop.theory.classes import FiniteClass, Pairs, ProductClass
from strop.theory.linear_ball import LinearBall
from strop.theory.regression import Iterate, Xpo, base_pairs, best, reward_dpo
from strop.theory.sft import adaptive_sft_sharpening, sft_sharpening
from strop.theory.sphere import packing, sphere_model, with_hidden_pole
from strop.theory.tilt import tilted
from tests.theory.theory_worlds import base_models, random_law


class Recorded(Oracle):
    """An oracle that hands out given prompts and pairs again."""

    def __init__(self, model: BaseModel, pairs: Pairs) -> None:
        super().__init__(model, np.random.default_rng(0))
        self.pairs = pairs

    def prompts(self, count: int) -> np.ndarray:
        return self.pairs.prompt_N[:count]

    def respond(self, prompt_N: np.ndarray, times: int = 1) -> tuple[np.ndarray, np.ndarray]:
        return self.pairs.response_N2[: len(prompt_N)], self.pairs.logprob_N2[: len(prompt_N)]


def a_class(model: BaseModel, rng: np.random.Generator, members: int = 6) -> FiniteClass:
    return FiniteClass(random_law(rng, members, model.prompts, model.responses))


@given(
    base_models(),
    st.integers(0, 2**32),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 40),
    st.integers(0, 40),
)
def test_no_learner_exceeds_its_budget(
    model: BaseModel, seed: int, prompts: int, samples: int, budget: int, extended: int
) -> None:
    rng = np.random.default_rng(seed)
    members = a_class(model, rng)
    learners = (
        lambda oracle: best_of_n(oracle, oracle.prompts(prompts), samples),
        lambda oracle: sft_sharpening(oracle, members, prompts, samples),
        lambda oracle: adaptive_sft_sharpening(oracle, members, prompts, 1.5),
        lambda oracle: reward_dpo(oracle, members, prompts, 0.5),
        lambda oracle: list(
            Xpo(0.5, 0.1, validation=samples).rounds(oracle, members, prompts, rng)
        ),
    )
    costs = (prompts * samples, prompts * samples, None, 2 * prompts, prompts + 1)
    for learner, cost in zip(learners, costs, strict=True):
        oracle = Oracle(model, rng, budget=budget, extended_budget=extended)
        try:
            learner(oracle)
        except QueryBudgetError:
            assert cost is None or cost > budget or prompts - 1 + prompts * samples > extended
        else:
            assert cost is None or oracle.drawn == cost
        assert oracle.drawn <= budget and oracle.evaluated <= extended


def test_the_oracle_draws_from_the_base_and_tells_its_log_probability() -> None:
    model = tabular([[0.7, 0.3, 0.0], [0.0, 0.2, 0.8]], [0.25, 0.75])
    oracle = Oracle(model, np.random.default_rng(1))
    prompt_N = oracle.prompts(4_000)
    response_NK, logprob_NK = oracle.respond(prompt_N, 5)
    assert abs((prompt_N == 0).mean() - 0.25) < 0.03 and (
        oracle.asked_prompts,
        oracle.drawn,
        oracle.evaluated,
    ) == (4_000, 20_000, 0)
    for x in range(2):
        shares_Y = np.bincount(response_NK[prompt_N == x].ravel(), minlength=3) / (
            5 * (prompt_N == x).sum()
        )
        assert np.abs(shares_Y - model.probability_XY[x]).max() < 0.03
        assert (shares_Y[model.probability_XY[x] == 0] == 0).all()
    assert np.allclose(np.exp(logprob_NK), model.probability_XY[prompt_N[:, None], response_NK])
    assert (
        np.allclose(oracle.evaluate(np.array([0]), np.array([1])), np.log(0.3))
        and oracle.evaluated == 1
    )


def test_what_is_drawn_follows_the_exact_laws() -> None:
    probability_Y, draws = np.array([0.4, 0.3, 0.15, 0.15]), 20_000
    oracle = Oracle(tabular([probability_Y]), np.random.default_rng(2))
    fixed_N = best_of_n(oracle, oracle.prompts(draws), 3)
    adaptive_N, drawn_N = adaptive_best(oracle, oracle.prompts(draws), 1.2)
    law_Y, expected = adaptive_law(probability_Y, 1.2)
    for seen_N, wanted_Y in ((fixed_N, best_of_n_law(probability_Y, 3)), (adaptive_N, law_Y)):
        assert np.abs(np.bincount(seen_N, minlength=4) / draws - wanted_Y).max() < 0.015
    assert abs(drawn_N.mean() - expected) < 0.05 and oracle.drawn == 3 * draws + drawn_N.sum()


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 2.0]))
def test_a_product_class_is_the_finite_class_of_all_its_members(seed: int, alpha: float) -> None:
    rng = np.random.default_rng(seed)
    laws = [random_law(rng, int(rng.integers(1, 4)), 3) for _ in range(3)]
    parts = ProductClass(laws)
    whole = FiniteClass(np.stack([np.stack(chosen) for chosen in product(*laws)]))
    assert np.isclose(parts.log_size, whole.log_size)
    oracle = Oracle(tabular(random_law(rng, 3, 3)), rng)
    prompt_N = np.append(
        np.arange(3), oracle.prompts(5)
    )  # all prompts: an unseen one would be a tie
    response_N = oracle.respond(prompt_N)[0][:, 0]
    assert np.array_equal(
        parts.maximum_likelihood(prompt_N, response_N),
        whole.maximum_likelihood(prompt_N, response_N),
    )
    pairs = base_pairs(oracle, np.repeat(prompt_N, 2))
    assert np.array_equal(parts.regress(pairs, 0.5, alpha), whole.regress(pairs, 0.5, alpha))


@given(base_models(), st.integers(0, 2**32), st.integers(1, 6), st.floats(0.05, 2))
def test_xpo_without_bonus_and_with_base_sampling_is_the_offline_learner(
    model: BaseModel, seed: int, rounds: int, beta: float
) -> None:
    rng = np.random.default_rng(seed)
    members = a_class(model, rng)
    *_, last = Xpo(beta, alpha=0.0, online=False, validation=0).rounds(
        Oracle(model, rng), members, rounds, rng
    )
    assert np.array_equal(
        last.law_XY, reward_dpo(Recorded(model, last.pairs), members, rounds, beta)
    )
    assert len(last.pairs.prompt_N) == rounds and np.isnan(last.value)


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_the_same_on_the_sphere(seed: int, rounds: int) -> None:
    rng = np.random.default_rng(seed)
    point_YD = packing(12, 4, rng)
    ball, model = LinearBall(point_YD, 20.0), sphere_model(point_YD)
    *_, last = Xpo(0.1, alpha=0.0, online=False, validation=0).rounds(
        Oracle(model, rng), ball, rounds, rng
    )
    assert np.array_equal(last.law_XY, reward_dpo(Recorded(model, last.pairs), ball, rounds, 0.1))


def test_xpo_in_the_plus_sign_learns_the_tilt_and_the_bonus_moves_it() -> None:
    """Without a bonus XPO finds pi*_beta in the class; a great bonus avoids y'."""
    rng, beta = np.random.default_rng(3), 0.4
    model = tabular([[0.45, 0.35, 0.2]])
    exact_XY = tilted(model, beta)
    members = FiniteClass(
        np.stack([model.probability_XY, exact_XY, np.array([[0.01, 0.01, 0.98]])])
    )
    laws = [
        list(Xpo(beta, alpha).rounds(Oracle(model, rng), members, 30, rng)) for alpha in (0.0, 1e4)
    ]
    assert np.allclose(best(laws[0]).law_XY, exact_XY) and np.allclose(
        laws[1][-1].law_XY, members.law_FXY[2]
    )


def test_the_best_iterate_has_the_best_value_and_is_the_last_of_equals() -> None:
    nothing = Pairs(np.zeros(0, int), np.zeros((0, 2), int), np.zeros((0, 2)))
    iterates = [
        Iterate(np.full((1, 1), float(i)), value, nothing)
        for i, value in enumerate((1.0, 3.0, 3.0, 2.0))
    ]
    assert best(iterates).law_XY[0, 0] == 2


@given(st.integers(0, 2**32))
def test_the_ball_maximises_likelihood_and_optimism(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ball = LinearBall(packing(10, 3, rng), 6.0)
    response_N = rng.integers(10, size=4)
    reached = np.log(ball.maximum_likelihood(np.zeros(4, int), response_N)[0, response_N]).sum()
    model = sphere_model(ball.feature_YD)
    oracle = Oracle(model, rng)
    pairs = base_pairs(oracle, oracle.prompts(1))
    law_Y = ball.regress(pairs, 0.25, alpha=1.0)[0]
    step_D = ball.feature_YD[pairs.response_N2[0, 0]] - ball.feature_YD[pairs.response_N2[0, 1]]
    goal = 5 * (pairs.logprob_N2[0, 0] - pairs.logprob_N2[0, 1])
    assert np.isclose(
        np.log(law_Y[pairs.response_N2[0, 0]] / law_Y[pairs.response_N2[0, 1]]), goal, atol=1e-6
    )
    for _ in range(30):
        theta_D = rng.standard_normal(3)
        theta_D *= 6 * rng.random() ** 0.3 / np.linalg.norm(theta_D)
        assert np.log(ball.law(theta_D)[0, response_N]).sum() <= reached + 1e-3
        if step_D @ step_D > 1e-9:
            theta_D += (
                (goal - theta_D @ step_D) * step_D / (step_D @ step_D)
            )  # the nearest theta that has no squared error
        if np.linalg.norm(theta_D) <= 6:
            other = np.log(ball.law(theta_D)[0, pairs.response_N2[0, 1]])
            assert other >= np.log(law_Y[pairs.response_N2[0, 1]]) - np.log(
                10
            )  # exact but for log |Y|, as its docstring says


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_offline_the_hidden_pole_is_found_only_when_it_was_drawn(seed: int, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    point_YD = with_hidden_pole(20, 4, rng)
    base = sphere_model(point_YD)
    drawn = base_pairs(Oracle(base, rng), np.zeros(pairs, int))
    differs = (drawn.response_N2 == 0).any(axis=1) & (drawn.response_N2 != 0).any(axis=1)
    law_XY = LinearBall(point_YD, 200.0).regress(drawn, 1 / 199)
    assert law_XY.argmax() == 0 if differs.any() else not is_sharpened(law_XY, base, 0, 0.1)


def test_a_refusal_says_what_was_spent() -> None:
    oracle = Oracle(tabular([[0.5, 0.5]]), np.random.default_rng(0), budget=3)
    oracle.respond(np.array([0]), 2)
    with pytest.raises(QueryBudgetError, match="2 responses after 2: the budget is 3"):
        oracle.respond(np.array([0]), 2)
    assert oracle.drawn == 2
