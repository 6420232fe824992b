"""Growth of a figure with pre-training FLOPs within a family: line, rank correlations, trend test.

"Mind the Gap", Fig. 1 and section 4.1. Models of a family answer the same problems, so problems are
resampled jointly over models. Where sizes have several training seeds there are two levels: seeds
are resampled within each size as well. The mean of n resampled seeds varies by (n - 1) / n of what
it should, so it is moved away from their mean by sqrt(n / (n - 1)). The share of problems in the
spread of the seeds is counted twice, which widens. Two seeds say little of their spread all the
same: intervals from them carry a caution.

Axes: M models, S sizes in rising FLOPs, P problems, B resamples, R orders of the sizes, N pairs of
sizes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import Mask
from strop.measure.intervals import Floats, Ratio, from_draws, no_value
from strop.measure.ranks import midranks_PK
from strop.records import Estimate

EXACT_UP_TO = 8
"""Sizes whose orders are all counted (8! = 40,320); above, ``ORDERS`` of them are drawn."""
ORDERS = 9_999
_CONSTANT = "every resample gives the same value: the interval does not cover the problems not seen"
_TWO_SEEDS = "the spread of two seeds is uncertain: the interval may be too narrow"


@dataclass(frozen=True)
class Trend:
    """A figure against log10 FLOPs.

    ``residual`` is the standard deviation of the sizes about the line (n - 2). The p-values are
    those of Kendall's tau against no order. ``why`` is the reason where any of these is None;
    ``test`` names the method of the p-values; ``left_out`` counts models whose figure is undefined.
    """

    slope: Estimate
    intercept: Estimate
    spearman: Estimate
    kendall: Estimate
    residual: float | None
    p_rising: float | None
    p_two_sided: float | None
    why: str | None
    test: str | None
    sizes: int
    seeds: tuple[int, ...]
    left_out: int


def trend(
    above_MP: Floats,
    below_MP: Floats,
    flops_M: Floats,
    counts_BP: Floats,
    size_M: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> Trend:
    """Return the trend of a figure over sizes.

    The figure of a model is sum(above_P) / sum(below_P). That of a size is the mean over its seeds:
    the models of one label in ``size_M``; without it every model is a size of its own. ``seed``
    draws the seeds of a size, and the orders of more than 8 sizes. ``counts_BP`` is as from
    ``resample_counts``. Raises ValueError for arrays that do not fit, for FLOPs that are not above
    0, and for one size with several FLOPs.
    """
    _check(above_MP, below_MP, flops_M, counts_BP)
    labels: list[Hashable] = list(range(len(flops_M)))
    if size_M is not None:
        labels = list(size_M)
    known_M = below_MP.sum(axis=1) != 0
    left_out = int((~known_M).sum())
    above_MP = above_MP[known_M]
    below_MP = below_MP[known_M]
    flops_M = flops_M[known_M]
    labels = [label for label, known in zip(labels, known_M, strict=True) if known]
    members, log_flops_S = _group(labels, flops_M)
    seeds = tuple(len(models) for models in members)
    # One generator draws first the seeds of the sizes, then the orders of the trend test.
    rng = np.random.default_rng(seed)
    family = _family(above_MP, below_MP, counts_BP, members, log_flops_S, rng)
    slope, intercept = family.line()
    spearman, kendall = family.rank_correlations()
    why = _no_trend(log_flops_S, family.figure_S)
    p_rising = p_two_sided = test = None
    if not why:
        p_rising, p_two_sided, test = trend_test(log_flops_S, family.figure_S, rng)
    return Trend(
        slope=slope,
        intercept=intercept,
        spearman=spearman,
        kendall=kendall,
        residual=_residual(log_flops_S, family.figure_S),
        p_rising=p_rising,
        p_two_sided=p_two_sided,
        why=why,
        test=test,
        sizes=len(seeds),
        seeds=seeds,
        left_out=left_out,
    )


def trend_of_ratios(
    ratios: Sequence[Ratio],
    flops_M: Floats,
    counts_BP: Floats,
    size_M: Sequence[Hashable] | None = None,
) -> Trend:
    """Return the trend of figures given as ratios on the same problems, one for each model."""
    above_MP = np.stack([ratio.above_P for ratio in ratios])
    below_MP = np.stack([ratio.below_P for ratio in ratios])
    return trend(above_MP, below_MP, flops_M, counts_BP, size_M)


def trend_test(x_S: Floats, figure_S: Floats, rng: np.random.Generator) -> tuple[float, float, str]:
    """Return P(tau >= seen), P(|tau| >= |seen|) and the method, if all orders were equally likely.

    ``x_S`` and ``figure_S`` hold the sizes' log FLOPs and figures; ``rng`` draws orders where there
    are too many sizes to count all.

    Ties stay ties under every order. So tau-b has the order of its numerator, the pairs in order
    less the pairs out of order, and that alone is counted.
    """
    sizes = len(x_S)
    exact = sizes <= EXACT_UP_TO
    if exact:
        orders_RS = np.array(list(permutations(range(sizes))))
    else:
        orders_RS = rng.permuted(np.tile(np.arange(sizes), (ORDERS, 1)), axis=1)
    sign_x_SS = _signs_SS(x_S)
    sign_figure_SS = _signs_SS(_snap(figure_S))
    concordant_R = np.zeros(len(orders_RS), int)
    for i in range(sizes):
        # The pairs of the size at position i with all later ones.
        at_i_R1 = orders_RS[:, i : i + 1]
        later_RS = orders_RS[:, i + 1 :]
        signs_RS = sign_figure_SS[at_i_R1, later_RS]
        concordant_R += signs_RS @ sign_x_SS[i, i + 1 :]
    # The full matrix holds every pair twice.
    seen = int((sign_x_SS * sign_figure_SS).sum()) // 2
    at_least = (concordant_R >= seen).sum()
    at_least_as_far = (np.abs(concordant_R) >= abs(seen)).sum()
    reached = np.array([at_least, at_least_as_far])
    if exact:
        rising, two_sided = reached / len(orders_RS)
        test = (
            f"exact permutation test of Kendall's tau: all {factorial(sizes)} orders "
            f"of {sizes} sizes"
        )
    else:
        # The order seen counts as one of those drawn, so a p-value is never 0.
        rising, two_sided = (reached + 1) / (len(orders_RS) + 1)
        test = f"permutation test of Kendall's tau: {ORDERS} drawn orders of {sizes} sizes"
    return float(rising), float(two_sided), test


def _signs_SS(value_S: Floats) -> NDArray[np.int64]:
    """Return the sign of value[j] - value[i] at [i, j]."""
    difference_SS = value_S[None, :] - value_S[:, None]
    return np.sign(difference_SS).astype(int)


def spearman_B(x_S: Floats, figure_BS: Floats) -> Floats:
    """Return Spearman's rho (B,) in each resample: Pearson's correlation of the mid-ranks.

    NaN where either is all ties, or a figure is not finite.
    """
    defined_BS = np.isfinite(figure_BS)
    # An undefined figure has rank NaN, which makes the mean and the correlation NaN too.
    rank_BS = midranks_PK(_snap(figure_BS), defined_BS)
    rank_BS = rank_BS - rank_BS.mean(axis=1, keepdims=True)
    everything_1S = np.ones((1, len(x_S)), bool)
    rank_x_S = midranks_PK(x_S[None, :], everything_1S)[0]
    # Mid-ranks of n values have mean (n + 1) / 2, whatever their ties.
    rank_x_S = rank_x_S - (len(x_S) + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        square_B = (rank_BS**2).sum(axis=1)
        spread_B = np.sqrt(square_B * (rank_x_S**2).sum())
        return np.asarray((rank_BS @ rank_x_S) / spread_B)


def kendall_B(x_S: Floats, figure_BS: Floats) -> Floats:
    """Return Kendall's tau-b (B,) in each resample; NaN as for Spearman.

    (pairs in order - pairs out of order) / sqrt(pairs untied in x * pairs untied in the figure).
    """
    first_N, second_N = np.triu_indices(len(x_S), 1)
    snapped_BS = _snap(figure_BS)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Signs are -1, 0 (a tie) or 1, so the sum of their squares counts the untied pairs.
        sign_BN = np.sign(snapped_BS[:, second_N] - snapped_BS[:, first_N])
        sign_x_N = np.sign(x_S[second_N] - x_S[first_N])
        untied_figure_B = (sign_BN**2).sum(axis=1)
        untied_x = (sign_x_N**2).sum()
        untied_B = np.sqrt(untied_figure_B * untied_x)
        return np.asarray((sign_BN @ sign_x_N) / untied_B)


@dataclass(frozen=True)
class _Sizes:
    """The figures of the sizes, and their draws in the resamples."""

    x_S: Floats
    figure_S: Floats
    draws_BS: Floats
    contributing: int
    scope: str
    caution: str | None

    def line(self) -> tuple[Estimate, Estimate]:
        """Return the slope per factor of ten in FLOPs, and the height of the line at 1 FLOP."""
        line = f"of the least-squares line of the figure on log10 FLOPs, {self.scope}"
        slope = f"slope per factor of ten {line}"
        intercept = f"intercept (at 1 FLOP) {line}"
        why = _no_line(self.x_S)
        if why:
            return no_value(slope, why), no_value(intercept, why)
        slope_B, intercept_B = line_B(self.x_S, self._value_and_draws)
        return self._estimate(slope_B, slope), self._estimate(intercept_B, intercept)

    def rank_correlations(self) -> tuple[Estimate, Estimate]:
        """Return Spearman's rho and Kendall's tau-b.

        Resampling adds noise to noisy figures, so their intervals lean towards 0.
        """
        spearman = f"Spearman's rank correlation of the figure and FLOPs, {self.scope}"
        kendall = f"Kendall's tau-b of the figure and FLOPs, {self.scope}"
        why = _no_trend(self.x_S, self.figure_S)
        if why:
            return no_value(spearman, why), no_value(kendall, why)
        all_BS = self._value_and_draws
        return (
            self._estimate(spearman_B(self.x_S, all_BS), spearman),
            self._estimate(kendall_B(self.x_S, all_BS), kendall),
        )

    @property
    def _value_and_draws(self) -> Floats:
        """The figures in the first row, their draws after it."""
        return np.vstack([self.figure_S, self.draws_BS])

    def _estimate(self, value_B: Floats, definition: str) -> Estimate:
        """Return the estimate of a value that stands first, with its draws after it."""
        value = float(value_B[0])
        result = from_draws(value, value_B[1:], self.contributing, definition)
        if result.low is None or result.high is None:
            return result
        rounding = 1e-12 * max(1.0, abs(value))
        if result.high - result.low <= rounding:
            return replace(result, caution=_CONSTANT)
        return replace(result, caution=self.caution)


def _family(
    above_MP: Floats,
    below_MP: Floats,
    counts_BP: Floats,
    members: list[list[int]],
    log_flops_S: Floats,
    rng: np.random.Generator,
) -> _Sizes:
    """Return the figures of the sizes, each a mean over the models that are its seeds."""
    figure_M = above_MP.sum(axis=1) / below_MP.sum(axis=1)
    contributes_P = ((above_MP != 0) | (below_MP != 0)).any(axis=0)
    seeds = tuple(len(models) for models in members)
    # With two seeds a size, nominal 95% intervals of the slope covered about 90% where the
    # seeds decide.
    caution = None
    if 2 in seeds:
        caution = _TWO_SEEDS
    return _Sizes(
        x_S=log_flops_S,
        figure_S=np.array([figure_M[models].mean() for models in members]),
        draws_BS=_draws(above_MP, below_MP, counts_BP, members, rng),
        contributing=int(contributes_P.sum()),
        scope=f"over {len(seeds)} sizes; {_scope(seeds)}",
        caution=caution,
    )


def line_B(x_S: Floats, figure_BS: Floats) -> tuple[Floats, Floats]:
    """Return the slopes and intercepts (B,) of the least-squares lines of each row on x."""
    # With x centred the slope is sum(x y) / sum(x^2), and y need not be centred.
    mean_x = x_S.mean()
    centred_S = x_S - mean_x
    square = (centred_S**2).sum()
    slope_B = np.asarray(figure_BS @ centred_S / square)
    # The line goes through the means of x and y.
    mean_B = figure_BS.mean(axis=1)
    intercept_B = np.asarray(mean_B - slope_B * mean_x)
    return slope_B, intercept_B


def _residual(x_S: Floats, figure_S: Floats) -> float | None:
    """Return the standard deviation about the line; None below three sizes."""
    if _no_line(x_S) or len(x_S) < 3:
        return None
    slope_B, intercept_B = line_B(x_S, figure_S[None, :])
    residual_S = figure_S - intercept_B[0] - slope_B[0] * x_S
    squares = (residual_S**2).sum()
    # Two numbers, slope and intercept, are fitted: n - 2 degrees of freedom are left.
    return float(np.sqrt(squares / (len(x_S) - 2)))


def _no_line(x_S: Floats) -> str | None:
    """Return why there is no line, or None if there is one."""
    if len(x_S) < 2:
        return f"a line needs two sizes with a figure; got {len(x_S)}"
    if np.ptp(x_S) == 0:
        return "all sizes have the same FLOPs"
    return None


def _no_trend(x_S: Floats, figure_S: Floats) -> str | None:
    """Return why there is no rank correlation, or None if there is one."""
    if len(x_S) < 3:
        return f"a trend and the spread about it need three sizes with a figure; got {len(x_S)}"
    why = _no_line(x_S)
    if why is None and np.ptp(_snap(figure_S)) == 0:
        why = "all sizes have the same figure"
    return why


def _scope(seeds: tuple[int, ...]) -> str:
    """Describe what the interval covers, and what it does not."""
    single = sum(count == 1 for count in seeds)
    if not single:
        return "interval from problems resampled jointly and seeds resampled within each size"
    if single == len(seeds):
        return "interval from problems resampled jointly, for these checkpoints only"
    return (
        "interval from problems resampled jointly and seeds where there are several; "
        f"{single} sizes have one: for these checkpoints only"
    )


def _group(labels: list[Hashable], flops_M: Floats) -> tuple[list[list[int]], Floats]:
    """Return the models of each size and its log10 FLOPs; sizes in rising FLOPs.

    Raises ValueError where the models of one size have different FLOPs.
    """
    models_of: dict[Hashable, list[int]] = {}
    for model, label in enumerate(labels):
        models_of.setdefault(label, []).append(model)
    for label, models in models_of.items():
        if np.ptp(flops_M[models]) > 0:
            raise ValueError(
                f"the seeds of size {label!r} have different FLOPs: {flops_M[models].tolist()}"
            )
    members = sorted(models_of.values(), key=lambda models: float(flops_M[models[0]]))
    flops_S = [flops_M[models[0]] for models in members]
    return members, np.log10(flops_S)


def _draws(
    above_MP: Floats,
    below_MP: Floats,
    counts_BP: Floats,
    members: list[list[int]],
    rng: np.random.Generator,
) -> Floats:
    """Return the figures of the sizes in each resample (B, S).

    They are not finite where a resample has no problem that a model's figure is defined on.
    """
    resamples = len(counts_BP)
    with np.errstate(invalid="ignore", divide="ignore"):
        figure_BM = (counts_BP @ above_MP.T) / (counts_BP @ below_MP.T)
    draws_BS = np.empty((resamples, len(members)))
    for size, models in enumerate(members):
        n = len(models)
        of_size_BM = figure_BM[:, models]
        mean_B = of_size_BM.mean(axis=1)
        draws_BS[:, size] = mean_B
        if n > 1:
            # How often each seed is drawn, as a share; the deviation is stretched to its full size.
            share_BM = rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n
            deviation_B = (share_BM * of_size_BM).sum(axis=1) - mean_B
            draws_BS[:, size] += np.sqrt(n / (n - 1)) * deviation_B
    return draws_BS


def _snap(figure: Floats) -> Floats:
    """Round, so that values equal but for rounding are ties.

    Sums of the same numbers in another order differ in their last digits.
    """
    finite: Mask = np.isfinite(figure)
    scale = np.abs(figure[finite]).max(initial=0.0)
    # All are 0, or none is finite: there is nothing to round.
    if not scale:
        return figure
    return np.asarray(np.round(figure / scale, 12))


def _check(above_MP: Floats, below_MP: Floats, flops_M: Floats, counts_BP: Floats) -> None:
    """Raise ValueError for arrays that do not fit, or FLOPs that have no logarithm."""
    same_shape = above_MP.shape == below_MP.shape
    if above_MP.ndim != 2 or not same_shape or flops_M.shape != above_MP.shape[:1]:
        raise ValueError(
            f"sums of shapes {above_MP.shape} and {below_MP.shape} do not fit "
            f"the FLOPs of {flops_M.shape} models"
        )
    if above_MP.shape[1:] != counts_BP.shape[1:]:
        raise ValueError(
            f"sums over {above_MP.shape[1]} problems do not fit resamples of shape "
            f"{counts_BP.shape}"
        )
    if not (np.isfinite(flops_M) & (flops_M > 0)).all():
        raise ValueError(f"FLOPs must be finite and above 0; got {flops_M.tolist()}")
