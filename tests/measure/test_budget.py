"""Plans against enumeration and simulation, and the limits of a pilot."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.budget import (
    Assumed,
    Law,
    Variances,
    accuracy_law,
    fit_law,
    gap_law,
    plan,
    split_variance,
)
from strop.measure.gap import accuracy_P
from strop.measure.intervals import Floats
from strop.weigh import parse_weight

everything = np.ones((2, 2), bool)


@pytest.mark.parametrize(
    "mask_PK", [np.ones((2, 3), bool), np.array([[True, True, False], [True, True, True]])]
)
def test_the_split_is_unbiased_by_enumeration(mask_PK: np.ndarray) -> None:
    """Two problems of accuracy 0.2 or 0.7 at random; every outcome of six responses."""
    chances = (0.2, 0.7)
    expected = np.zeros(2)
    for first, second in product(chances, repeat=2):
        for right in product((0.0, 1.0), repeat=6):
            utility_PK = np.array(right).reshape(2, 3)
            p_PK = np.array([[first], [second]])
            seen_PK = np.where(utility_PK == 1, p_PK, 1 - p_PK)
            expected += 0.25 * seen_PK.prod() * np.array(split_variance(utility_PK, mask_PK))
    assert expected[0] == pytest.approx(np.var(chances))
    assert expected[1] == pytest.approx(np.mean([p * (1 - p) for p in chances]))


@given(utility_PK=arrays(np.float64, (5, 4), elements=st.sampled_from([0.0, 0.25, 1.0])))
def test_at_the_pilots_own_k_the_error_is_the_textbook_one(utility_PK: Floats) -> None:
    """between + within / K is the variance of the means, unless between had to be set to 0."""
    mask_PK = np.ones(utility_PK.shape, bool)
    law = accuracy_law(utility_PK, mask_PK)
    if law.single is None:
        assert np.ptp(utility_PK) == 0 and law.why
        return
    between, _ = split_variance(utility_PK, mask_PK)
    textbook = utility_PK.mean(axis=1).std(ddof=1) / np.sqrt(5)
    assert (
        law.error(5, 4) == pytest.approx(textbook) if between >= 0 else law.error(5, 4) >= textbook
    )
    assert (between < 0) == any("set to 0" in note for note in law.notes)
    assert "estimates" in law.notes[0]


def test_a_pilot_predicts_the_spread_of_other_designs() -> None:
    world = Assumed(0.3, rho=0.4)
    utility_PK, _ = world.responses(8, seed=1, problems=3000)
    law = accuracy_law(utility_PK, np.ones(utility_PK.shape, bool))
    truth = world.accuracy_law()
    assert law.between == pytest.approx(0.4 * 0.21, rel=0.1) and law.within == pytest.approx(
        0.6 * 0.21, rel=0.1
    )
    for samples in (2, 32):
        means = (
            accuracy_P(
                world.responses(samples, seed=2, problems=40_000)[0],
                np.ones((40_000, samples), bool),
            )
            .reshape(1000, 40)
            .mean(axis=1)
        )
        assert truth.error(40, samples) == pytest.approx(means.std(ddof=1), rel=0.1)
        assert law.error(40, samples) == pytest.approx(means.std(ddof=1), rel=0.15)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_all_right_or_all_wrong_gives_no_plan_but_a_reason(value: float) -> None:
    law = accuracy_law(np.full((6, 4), value), np.ones((6, 4), bool))
    result = plan(law.at((1, 8)), 0.02)
    assert result.cheapest is None and "no spread" in str(result.why)
    assert all(
        need.problems is None and need.responses is None and "no spread" in str(need.why)
        for need in result.needs
    )


def test_one_response_a_problem_plans_for_one_response_only() -> None:
    utility_PK = np.array([[1.0], [0.0], [0.0], [1.0]])
    law = accuracy_law(utility_PK, np.ones((4, 1), bool))
    assert law.within is None and law.between is None and law.single == pytest.approx(1 / 3)
    one, four = plan(law.at((1, 4)), 0.1).needs
    assert one.problems == np.ceil(1.959964**2 / 0.01 / 3) and one.why is None
    assert four.problems is None and "one response" in str(four.why)
    assert np.isnan(split_variance(utility_PK, np.ones((4, 1), bool))).all()


def test_problems_without_a_response_are_no_part_of_a_pilot() -> None:
    utility_PK = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    mask_PK = np.array([[True, True], [True, True], [False, False]])
    assert (
        accuracy_law(utility_PK, mask_PK).single == accuracy_law(utility_PK[:2], everything).single
    )
    with pytest.raises(ValueError, match="two problems"):
        accuracy_law(utility_PK[1:], mask_PK[1:])


@given(
    single=st.floats(0.001, 0.25),
    share=st.floats(0, 1),
    half_width=st.floats(0.002, 0.2),
    level=st.sampled_from([0.8, 0.95, 0.99]),
    grid=st.lists(st.integers(1, 200), min_size=1, max_size=5, unique=True),
)
def test_the_need_is_the_fewest_problems_that_do(
    single: float, share: float, half_width: float, level: float, grid: list[int]
) -> None:
    z = {0.8: 1.2815515655446004, 0.95: 1.959963984540054, 0.99: 2.5758293035489004}[level]
    law = Law(single, share * single, None, ())
    result = plan(law.at(grid), half_width, level)
    for need in result.needs:
        assert (
            need.problems is not None
            and need.responses == need.problems * need.samples
            and need.problems >= 2
        )
        assert z * law.error(need.problems, need.samples) <= half_width * (1 + 1e-6)
        assert need.problems == 2 or z * law.error(need.problems - 1, need.samples) > half_width * (
            1 - 1e-6
        )
    assert result.cheapest is not None and result.cheapest.responses == min(
        need.responses or 0 for need in result.needs
    )


def test_a_plan_keeps_to_the_problems_there_are() -> None:
    law = Assumed(0.5, rho=0.1).accuracy_law()
    free = plan(law.at((1, 4, 16)), 0.05)
    assert free.cheapest is not None and free.cheapest.samples == 1
    bound = plan(law.at((1, 4, 16)), 0.05, available=150)
    assert bound.cheapest is not None and bound.cheapest.samples == 4 and bound.needs == free.needs
    none = plan(law.at((1, 4, 16)), 0.05, available=10)
    assert none.cheapest is None and none.why == "needs more than the 10 problems there are"
    for half_width, level in ((0.0, 0.95), (float("nan"), 0.95), (0.1, 1.0)):
        with pytest.raises(ValueError, match="half-width"):
            plan(law.at((1,)), half_width, level)


@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_the_fit_gives_back_an_exact_law(a: float, b: float) -> None:
    samples_N = np.array([4.0, 8, 16, 32])
    assert fit_law(samples_N, a + b / samples_N) == (
        pytest.approx(a, abs=1e-9),
        pytest.approx(b, abs=1e-9),
    )


@given(variance_N=arrays(np.float64, 3, elements=st.floats(0, 1)))
def test_no_other_law_with_parts_above_zero_fits_better(variance_N: Floats) -> None:
    samples_N = np.array([4.0, 8, 32])
    a, b = fit_law(samples_N, variance_N)
    assert a >= 0 and b >= 0
    a_C, b_C = (
        grid.ravel()[:, None]
        for grid in np.meshgrid(np.linspace(0, 1.5, 31), np.linspace(0, 9, 61))
    )
    others_C = ((variance_N - a_C - b_C / samples_N) ** 2).sum(axis=1)
    assert ((variance_N - a - b / samples_N) ** 2).sum() <= others_C.min() + 1e-12


def test_the_law_of_the_gap_and_its_notes() -> None:
    world, weigh = Assumed(0.4), parse_weight("quantile:0.75")
    gaps = {k: world.gap_P(weigh, k, seed=3) for k in (4, 8, 16, 32)}
    law = gap_law(gaps)
    fresh = world.gap_variances(weigh, (8, 16, 32, 64), seed=4).by_samples
    for samples in (8, 16, 32):
        assert law.variance(samples) == pytest.approx(fresh[samples], rel=0.25)
    assert any("K = 64: outside the pilot's 4 to 32" in note for note in law.at((8, 64)).notes)
    assert not any("outside" in note for note in law.at((8, 32)).notes)
    one = gap_law({8: gaps[8]})
    assert one.variance(8) == one.variance(64) == pytest.approx(gaps[8].var(ddof=1)) and any(
        "K = 8 only" in note for note in one.notes
    )
    alone = plan(law.at((1,)), 0.02).needs[0]
    assert alone.problems is None and alone.why == "the gap of one response is always 0"


def test_a_gap_that_never_varies_or_is_missing() -> None:
    law = gap_law({4: np.full(7, 0.1), 8: np.full(7, 0.1)})
    assert (
        law.single is None
        and "no spread" in str(law.why)
        and plan(law.at((4,)), 0.1).cheapest is None
    )
    some = gap_law({4: np.array([0.1, np.nan, 0.4, 0.0]), 8: np.array([0.1, 0.2, 0.2, 0.0])})
    assert any("1 problems have no gap" in note for note in some.notes)
    for bad in ({}, {1: np.zeros(4)}):
        with pytest.raises(ValueError, match="sub-sizes"):
            gap_law(bad)
    with pytest.raises(ValueError, match="two problems"):
        gap_law({4: np.array([0.1, np.nan])})


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0])
def test_the_assumed_world_is_what_was_assumed(rho: float) -> None:
    world = Assumed(0.3, auroc=0.8, rho=rho)
    utility_PK, score_PK = world.responses(4, problems=20_000)
    between, within = split_variance(utility_PK, np.ones(utility_PK.shape, bool))
    assert utility_PK.mean() == pytest.approx(0.3, abs=0.015)
    assert (between, within) == (
        pytest.approx(rho * 0.21, abs=0.006),
        pytest.approx((1 - rho) * 0.21, abs=0.006),
    )
    right, wrong = score_PK[utility_PK == 1][:10_000], score_PK[utility_PK == 0][:10_000]
    assert (right > wrong[: len(right)]).mean() == pytest.approx(0.8, abs=0.02)


def test_simulated_variances_follow_the_seed_and_not_the_grid() -> None:
    world, weigh = Assumed(0.4), parse_weight("quantile:0.75")
    both, one = world.gap_variances(weigh, (4, 8), seed=1), world.gap_variances(weigh, (8,), seed=1)
    assert (
        both.by_samples[8]
        == one.by_samples[8]
        != world.gap_variances(weigh, (8,), seed=2).by_samples[8]
    )
    assert any("assumed, not measured" in note for note in both.notes)
    settled = plan(Assumed(0.4, rho=1.0).gap_variances(weigh, (1, 8)), 0.02)
    assert settled.cheapest is None and "same gap" in str(settled.why)


def test_a_planned_interval_is_as_wide_as_wanted() -> None:
    world, weigh = Assumed(0.4, auroc=0.7), parse_weight("quantile:0.75")
    need = plan(world.gap_variances(weigh, (8,), seed=5), 0.05).cheapest
    assert need is not None and need.problems is not None
    means = [world.gap_P(weigh, 8, seed=100 + i, problems=need.problems).mean() for i in range(400)]
    assert 1.96 * np.std(means, ddof=1) == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("numbers", [(0.0, 0.7, 0.5), (0.5, 1.0, 0.5), (0.5, 0.7, 1.5)])
def test_impossible_worlds_are_refused(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="rho"):
        Assumed(*numbers)


def test_unknown_variance_is_no_need_of_zero() -> None:
    result = plan(Variances({8: float("nan")}, "never measured"), 0.1)
    assert (result.needs[0].problems, result.needs[0].why, result.why) == (
        None,
        "never measured",
        "never measured",
    )
