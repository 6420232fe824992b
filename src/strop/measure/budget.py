"""The problems and samples that a wanted interval needs (``strop plan``).

An estimate is a mean over P problems, so its variance is V(K) / P, with V(K) the variance of one
problem's value from K responses. For accuracy V(K) = between + within / K exactly: ``between`` is
the variance between problems, ``within`` that of responses to one problem. For the gap the same
form is a fit. V comes from a pilot, or from assumed numbers alone.

Axes: P problems, K responses, N sizes of sub-samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, inf, sqrt
from statistics import NormalDist

import numpy as np

from strop.measure.gap import Mask, Weigh, accuracy_P, check_shapes, gap_P
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
_NO_SIMULATED_SPREAD = (
    "every simulated problem has the same gap (as always at K = 1): no spread to plan from"
)
_ONE_RESPONSE = (
    "the pilot has one response a problem: the variance within a problem is unknown, "
    "so K > 1 cannot be planned"
)
_NO_BETWEEN = (
    "problems differ no more than responses to one problem do: the estimated variance between "
    "problems is below 0 and is set to 0"
)


@dataclass(frozen=True)
class Variances:
    """V(K) at each K that is considered, NaN where unknown (``why``).

    ``notes`` are for the reader of the plan.
    """

    by_samples: Mapping[int, float]
    why: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Law:
    """V(K) = between + within / K, as a pilot shows it.

    ``single`` is between + within: accuracy's V(1), known even if its parts are not. None is
    unknown; ``why`` is the reason to give at a K whose V is. ``measured`` holds the K that a fit to
    gaps rests on; it is empty where the form is exact.
    """

    single: float | None
    within: float | None
    why: str | None
    notes: tuple[str, ...]
    measured: tuple[int, ...] = ()

    @property
    def between(self) -> float | None:
        """The variance that no number of responses takes away."""
        if self.single is None or self.within is None:
            return None
        return self.single - self.within

    def variance(self, samples: int) -> float:
        """Return V(K), NaN where unknown."""
        if samples < 1:
            raise ValueError(f"a problem needs at least one sample; got {samples}")
        if self.single is None:
            return float("nan")
        if samples == 1:
            # The gap of one response is always 0: a fit to gaps does not hold there.
            return float("nan") if self.measured else self.single
        if self.within is None:
            return float("nan")
        return self.single - self.within * (1 - 1 / samples)

    def error(self, problems: int, samples: int) -> float:
        """Return the standard error of the mean over this many problems."""
        return sqrt(self.variance(samples) / problems)

    def at(self, grid: Iterable[int]) -> Variances:
        """Return the variances at these K, for ``plan``."""
        by_samples = {samples: self.variance(samples) for samples in grid}
        notes = self.notes
        # A fit to gaps says little beyond the sizes that it was fitted to.
        if self.measured:
            least, most = min(self.measured), max(self.measured)
            beyond = [str(samples) for samples in by_samples if not least <= samples <= most]
            if beyond:
                note = f"K = {', '.join(beyond)}: outside the pilot's {least} to {most}"
                notes = (*notes, note)
        return Variances(by_samples, self.why, notes)


@dataclass(frozen=True)
class Need:
    """Problems needed at this number of samples each, and the responses that makes.

    None with a reason where unknown.
    """

    samples: int
    problems: int | None
    responses: int | None
    why: str | None = None


@dataclass(frozen=True)
class Plan:
    """The needs at each K.

    ``cheapest`` has the fewest responses of those with enough problems ``available``; None with a
    reason.
    """

    half_width: float
    level: float
    needs: tuple[Need, ...]
    cheapest: Need | None
    why: str | None
    notes: tuple[str, ...]


def plan(
    variances: Variances, half_width: float, level: float = LEVEL, available: int | None = None
) -> Plan:
    """Return the problems needed at each K for an interval of this half-width.

    P >= (z / half-width)^2 V(K), z the normal quantile: rounded up, at least two. ``available`` is
    the number of problems there are, None for no limit; it restricts the cheapest need alone.
    Raises ValueError for a half-width that is not above 0, or a level outside (0, 1).
    """
    if not half_width > 0 or not 0 < level < 1:
        raise ValueError(
            f"a plan needs a half-width above 0 and a level in (0, 1); got {half_width} and {level}"
        )
    scale = NormalDist().inv_cdf(0.5 + level / 2) / half_width
    needs = []
    for samples, variance in variances.by_samples.items():
        needs.append(_need(samples, variance, scale, variances.why))
    known = [need for need in needs if need.responses is not None]
    most = inf
    if available is not None:
        most = available
    possible = [need for need in known if _within(need, most)]
    cheapest = min(possible, key=_cost, default=None)
    why = None
    if cheapest is None and known:
        why = f"needs more than the {available} problems there are"
    elif cheapest is None:
        why = variances.why or _NO_SPREAD
    return Plan(half_width, level, tuple(needs), cheapest, why, variances.notes)


def _need(samples: int, variance: float, scale: float, why: str | None) -> Need:
    """Return the need at one K. A variance of 0 is no spread seen, not certainty."""
    if not variance > NEGLIGIBLE:
        return Need(samples, None, None, why or _NO_SPREAD)
    # The tolerance keeps a whole number whole that rounding has put a hair above.
    problems = max(FEWEST, ceil(scale**2 * variance - 1e-9))
    return Need(samples, problems, problems * samples)


def _within(need: Need, most: float) -> bool:
    return need.problems is not None and need.problems <= most


def _cost(need: Need) -> tuple[int, int]:
    """Return the responses of a known need; the samples decide between equal ones."""
    return need.responses or 0, need.samples


def accuracy_law(utility_PK: Floats, mask_PK: Mask) -> Law:
    """Return the law of accuracy from a pilot's responses.

    Without a second response to any problem its parts stay unknown.
    """
    utility_PK, mask_PK = _with_responses(utility_PK, mask_PK)
    value_P = accuracy_P(utility_PK, mask_PK)
    if np.ptp(utility_PK[mask_PK]) == 0:
        return Law(None, None, _NO_SPREAD, ())
    between, within = split_variance(utility_PK, mask_PK)
    notes = [_caveat(value_P)]
    if np.isnan(within):
        single = float(value_P.var(ddof=1))
        return Law(single, None, _ONE_RESPONSE, tuple(notes))
    if between < 0:
        notes.append(_NO_BETWEEN)
    single = max(between, 0.0) + within
    return Law(single, within, None, tuple(notes))


def split_variance(utility_PK: Floats, mask_PK: Mask) -> tuple[float, float]:
    """Return unbiased variances (between, within) of accuracy.

    E[variance of the problems' means] = between + mean of within_P / K_P. ``between`` may come out
    below 0. Both are NaN where no problem has two responses; a problem that has one gets the mean
    ``within`` of the others. Raises ValueError for fewer than two problems with a response.
    """
    utility_PK, mask_PK = _with_responses(utility_PK, mask_PK)
    value_P = accuracy_P(utility_PK, mask_PK)
    count_P = mask_PK.sum(axis=1)
    several_P = count_P > 1
    if not several_P.any():
        return float("nan"), float("nan")
    square_PK = (utility_PK - value_P[:, None]) ** 2
    square_P = np.where(mask_PK, square_PK, 0.0).sum(axis=1)
    within_P = square_P / np.maximum(count_P - 1, 1)
    within = float(within_P[several_P].mean())
    # The mean of K responses varies by within / K beside what problems differ by: subtract it.
    noise_P = np.where(several_P, within_P, within) / count_P
    between = float(value_P.var(ddof=1) - noise_P.mean())
    return between, within


def gap_law(gaps: Mapping[int, Floats]) -> Law:
    """Return the law of the gap, fitted to the variance over problems at several sub-sizes.

    ``gaps[k]`` holds each problem's gap from k of its responses: one draw of k responses a problem,
    since a mean over several draws would hide the spread of responses. The fit is by least squares,
    both parts at 0 or above. Below k = 4 the variance of the gap bends away from the form (at k = 1
    the gap is always 0): leave such k out. Raises ValueError for a k below 2, and for fewer than
    two problems that have a gap.
    """
    if not gaps or min(gaps) < 2:
        raise ValueError(f"the law of the gap needs sub-sizes of at least 2; got {sorted(gaps)}")
    known = {}
    for k in sorted(gaps):
        is_known_P = ~np.isnan(gaps[k])
        known[k] = gaps[k][is_known_P]
    fewest = min(len(gap_P) for gap_P in known.values())
    if fewest < FEWEST:
        raise ValueError("a pilot needs at least two problems that have a gap")
    variance_N = np.array([gap_P.var(ddof=1) for gap_P in known.values()])
    if (variance_N < NEGLIGIBLE).all():
        return Law(None, None, _NO_SPREAD, (), tuple(known))
    samples_N = np.array(list(known), float)
    between, within = fit_law(samples_N, variance_N)
    largest = max(known)
    notes = [_caveat(known[largest]), EACH_K]
    if len(known) == 1:
        notes.append(
            f"measured at K = {largest} only: the variance is taken to be the same at every K"
        )
    dropped = max(len(gaps[k]) - len(gap_P) for k, gap_P in known.items())
    if dropped:
        notes.append(f"up to {dropped} problems have no gap and are left out")
    return Law(between + within, within, _NO_GAP_OF_ONE, tuple(notes), tuple(known))


def fit_law(samples_N: Floats, variance_N: Floats) -> tuple[float, float]:
    """Return (a, b), both >= 0, with the least sum of (variance - a - b / K)^2.

    From one K alone, b = 0.
    """
    # A line in 1 / K, by least squares.
    inverse_N = 1 / samples_N
    centred_N = inverse_N - inverse_N.mean()
    square = float((centred_N**2).sum())
    b = 0.0
    if square:
        b = float(centred_N @ variance_N) / square
    a = float(variance_N.mean() - b * inverse_N.mean())
    # The least sum under a constraint lies on its border: there one of the two is 0.
    if b < 0:
        return float(variance_N.mean()), 0.0
    if a < 0:
        # A line through the origin: sum(x y) / sum(x^2).
        through_origin = float(inverse_N @ variance_N / (inverse_N @ inverse_N))
        return 0.0, through_origin
    return a, b


@dataclass(frozen=True)
class Assumed:
    """A world from three numbers, before any pilot.

    The accuracies of problems are Beta with this mean. A share ``rho`` of the variance of a single
    response's utility lies between problems. Scores of right and wrong responses are normal, their
    means d = sqrt(2) Phi^-1(auroc) apart, on every problem.
    """

    accuracy: float
    auroc: float = 0.75
    rho: float = 0.5

    def __post_init__(self) -> None:
        inside = 0 < self.accuracy < 1 and 0 < self.auroc < 1
        if not (inside and 0 <= self.rho <= 1):
            raise ValueError(f"accuracy and AUROC must lie in (0, 1) and rho in [0, 1]; got {self}")

    @property
    def note(self) -> str:
        """A note that names the assumptions."""
        return (
            f"assumed, not measured: accuracy {self.accuracy:g}, AUROC {self.auroc:g}, "
            f"share {self.rho:g} of variance between problems"
        )

    def accuracy_law(self) -> Law:
        """Return the law of accuracy: a response is right or wrong, so V(1) = a (1 - a)."""
        single = self.accuracy * (1 - self.accuracy)
        return Law(single, (1 - self.rho) * single, None, (self.note,))

    def gap_variances(
        self, weigh: Weigh, grid: Iterable[int], seed: int = 0, problems: int = SIMULATED
    ) -> Variances:
        """Return V(K) of the gap by simulation, separately at each K of ``grid``: no fit."""
        by_samples = {}
        for samples in grid:
            gap_P = self.gap_P(weigh, samples, seed, problems)
            by_samples[samples] = float(gap_P.var(ddof=1))
        return Variances(by_samples, _NO_SIMULATED_SPREAD, (self.note, EACH_K))

    def gap_P(self, weigh: Weigh, samples: int, seed: int = 0, problems: int = SIMULATED) -> Floats:
        """Return simulated gaps of problems from K responses each."""
        utility_PK, score_PK = self.responses(samples, seed, problems)
        mask_PK = np.ones(utility_PK.shape, bool)
        return gap_P(utility_PK, weigh(score_PK, mask_PK), mask_PK)

    def responses(
        self, samples: int, seed: int = 0, problems: int = SIMULATED
    ) -> tuple[Floats, Floats]:
        """Return simulated utilities and scores (P, K).

        The draw depends on K and the seed, not on which other K are considered.
        """
        rng = np.random.default_rng([seed, samples])
        # The order of the draws (uniforms, accuracies, normals) fixes the results of a seed.
        uniform_PK = rng.random((problems, samples))
        chance_P = self._chance_P(rng, problems)
        utility_PK = (uniform_PK < chance_P[:, None]).astype(float)
        noise_PK = rng.normal(size=utility_PK.shape)
        # The difference of a right and a wrong score is normal with mean d and variance 2, so
        # AUROC = Phi(d / sqrt(2)).
        apart = sqrt(2) * NormalDist().inv_cdf(self.auroc)
        score_PK = noise_PK + apart * utility_PK
        return utility_PK, score_PK

    def _chance_P(self, rng: np.random.Generator, problems: int) -> Floats:
        """Draw accuracies of problems: Beta(a s, (1 - a) s) has variance a (1 - a) / (s + 1).

        At the ends of rho the law has no density: one accuracy for all problems, or problems whose
        responses are all right or all wrong.
        """
        if self.rho == 0:
            return np.full(problems, self.accuracy)
        if self.rho == 1:
            return (rng.random(problems) < self.accuracy).astype(float)
        # rho = 1 / (s + 1) is the share of a (1 - a) that lies between problems.
        s = 1 / self.rho - 1
        right = self.accuracy * s
        wrong = (1 - self.accuracy) * s
        return rng.beta(right, wrong, size=problems)


def _with_responses(utility_PK: Floats, mask_PK: Mask) -> tuple[Floats, Mask]:
    """Return the problems that have a response. Raises ValueError for fewer than two."""
    check_shapes(utility_PK, mask_PK)
    answered_P = mask_PK.any(axis=1)
    answered = int(answered_P.sum())
    if answered < FEWEST:
        raise ValueError(f"a pilot needs at least two problems with a response; got {answered}")
    return utility_PK[answered_P], mask_PK[answered_P]


def _caveat(value_P: Floats) -> str:
    """Return a note on how good the pilot's variances are, and so the problems needed.

    It gives twice the relative standard error of a variance over P problems,
    sqrt((kurtosis - (P - 3) / (P - 1)) / P).
    """
    problems = len(value_P)
    square_P = (value_P - value_P.mean()) ** 2
    text = f"a pilot's variances are themselves estimates, here from {problems} problems"
    if problems < 4 or not square_P.any():
        return f"{text}: far too few to say how good"
    kurtosis = float((square_P**2).mean() / square_P.mean() ** 2)
    excess = kurtosis - (problems - 3) / (problems - 1)
    error = sqrt(max(excess, 0.0) / problems)
    return f"{text}: take the problems needed as good to about {2 * error:.0%}"
