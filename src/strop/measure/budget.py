"""How many problems and samples does a wanted interval need (``strop plan``)?

An estimate is a mean over P problems, so its variance is V(K) / P, with V(K) the variance of one problem's value from K responses. For
accuracy V(K) = between + within / K exactly: what problems differ by, and what the responses to one problem differ by. For the gap the same
form is a fit. V comes from a pilot, or from assumed numbers alone.

Axes: P problems, K responses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np

from strop.measure.exact import Weigh
from strop.measure.gap import Mask, accuracy_P, check_shapes, gap_P
from strop.measure.intervals import LEVEL, Floats

SIMULATED = 4_000
"""Problems of an assumed world: its variances are then good to a few percent."""
FEWEST = 2
"""An interval needs two problems to resample."""
NEGLIGIBLE = 1e-18
"""A variance below this is rounding: no spread was seen."""
EACH_K = (
    "gap_K is another quantity at each K: choose K by what is to be measured, then the problems"
)
_NO_GAP_OF_ONE = "the gap of one response is always 0"
_NO_SPREAD = (
    "every problem gave the same value: the pilot shows no spread to plan from; run a larger one"
)


@dataclass(frozen=True)
class Variances:
    """V(K) at each K that is considered, NaN where unknown (``why``); ``notes`` are for whoever reads the plan."""

    by_samples: Mapping[int, float]
    why: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Law:
    """V(K) = between + within / K, as a pilot shows it. ``single`` is between + within: accuracy's V(1), known even if its parts are not.

    None is unknown; ``why`` is the reason to give at a K whose V is. ``measured`` holds the K that a fit to gaps rests on; it is empty
    where the form is exact.
    """

    single: float | None
    within: float | None
    why: str | None
    notes: tuple[str, ...]
    measured: tuple[int, ...] = ()

    @property
    def between(self) -> float | None:
        """What no number of responses takes away."""
        return None if self.single is None or self.within is None else self.single - self.within

    def variance(self, samples: int) -> float:
        """V(K), NaN where unknown."""
        if samples < 1:
            raise ValueError(f"a problem needs at least one sample; got {samples}")
        if (
            self.single is None
            or (self.within is None and samples > 1)
            or (self.measured and samples == 1)
        ):
            return float("nan")
        return self.single - (self.within or 0.0) * (1 - 1 / samples)

    def error(self, problems: int, samples: int) -> float:
        """Standard error of the mean over this many problems."""
        return sqrt(self.variance(samples) / problems)

    def at(self, grid: Iterable[int]) -> Variances:
        """What ``plan`` needs, at these K."""
        by_samples = {samples: self.variance(samples) for samples in grid}
        beyond = [
            samples
            for samples in by_samples
            if self.measured and not min(self.measured) <= samples <= max(self.measured)
        ]
        note = (
            f"K = {', '.join(map(str, beyond))}: outside the pilot's {min(self.measured)} to {max(self.measured)}"
            if beyond
            else None
        )
        return Variances(by_samples, self.why, (*self.notes, note) if note else self.notes)


@dataclass(frozen=True)
class Need:
    """Problems needed at this many samples each, and the responses that makes; None with a reason where unknown."""

    samples: int
    problems: int | None
    responses: int | None
    why: str | None = None


@dataclass(frozen=True)
class Plan:
    """Needs at each K. ``cheapest`` has the fewest responses of those with enough problems ``available``; None with a reason."""

    half_width: float
    level: float
    needs: tuple[Need, ...]
    cheapest: Need | None
    why: str | None
    notes: tuple[str, ...]


def plan(
    variances: Variances, half_width: float, level: float = LEVEL, available: int | None = None
) -> Plan:
    """P >= (z / half-width)^2 V(K), z the normal quantile: rounded up, at least two."""
    if not half_width > 0 or not 0 < level < 1:
        raise ValueError(
            f"a plan needs a half-width above 0 and a level in (0, 1); got {half_width} and {level}"
        )
    z = NormalDist().inv_cdf(0.5 + level / 2)
    needs = tuple(
        _need(samples, variance, z / half_width, variances.why)
        for samples, variance in variances.by_samples.items()
    )
    known = [(need.responses, need.samples, need) for need in needs if need.responses is not None]
    within_reach = [
        entry for entry in known if available is None or entry[0] <= available * entry[1]
    ]
    cheapest = min(within_reach)[2] if within_reach else None
    why = (
        None
        if cheapest
        else f"needs more than the {available} problems there are"
        if known
        else variances.why or _NO_SPREAD
    )
    return Plan(half_width, level, needs, cheapest, why, variances.notes)


def accuracy_law(utility_PK: Floats, mask_PK: Mask) -> Law:
    """The law of accuracy from a pilot's responses; without a second response to any problem its parts stay unknown."""
    utility_PK, mask_PK = _answered(utility_PK, mask_PK)
    value_P = accuracy_P(utility_PK, mask_PK)
    if np.ptp(utility_PK[mask_PK]) == 0:
        return Law(None, None, _NO_SPREAD, ())
    between, within = split_variance(utility_PK, mask_PK)
    caveat = _caveat(value_P)
    if np.isnan(within):
        why = "the pilot has one response a problem: what responses to one problem differ by is unknown, so K > 1 cannot be planned"
        return Law(float(value_P.var(ddof=1)), None, why, (caveat,))
    note = "problems differ by no more than their responses do: the variance between problems came out below 0 and is set to 0"
    return Law(
        max(between, 0.0) + within, within, None, (caveat, note) if between < 0 else (caveat,)
    )


def split_variance(utility_PK: Floats, mask_PK: Mask) -> tuple[float, float]:
    """Unbiased variances (between, within) of accuracy: E[variance of the problems' means] = between + mean of within_P / K_P.

    ``between`` may come out below 0. Both are NaN where no problem has two responses; a problem that has one gets the others' ``within``.
    """
    utility_PK, mask_PK = _answered(utility_PK, mask_PK)
    value_P, count_P = accuracy_P(utility_PK, mask_PK), mask_PK.sum(axis=1)
    several_P = count_P > 1
    if not several_P.any():
        return float("nan"), float("nan")
    square_P = np.where(mask_PK, (utility_PK - value_P[:, None]) ** 2, 0.0).sum(axis=1)
    within_P = square_P / np.maximum(count_P - 1, 1)
    within = float(within_P[several_P].mean())
    noise_P = np.where(several_P, within_P, within) / count_P
    return float(value_P.var(ddof=1) - noise_P.mean()), within


def gap_law(gaps: Mapping[int, Floats]) -> Law:
    """The law of the gap, fitted by least squares to the variance over problems of ``gaps[k]``: each problem's gap from k of its responses.

    One draw of k responses a problem: a mean over several draws would hide what responses differ by. Both parts are kept at 0 or above.
    Below k = 4 the variance of the gap bends away from the form (at k = 1 the gap is always 0): leave such k out of the fit.
    """
    if not gaps or min(gaps) < 2:
        raise ValueError(f"the law of the gap needs sub-sizes of at least 2; got {sorted(gaps)}")
    known = {k: gap_P[~np.isnan(gap_P)] for k, gap_P in sorted(gaps.items())}
    if min(map(len, known.values())) < FEWEST:
        raise ValueError("a pilot needs at least two problems that have a gap")
    variance_N = np.array([gap_P.var(ddof=1) for gap_P in known.values()])
    if (variance_N < NEGLIGIBLE).all():
        return Law(None, None, _NO_SPREAD, (), tuple(known))
    between, within = fit_law(np.array(list(known), float), variance_N)
    notes = [_caveat(known[max(known)]), EACH_K]
    if len(known) == 1:
        notes.append(
            f"measured at K = {max(known)} only: the variance is taken to be the same at every K"
        )
    if dropped := {len(gaps[k]) - len(gap_P) for k, gap_P in known.items()} - {0}:
        notes.append(f"up to {max(dropped)} problems have no gap and are left out")
    return Law(between + within, within, _NO_GAP_OF_ONE, tuple(notes), tuple(known))


def fit_law(samples_N: Floats, variance_N: Floats) -> tuple[float, float]:
    """(a, b), both >= 0, with the least sum of (variance - a - b / K)^2; b = 0 from one K."""
    inverse_N = 1 / samples_N
    centred_N = inverse_N - inverse_N.mean()
    square = float((centred_N**2).sum())
    b = float(centred_N @ variance_N) / square if square else 0.0
    a = float(variance_N.mean() - b * inverse_N.mean())
    if b < 0:
        return float(variance_N.mean()), 0.0
    if a < 0:
        return 0.0, float(inverse_N @ variance_N / (inverse_N @ inverse_N))
    return a, b


@dataclass(frozen=True)
class Assumed:
    """A world from three numbers, before any pilot: problems' accuracies are Beta with this mean, and a share ``rho`` of the variance of a
    single response's utility lies between problems; scores of right and wrong responses are normal, their means d = sqrt(2) Phi^-1(auroc)
    apart, whatever the problem.
    """

    accuracy: float
    auroc: float = 0.75
    rho: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.accuracy < 1 and 0 < self.auroc < 1 and 0 <= self.rho <= 1):
            raise ValueError(f"accuracy and AUROC must lie in (0, 1) and rho in [0, 1]; got {self}")

    @property
    def note(self) -> str:
        """What the numbers rest on."""
        return f"assumed, not measured: accuracy {self.accuracy:g}, AUROC {self.auroc:g}, share {self.rho:g} of variance between problems"

    def accuracy_law(self) -> Law:
        """A single response is right or wrong, so V(1) = a (1 - a)."""
        single = self.accuracy * (1 - self.accuracy)
        return Law(single, (1 - self.rho) * single, None, (self.note,))

    def gap_variances(
        self, weigh: Weigh, grid: Iterable[int], seed: int = 0, problems: int = SIMULATED
    ) -> Variances:
        """V(K) of the gap by simulation, each K on its own: no fit."""
        by_samples = {
            samples: float(self.gap_P(weigh, samples, seed, problems).var(ddof=1))
            for samples in grid
        }
        why = (
            "every simulated problem has the same gap (as always at K = 1): no spread to plan from"
        )
        return Variances(by_samples, why, (self.note, EACH_K))

    def gap_P(self, weigh: Weigh, samples: int, seed: int = 0, problems: int = SIMULATED) -> Floats:
        """Simulated gaps of problems from K responses each."""
        utility_PK, score_PK = self.responses(samples, seed, problems)
        mask_PK = np.ones(utility_PK.shape, bool)
        return gap_P(utility_PK, weigh(score_PK, mask_PK), mask_PK)

    def responses(
        self, samples: int, seed: int = 0, problems: int = SIMULATED
    ) -> tuple[Floats, Floats]:
        """Utilities and scores (P, K). The draw depends on K and the seed, not on what other K are asked for."""
        rng = np.random.default_rng([seed, samples])
        utility_PK = (
            rng.random((problems, samples)) < self._chance_P(rng, problems)[:, None]
        ).astype(float)
        apart = sqrt(2) * NormalDist().inv_cdf(self.auroc)
        return utility_PK, rng.normal(size=utility_PK.shape) + apart * utility_PK

    def _chance_P(self, rng: np.random.Generator, problems: int) -> Floats:
        """Beta(a s, (1 - a) s) has variance a (1 - a) / (s + 1); its ends are one accuracy for all, and problems all right or all wrong."""
        if self.rho == 0:
            return np.full(problems, self.accuracy)
        if self.rho == 1:
            return (rng.random(problems) < self.accuracy).astype(float)
        s = 1 / self.rho - 1
        return rng.beta(self.accuracy * s, (1 - self.accuracy) * s, size=problems)


def _need(samples: int, variance: float, scale: float, why: str | None) -> Need:
    """A variance of 0 is no spread seen, not certainty."""
    if not variance > NEGLIGIBLE:
        return Need(samples, None, None, why or _NO_SPREAD)
    problems = max(FEWEST, ceil(scale**2 * variance - 1e-9))
    return Need(samples, problems, problems * samples)


def _answered(utility_PK: Floats, mask_PK: Mask) -> tuple[Floats, Mask]:
    """The problems that have a response."""
    check_shapes(utility_PK, mask_PK)
    answered_P = mask_PK.any(axis=1)
    if answered_P.sum() < FEWEST:
        raise ValueError(
            f"a pilot needs at least two problems with a response; got {int(answered_P.sum())}"
        )
    return utility_PK[answered_P], mask_PK[answered_P]


def _caveat(value_P: Floats) -> str:
    """Twice the relative standard error of a variance, sqrt((kurtosis - (P - 3) / (P - 1)) / P), which the problems needed inherit."""
    problems = len(value_P)
    square_P = (value_P - value_P.mean()) ** 2
    text = f"a pilot's variances are themselves estimates, here from {problems} problems"
    if problems < 4 or not square_P.any():
        return f"{text}: far too few to say how good"
    kurtosis = float((square_P**2).mean() / square_P.mean() ** 2)
    error = sqrt(max(kurtosis - (problems - 3) / (problems - 1), 0.0) / problems)
    return f"{text}: take the problems needed as good to about {2 * error:.0%}"
