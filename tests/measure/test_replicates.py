"""Numbers from several training seeds."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.intervals import Ratio
from strop.measure.replicates import ONE_SEED, mean_of_cells, mean_over_seeds, spread


def ratio(*values: float) -> Ratio:
    return Ratio(np.array(values), np.ones(len(values)), "a mean")


def test_the_mean_over_seeds_and_what_it_rests_on() -> None:
    result = mean_over_seeds([ratio(0, 1, 1, 0), ratio(1, 1, 1, 0), ratio(0, 1, 0, 0)])
    assert (
        result.value == 0.5
        and result.low is not None
        and result.high is not None
        and result.low < 0.5 < result.high
    )
    assert spread([ratio(0, 1, 1, 0), ratio(1, 1, 1, 0), ratio(0, 1, 0, 0)]) == pytest.approx(0.25)
    alone = mean_over_seeds([ratio(0, 1, 1, 0)])
    assert alone.value == 0.5 and alone.caution == ONE_SEED


def test_seeds_without_a_value_are_left_out() -> None:
    nothing = Ratio(np.zeros(2), np.zeros(2), "a mean", "nothing there")
    assert mean_over_seeds([nothing, ratio(0, 1)]).value == 0.5
    assert mean_over_seeds([nothing, nothing]).why == "nothing there"
    same = mean_over_seeds([ratio(1, 1), ratio(1, 1)])
    assert same.value == 1 and same.low is None and same.why is not None


@pytest.mark.parametrize(("seed_sd", "problem_sd"), [(0.0, 0.3), (0.1, 0.1), (0.2, 0.05)])
def test_the_interval_covers_where_seeds_or_problems_decide(
    seed_sd: float, problem_sd: float
) -> None:
    """Three seeds, sixty problems, 600 worlds: nominal 95% intervals cover at least 92%."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(600):
        problem_P = rng.normal(0, problem_sd, 60)
        seeds = [
            ratio(*(0.4 + rng.normal(0, seed_sd) + problem_P + rng.normal(0, 0.1, 60)))
            for _ in range(3)
        ]
        result = mean_over_seeds(seeds)
        assert result.low is not None and result.high is not None
        covered += result.low <= 0.4 <= result.high
    assert covered >= 0.92 * 600


def test_the_mean_of_cells_weighs_cells_alike() -> None:
    small, large, nothing = (
        ratio(0, 1),
        ratio(1, 1, 1, 0, 1, 1, 1, 0),
        Ratio(np.zeros(3), np.zeros(3), "a mean"),
    )
    result = mean_of_cells([small, large, nothing], "mean of cells")
    assert (
        result.value == pytest.approx((0.5 + 0.75) / 2)
        and result.problems == 10
        and len(result.above_P) == 13
    )
    variance = np.var(result.above_P) / len(result.above_P)
    assert variance == pytest.approx((0.25 / 2 + 0.1875 / 8) / 4)
    assert np.isnan(mean_of_cells([nothing], "mean of cells").value)
