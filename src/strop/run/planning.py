"""Plan how much to sample for an interval of a given width (``strop plan``).

The plan starts from a pilot run, or from assumed numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from strop.errors import UsageError
from strop.measure.budget import FEWEST, Assumed, Need, Plan, Variances, accuracy_law, gap_law, plan
from strop.measure.gap import gap_P
from strop.measure.intervals import Floats
from strop.run.evidence import Evidence, Judge
from strop.run.run import Run
from strop.weigh import Weight, parse_weight

SAMPLES = (4, 8, 16, 32, 64, 128)
PILOT_SIZES = tuple(2**exponent for exponent in range(2, 11))
"""Numbers of samples at which a pilot's gap is measured, as far as it has them."""


@dataclass(frozen=True)
class Needed:
    """The plan of one quantity.

    ``cost`` is the cost of one response, in tokens and FLOPs; it is empty where unknown.
    """

    quantity: str
    plan: Plan
    cost: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return the needs at each number of samples, and the cheapest of them."""
        cheapest: dict[str, Any] = {"value": None, "why": self.plan.why}
        if self.plan.cheapest:
            cheapest = self._row(self.plan.cheapest)
        return {
            "quantity": self.quantity,
            "half_width": self.plan.half_width,
            "level": self.plan.level,
            "needs": [self._row(need) for need in self.plan.needs],
            "cheapest": cheapest,
            "notes": list(self.plan.notes),
        }

    def _row(self, need: Need) -> dict[str, Any]:
        row = {key: value for key, value in asdict(need).items() if value is not None}
        if need.responses is None or not self.cost:
            return row
        return row | {
            "prompt_tokens": round(self.cost["prompt_tokens"] * need.responses),
            "generated_tokens": round(self.cost["generated_tokens"] * need.responses),
            "flops": self.cost["flops"] * need.responses,
        }


def plan_from_run(
    run: Run, half_width: float, samples: tuple[int, ...] = SAMPLES, available: int | None = None
) -> list[Needed]:
    """Return the needs of accuracy and of each verifier's gap, from the samples of a pilot run."""
    _check(half_width)
    run.check_fixed()
    evidence = run.evidence
    utility_PK, mask_PK = evidence.samples.utility_PK, evidence.samples.mask_PK
    if len(mask_PK) < FEWEST:
        raise UsageError(
            f"{run.path} has one problem; a pilot needs at least {FEWEST}, "
            "to see what problems differ by"
        )
    # The cost of samples made elsewhere is unknown.
    cost = {} if "imported" in run.record else run.cost_of_a_response()
    variances = {"accuracy": accuracy_law(utility_PK, mask_PK).at(samples)}
    for name, judge in evidence.judges.items():
        label = f"gap of {name}@{judge.weight.spec}"
        variances[label] = _pilot_variances(judge, evidence, samples)
    return [
        Needed(quantity, plan(values, half_width, available=available), cost)
        for quantity, values in variances.items()
    ]


def _pilot_variances(judge: Judge, evidence: Evidence, samples: tuple[int, ...]) -> Variances:
    """Return the variance of a gap at each number of samples; NaN where the pilot shows none."""
    if not judge.pointwise:
        return _unknown(samples, "its scores depend on all of a problem's responses")
    gaps = _pilot_gaps(judge, evidence)
    if not gaps:
        return _unknown(samples, "the pilot is too small for this weight")
    return gap_law(gaps).at(samples)


def _unknown(samples: tuple[int, ...], why: str) -> Variances:
    return Variances({size: float("nan") for size in samples}, why)


def _pilot_gaps(judge: Judge, evidence: Evidence) -> dict[int, Floats]:
    """Return each problem's gap from its first 4, 8, ... responses, up to the smallest K."""
    utility_PK, mask_PK = evidence.samples.utility_PK, evidence.samples.mask_PK
    weight = judge.weight
    smallest = int(mask_PK.sum(axis=1).min()) if len(mask_PK) else 0
    gaps = {}
    for size in PILOT_SIZES:
        if size <= smallest and weight.applies_to(size):
            mask_Pk = mask_PK[:, :size]
            weight_Pk = weight(judge.score_PK[:, :size], mask_Pk)
            gaps[size] = gap_P(utility_PK[:, :size], weight_Pk, mask_Pk)
    return gaps


def plan_from_assumptions(
    half_width: float,
    accuracy: float,
    auroc: float = 0.75,
    rho: float = 0.5,
    weigh: str = "quantile:0.7",
    samples: tuple[int, ...] = SAMPLES,
) -> list[Needed]:
    """Return the needs of accuracy and of the gap, for Beta accuracies and normal scores."""
    _check(half_width)
    try:
        world = Assumed(accuracy, auroc, rho)
    except ValueError as error:
        raise UsageError(f"--accuracy, --auroc and --rho: {error}") from None
    weight = parse_weight(weigh)
    gap_variances = _assumed_variances(world, weight, samples)
    return [
        Needed("accuracy", plan(world.accuracy_law().at(samples), half_width), {}),
        Needed(f"gap under {weight.spec}", plan(gap_variances, half_width), {}),
    ]


def _assumed_variances(world: Assumed, weight: Weight, samples: tuple[int, ...]) -> Variances:
    """Return the variance of the gap at each K; there is none below the weight's least."""
    least = weight.least_responses
    if least <= min(samples):
        return world.gap_variances(weight, samples)
    known = world.gap_variances(weight, [size for size in samples if size >= least])
    by_samples = {size: known.by_samples.get(size, float("nan")) for size in samples}
    return Variances(by_samples, f"{weight.spec} needs at least {least} samples", known.notes)


def _check(half_width: float) -> None:
    if not 0 < half_width < 1:
        raise UsageError(
            f"--half-width {half_width:g}: expected a number between 0 and 1, "
            "such as 0.02 for two points"
        )
