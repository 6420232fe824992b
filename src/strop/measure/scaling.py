"""Does a figure grow with pre-training FLOPs within a family ("Mind the Gap", Fig. 1 and section 4.1)? Line, rank correlations, trend test.

Models of a family answer the same problems, so problems are resampled jointly over models. Where sizes have several training seeds there
are two levels: seeds are resampled within each size as well. The mean of n resampled seeds varies by (n - 1) / n of what it should, so it
is moved away from their mean by sqrt(n / (n - 1)). What the problems add to the spread of the seeds is counted twice, which widens. Two
seeds say little of their spread all the same: intervals from them carry a caution.

Axes: M models, S sizes in rising FLOPs, P problems, B resamples, R orders of the sizes, N pairs of sizes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import factorial

import numpy as np

from strop.measure.gap import Mask
from strop.measure.intervals import LEVEL, Floats, Ratio, from_draws
from strop.measure.ranks import midranks_PK
from strop.records import Estimate

EXACT_UP_TO = 8
"""Sizes whose orders are all counted (8! = 40,320); above, this many are drawn."""
ORDERS = 9_999
_CONSTANT = (
    "every resample gives the same value: the interval says nothing of the problems not seen"
)


@dataclass(frozen=True)
class Trend:
    """A figure against log10 FLOPs. ``residual`` is the sd of the sizes about the line (n - 2); the p are of Kendall's tau against no
    order. ``why`` says why any of those is None; ``test`` how the p were found; ``left_out`` counts models whose figure is undefined.
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
    """The figure of a model is sum(above_P) / sum(below_P), that of a size the mean over its seeds: models of one label in ``size_M``.

    Without ``size_M`` every model is a size of its own. ``seed`` draws the seeds of a size, and the orders of more than 8 sizes.
    """
    _check(above_MP, below_MP, flops_M, counts_BP)
    labels = list(range(len(flops_M)) if size_M is None else size_M)
    known_M = below_MP.sum(axis=1) != 0
    above_MP, below_MP = above_MP[known_M], below_MP[known_M]
    members, log_flops_S = _group(
        [label for label, known in zip(labels, known_M, strict=True) if known], flops_M[known_M]
    )
    seeds = tuple(len(models) for models in members)
    figure_M = above_MP.sum(axis=1) / below_MP.sum(axis=1)
    figure_S = np.array([figure_M[models].mean() for models in members])
    rng = np.random.default_rng(seed)
    draws_BS = _draws(above_MP, below_MP, counts_BP, members, rng)
    rests_on = int(((above_MP != 0) | (below_MP != 0)).any(axis=0).sum())
    family = _Sizes(
        log_flops_S,
        figure_S,
        draws_BS,
        rests_on,
        f"over {len(seeds)} sizes; {_scope(seeds)}",
        _caution(seeds),
    )
    slope, intercept = family.line()
    spearman, kendall = family.rank_correlations()
    residual = _residual(log_flops_S, figure_S)
    why = _no_trend(log_flops_S, figure_S)
    p_rising, p_two_sided, test = (
        (None, None, None) if why else trend_test(log_flops_S, figure_S, rng)
    )
    left_out = int((~known_M).sum())
    return Trend(
        slope,
        intercept,
        spearman,
        kendall,
        residual,
        p_rising,
        p_two_sided,
        why,
        test,
        len(seeds),
        seeds,
        left_out,
    )


def trend_of(
    ratios: Sequence[Ratio],
    flops_M: Floats,
    counts_BP: Floats,
    size_M: Sequence[Hashable] | None = None,
) -> Trend:
    """The trend of figures given as ratios on the same problems, one a model."""
    above_MP, below_MP = (
        np.stack(sides)
        for sides in zip(*((ratio.above_P, ratio.below_P) for ratio in ratios), strict=True)
    )
    return trend(above_MP, below_MP, flops_M, counts_BP, size_M)


def trend_test(x_S: Floats, figure_S: Floats, rng: np.random.Generator) -> tuple[float, float, str]:
    """P(tau >= seen) and P(|tau| >= |seen|) if every order of the sizes were as likely, and how they were counted.

    Ties stay ties under every order, so tau-b orders them as its numerator does, the pairs in order less the pairs out of order.
    """
    sizes = len(x_S)
    exact = sizes <= EXACT_UP_TO
    orders_RS = (
        np.array(list(permutations(range(sizes))))
        if exact
        else rng.permuted(np.tile(np.arange(sizes), (ORDERS, 1)), axis=1)
    )
    sign_x_SS, sign_figure_SS = (
        np.sign(value_S[None, :] - value_S[:, None]).astype(int)
        for value_S in (x_S, _snap(figure_S))
    )
    concordant_R = np.zeros(len(orders_RS), int)
    for i in range(sizes):
        concordant_R += (
            sign_figure_SS[orders_RS[:, i : i + 1], orders_RS[:, i + 1 :]] @ sign_x_SS[i, i + 1 :]
        )
    seen = int((sign_x_SS * sign_figure_SS).sum()) // 2
    reached = np.array([(concordant_R >= seen).sum(), (np.abs(concordant_R) >= abs(seen)).sum()])
    if exact:
        rising, two_sided = reached / len(orders_RS)
        test = f"exact permutation test of Kendall's tau: all {factorial(sizes)} orders of {sizes} sizes"
    else:
        rising, two_sided = (reached + 1) / (len(orders_RS) + 1)
        test = f"permutation test of Kendall's tau: {ORDERS} drawn orders of {sizes} sizes"
    return float(rising), float(two_sided), test


def spearman_B(x_S: Floats, figure_BS: Floats) -> Floats:
    """Pearson's correlation of the mid-ranks; NaN where either is all ties, or a figure is not finite."""
    defined_BS = np.isfinite(figure_BS)
    rank_BS = midranks_PK(_snap(figure_BS), defined_BS)
    rank_BS = rank_BS - rank_BS.mean(axis=1, keepdims=True)
    rank_x_S = midranks_PK(x_S[None, :], np.ones((1, len(x_S)), bool))[0] - (len(x_S) + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            (rank_BS @ rank_x_S) / np.sqrt((rank_BS**2).sum(axis=1) * (rank_x_S**2).sum())
        )


def kendall_B(x_S: Floats, figure_BS: Floats) -> Floats:
    """tau-b: (pairs in order - pairs out of order) / sqrt(pairs untied in x * pairs untied in the figure); NaN as for Spearman."""
    first_N, second_N = np.triu_indices(len(x_S), 1)
    snapped_BS = _snap(figure_BS)
    with np.errstate(invalid="ignore", divide="ignore"):
        sign_BN = np.sign(snapped_BS[:, second_N] - snapped_BS[:, first_N])
        sign_x_N = np.sign(x_S[second_N] - x_S[first_N])
        return np.asarray(
            (sign_BN @ sign_x_N) / np.sqrt((sign_BN**2).sum(axis=1) * (sign_x_N**2).sum())
        )


@dataclass(frozen=True)
class _Sizes:
    """Estimates of one set of sizes."""

    x_S: Floats
    figure_S: Floats
    draws_BS: Floats
    rests_on: int
    scope: str
    caution: str | None

    def line(self) -> tuple[Estimate, Estimate]:
        """Slope per factor of ten in FLOPs, and the line's height at 1 FLOP."""
        definitions = [
            f"{what} of the least-squares line of the figure on log10 FLOPs, {self.scope}"
            for what in ("slope per factor of ten", "intercept (at 1 FLOP)")
        ]
        if why := _no_line(self.x_S):
            slope, intercept = (_undefined(definition, why) for definition in definitions)
            return slope, intercept
        all_BS = np.vstack([self.figure_S, self.draws_BS])
        slope_B, intercept_B = line_B(self.x_S, all_BS)
        return self._estimate(slope_B, definitions[0]), self._estimate(intercept_B, definitions[1])

    def rank_correlations(self) -> tuple[Estimate, Estimate]:
        """Spearman's rho and Kendall's tau-b. Resampling adds noise to noisy figures, so their intervals lean towards 0."""
        definitions = [
            f"{what} of the figure and FLOPs, {self.scope}"
            for what in ("Spearman's rank correlation", "Kendall's tau-b")
        ]
        if why := _no_trend(self.x_S, self.figure_S):
            spearman, kendall = (_undefined(definition, why) for definition in definitions)
            return spearman, kendall
        all_BS = np.vstack([self.figure_S, self.draws_BS])
        return self._estimate(spearman_B(self.x_S, all_BS), definitions[0]), self._estimate(
            kendall_B(self.x_S, all_BS), definitions[1]
        )

    def _estimate(self, value_B: Floats, definition: str) -> Estimate:
        """The value stands first, its draws after it."""
        result = from_draws(float(value_B[0]), value_B[1:], self.rests_on, definition)
        if result.low is None or result.high is None:
            return result
        constant = result.high - result.low <= 1e-12 * max(1.0, abs(value_B[0]))
        return replace(result, caution=_CONSTANT if constant else self.caution)


def line_B(x_S: Floats, figure_BS: Floats) -> tuple[Floats, Floats]:
    """Slopes and intercepts of the least-squares lines."""
    centred_S = x_S - x_S.mean()
    slope_B = np.asarray(figure_BS @ centred_S / (centred_S**2).sum())
    return slope_B, np.asarray(figure_BS.mean(axis=1) - slope_B * x_S.mean())


def _residual(x_S: Floats, figure_S: Floats) -> float | None:
    if _no_line(x_S) or len(x_S) < 3:
        return None
    slope_B, intercept_B = line_B(x_S, figure_S[None, :])
    return float(
        np.sqrt(((figure_S - intercept_B[0] - slope_B[0] * x_S) ** 2).sum() / (len(x_S) - 2))
    )


def _no_line(x_S: Floats) -> str | None:
    if len(x_S) < 2:
        return f"a line needs two sizes with a figure; got {len(x_S)}"
    return "all sizes have the same FLOPs" if np.ptp(x_S) == 0 else None


def _no_trend(x_S: Floats, figure_S: Floats) -> str | None:
    if len(x_S) < 3:
        return f"a trend and the spread about it need three sizes with a figure; got {len(x_S)}"
    return _no_line(x_S) or (
        "all sizes have the same figure" if np.ptp(_snap(figure_S)) == 0 else None
    )


def _scope(seeds: tuple[int, ...]) -> str:
    """What the interval speaks of, and what it does not."""
    single = sum(count == 1 for count in seeds)
    if not single:
        return "interval from problems resampled jointly and seeds resampled within each size"
    if single == len(seeds):
        return "interval from problems resampled jointly, for these checkpoints only"
    return f"interval from problems resampled jointly and seeds where there are several; {single} sizes have one: for these checkpoints only"


def _caution(seeds: tuple[int, ...]) -> str | None:
    """With two seeds a size, nominal 95% intervals of the slope covered about 90% where the seeds decide."""
    return (
        "two seeds say little of how far seeds differ: the interval may be too narrow"
        if 2 in seeds
        else None
    )


def _group(labels: list[Hashable], flops_M: Floats) -> tuple[list[list[int]], Floats]:
    """Which models each size has, and its log10 FLOPs; sizes in rising FLOPs."""
    models_of: dict[Hashable, list[int]] = {}
    for model, label in enumerate(labels):
        models_of.setdefault(label, []).append(model)
    for label, models in models_of.items():
        if np.ptp(flops_M[models]) > 0:
            raise ValueError(
                f"the seeds of size {label!r} have different FLOPs: {flops_M[models].tolist()}"
            )
    members = sorted(models_of.values(), key=lambda models: float(flops_M[models[0]]))
    return members, np.log10([flops_M[models[0]] for models in members])


def _draws(
    above_MP: Floats,
    below_MP: Floats,
    counts_BP: Floats,
    members: list[list[int]],
    rng: np.random.Generator,
) -> Floats:
    """The figures of the sizes in each resample (B, S); not finite where a resample has nothing of what a model's figure is about."""
    with np.errstate(invalid="ignore", divide="ignore"):
        figure_BM = (counts_BP @ above_MP.T) / (counts_BP @ below_MP.T)
    draws_BS = np.empty((len(counts_BP), len(members)))
    for size, models in enumerate(members):
        n = len(models)
        draws_BS[:, size] = mean_B = figure_BM[:, models].mean(axis=1)
        if n > 1:
            share_BM = rng.multinomial(n, np.full(n, 1 / n), size=len(counts_BP)) / n
            draws_BS[:, size] += np.sqrt(n / (n - 1)) * (
                (share_BM * figure_BM[:, models]).sum(axis=1) - mean_B
            )
    return draws_BS


def _snap(figure: Floats) -> Floats:
    """Equal but for rounding is a tie: sums of the same numbers in another order differ in their last digits."""
    finite: Mask = np.isfinite(figure)
    scale = np.abs(figure[finite]).max(initial=0.0)
    return np.round(figure / scale, 12) if scale else figure


def _undefined(definition: str, why: str) -> Estimate:
    return Estimate(None, None, None, LEVEL, 0, definition, why)


def _check(above_MP: Floats, below_MP: Floats, flops_M: Floats, counts_BP: Floats) -> None:
    if (
        above_MP.ndim != 2
        or above_MP.shape != below_MP.shape
        or flops_M.shape != above_MP.shape[:1]
    ):
        raise ValueError(
            f"sums of shapes {above_MP.shape} and {below_MP.shape} do not fit the FLOPs of {flops_M.shape} models"
        )
    if above_MP.shape[1:] != counts_BP.shape[1:]:
        raise ValueError(
            f"sums over {above_MP.shape[1]} problems do not fit resamples of shape {counts_BP.shape}"
        )
    if not (np.isfinite(flops_M) & (flops_M > 0)).all():
        raise ValueError(f"FLOPs must be finite and above 0; got {flops_M.tolist()}")
