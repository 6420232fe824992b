"""Lines, rank correlations and the trend test against plain loops, and what is resampled."""

from __future__ import annotations

from itertools import combinations, permutations
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.intervals import Floats, Ratio, difference, estimate, resample_counts
from strop.measure.scaling import _draws, kendall_B, spearman_B, trend, trend_test

ONES = np.ones((1, 3))
with_ties = st.integers(3, 6).flatmap(
    lambda n: st.tuples(*(arrays(np.float64, n, elements=st.integers(0, 3).map(float)),) * 2)
)


def figures(figure_M: list[float]) -> tuple[Floats, Floats]:
    """Sums over three problems that give these figures."""
    below_MP = np.ones((len(figure_M), 3))
    return np.array(figure_M)[:, None] * below_MP, below_MP


def numerator(x: Floats, y: Floats) -> float:
    return float(
        sum(np.sign(x[j] - x[i]) * np.sign(y[j] - y[i]) for i, j in combinations(range(len(x)), 2))
    )


@given(pair=with_ties)
def test_kendall_and_the_exact_test_by_counting_pairs_and_orders(
    pair: tuple[Floats, Floats],
) -> None:
    x, y = pair
    untied = [sum(v[i] != v[j] for i, j in combinations(range(len(v)), 2)) for v in pair]
    tau = kendall_B(x, y[None])[0]
    assert (
        np.isnan(tau)
        if 0 in untied
        else tau == pytest.approx(numerator(x, y) / np.sqrt(untied[0] * untied[1]))
    )
    under_every_order = np.array([numerator(x, np.array(order)) for order in permutations(y)])
    rising, two_sided, _ = trend_test(x, y, np.random.default_rng(0))
    assert rising == pytest.approx(np.mean(under_every_order >= numerator(x, y)))
    assert two_sided == pytest.approx(np.mean(np.abs(under_every_order) >= abs(numerator(x, y))))


@given(pair=with_ties)
def test_spearman_is_pearson_of_mean_ranks(pair: tuple[Floats, Floats]) -> None:
    rank_x, rank_y = (
        [np.mean([k for k, w in enumerate(sorted(v)) if w == value]) for value in v] for v in pair
    )
    rho = spearman_B(pair[0], pair[1][None])[0]
    if np.std(rank_x) == 0 or np.std(rank_y) == 0:
        assert np.isnan(rho)
    else:
        assert rho == pytest.approx(np.corrcoef(rank_x, rank_y)[0, 1])


def test_a_rising_order_of_n_sizes_has_p_one_over_n_factorial() -> None:
    result = trend(*figures([0.1, 0.2, 0.3, 0.5]), 10.0 ** np.array([18, 19, 20, 21]), ONES)
    assert (result.p_rising, result.p_two_sided) == (pytest.approx(1 / 24), pytest.approx(2 / 24))
    assert result.kendall.value == result.spearman.value == pytest.approx(1)
    falling = trend(*figures([0.5, 0.3, 0.2, 0.1]), 10.0 ** np.array([18, 19, 20, 21]), ONES)
    assert (falling.p_rising, falling.p_two_sided, falling.kendall.value) == (
        1,
        pytest.approx(2 / 24),
        pytest.approx(-1),
    )


def test_drawn_orders_agree_with_the_normal_law_of_kendalls_s() -> None:
    """S has mean 0 and variance n (n - 1) (2 n + 5) / 18 if there are no ties."""
    figure = np.array([1.0, 3, 2, 5, 4, 0, 7, 9, 6, 8, 11, 10])
    x, n = np.arange(12.0), 12
    rising, two_sided, _ = trend_test(x, figure, np.random.default_rng(1))
    assert (rising, two_sided) == trend_test(x, figure, np.random.default_rng(1))[:2]
    z = (numerator(x, figure) - 1) / np.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    tail = 1 - NormalDist().cdf(z)
    assert rising == pytest.approx(tail, rel=0.5) and two_sided == pytest.approx(2 * tail, rel=0.5)
    never = trend_test(x, x, np.random.default_rng(1))[0]
    assert never == 1e-4, "one of 10,000 orders is the one that was seen: never 0"


@given(
    figure=arrays(np.float64, 5, elements=st.floats(-1, 1)),
    exponent=arrays(np.float64, 5, elements=st.integers(17, 22).map(float)),
)
def test_line_and_residual_are_numpys(figure: Floats, exponent: Floats) -> None:
    result = trend(*figures(list(figure)), 10**exponent, ONES)
    if np.ptp(exponent) == 0:
        assert (
            result.slope.value is None
            and result.slope.why == result.why == "all sizes have the same FLOPs"
        )
        assert result.residual is None and result.p_rising is None and result.kendall.value is None
        return
    (slope, intercept), squares, *_ = np.polyfit(exponent, figure, 1, full=True)
    assert result.slope.value == pytest.approx(
        slope, abs=1e-9
    ) and result.intercept.value == pytest.approx(intercept, abs=1e-7)
    assert result.residual == pytest.approx(np.sqrt(squares[0] / 3), abs=1e-7)


@pytest.mark.parametrize("sizes", [0, 1, 2, 3])
def test_few_sizes(sizes: int) -> None:
    result = trend(*figures([0.1, 0.3, 0.2][:sizes]), 10.0 ** np.arange(18, 18 + sizes), ONES)
    assert result.sizes == sizes and result.left_out == 0
    assert (result.slope.value is None) == (result.intercept.value is None) == (sizes < 2)
    assert (
        result.slope.value is not None
        or result.slope.why == f"a line needs two sizes with a figure; got {sizes}"
    )
    undefined = [
        result.residual,
        result.p_rising,
        result.p_two_sided,
        result.kendall.value,
        result.spearman.value,
    ]
    if sizes < 3:
        assert undefined == [None] * 5 and result.test is None
        assert (
            result.why
            == result.kendall.why
            == f"a trend and the spread about it need three sizes with a figure; got {sizes}"
        )
    else:
        assert None not in undefined and result.why is None


def test_all_the_same_figure_has_a_line_but_no_trend() -> None:
    result = trend(*figures([0.1 + 0.2, 0.3, 0.3]), np.array([1e18, 1e19, 1e20]), ONES)
    assert result.slope.value == pytest.approx(0) and result.residual == pytest.approx(0)
    assert (
        result.p_rising is None
        and result.kendall.value is None
        and result.why == "all sizes have the same figure"
    )


def test_a_model_without_a_figure_is_left_out_and_counted() -> None:
    above_MP, below_MP = figures([0.1, 0.0, 0.2, 0.3])
    below_MP[1] = 0
    result = trend(above_MP, below_MP, 10.0 ** np.arange(18, 22), ONES)
    assert (result.sizes, result.left_out) == (3, 1)
    assert result.slope.value == pytest.approx(np.polyfit([18, 20, 21], [0.1, 0.2, 0.3], 1)[0])


def test_problems_are_resampled_jointly() -> None:
    """A problem that moves every model alike does not move the slope.

    The interval is that of the paired difference.
    """
    rng = np.random.default_rng(0)
    shared_P = rng.normal(size=200)
    counts_BP = resample_counts(200, 0)
    above_MP = np.stack([shared_P, shared_P + 0.1, shared_P + 0.2])
    result = trend(above_MP, np.ones_like(above_MP), np.array([1e18, 1e19, 1e20]), counts_BP)
    assert result.slope.low == pytest.approx(0.1) == result.slope.high and result.slope.caution
    assert result.intercept.low is not None and result.intercept.high is not None
    assert result.intercept.high - result.intercept.low > 0.2

    above_MP = rng.random((2, 200))
    below_MP = 0.5 + rng.random((2, 200))
    slope = trend(above_MP, below_MP, np.array([1e19, 1e18]), counts_BP).slope
    ratios = [Ratio(above, below, "") for above, below in zip(above_MP, below_MP, strict=True)]
    paired = estimate(difference(ratios[0], ratios[1], ""), counts_BP)
    assert slope.value == pytest.approx(paired.value)
    assert [slope.low, slope.high] == pytest.approx([paired.low, paired.high], abs=0.01)
    assert "for these checkpoints only" in slope.definition


def test_seeds_are_resampled_within_their_size_with_their_unbiased_variance() -> None:
    """No problem differs, so the slope varies by the seeds alone.

    The variance of a size's mean is s^2 / n, and the slope is a difference of two means.
    """
    figure = [0.1, 0.4, 0.2, 0.8, 0.6]
    flops = np.array([1e18, 1e18, 1e18, 1e19, 1e19])
    result = trend(*figures(figure), flops, np.ones((40_000, 3)), ["a", "a", "a", "b", "b"], seed=5)
    assert result.seeds == (3, 2) and result.sizes == 2
    assert result.slope.value == pytest.approx(0.7 - 0.7 / 3)
    assert (
        "seeds resampled" in result.slope.definition
        and "checkpoints" not in result.slope.definition
    )
    draws_BS = _draws(
        *figures(figure), np.ones((40_000, 3)), [[0, 1, 2], [3, 4]], np.random.default_rng(5)
    )
    assert draws_BS.mean(axis=0) == pytest.approx([0.7 / 3, 0.7], abs=0.005)
    assert draws_BS.var(axis=0) == pytest.approx(
        [np.var(figure[:3], ddof=1) / 3, np.var(figure[3:], ddof=1) / 2], rel=0.05
    )


def test_the_order_of_models_and_the_place_of_seeds_do_not_matter() -> None:
    figure, flops, size = (
        [0.1, 0.4, 0.2, 0.8],
        np.array([1e18, 1e19, 1e18, 1e20]),
        ["s", "m", "s", "l"],
    )
    result = trend(*figures(figure), flops, ONES, size)
    turned = trend(*figures(figure[::-1]), flops[::-1], ONES, size[::-1])
    assert result.seeds == turned.seeds == (2, 1, 1)
    assert "2 sizes have one" in result.slope.definition
    assert (result.slope.value, result.residual) == (
        pytest.approx(turned.slope.value),
        pytest.approx(turned.residual),
    )
    assert result.slope.value == pytest.approx(np.polyfit([18, 19, 20], [0.15, 0.4, 0.8], 1)[0])


def test_two_seeds_are_cautioned_against_and_three_are_not() -> None:
    above_MP = np.random.default_rng(0).random((6, 40))
    flops, counts_BP = np.array([1e18, 1e18, 1e18, 1e19, 1e19, 1e19]), resample_counts(40, 0, 200)
    three = trend(above_MP, np.ones_like(above_MP), flops, counts_BP, list("aaabbb"))
    two = trend(above_MP[1:], np.ones((5, 40)), flops[1:], counts_BP, list("aabbb"))
    assert three.slope.caution is None and "two seeds" in str(two.slope.caution)


def test_what_does_not_fit_is_refused() -> None:
    above_MP, below_MP = figures([0.1, 0.2])
    with pytest.raises(ValueError, match="different FLOPs"):
        trend(above_MP, below_MP, np.array([1e18, 1e19]), ONES, ["a", "a"])
    with pytest.raises(ValueError, match="above 0"):
        trend(above_MP, below_MP, np.array([0.0, 1e19]), ONES)
    with pytest.raises(ValueError, match="resamples of shape"):
        trend(above_MP, below_MP, np.array([1e18, 1e19]), np.ones((1, 4)))
    with pytest.raises(ValueError, match="models"):
        trend(above_MP, below_MP, np.array([1e18]), ONES)
