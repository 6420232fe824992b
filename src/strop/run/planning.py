"""How much must be sampled for an interval of a wanted width: ``strop plan``, from a pilot run or from assumed numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from strop.errors import UsageError
from strop.measure.budget import FEWEST, Assumed, Need, Plan, Variances, accuracy_law, gap_law, plan
from strop.measure.gap import gap_P
from strop.measure.intervals import Floats
from strop.run.run import Run
from strop.weigh import BestOfN, Weight, parse_weight

SAMPLES = (4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Needed:
    """The plan of one quantity. ``cost`` is what one problem and one response cost: tokens and FLOPs, empty where unknown."""

    quantity: str
    plan: Plan
    cost: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        document = {
            "quantity": self.quantity,
            "half_width": self.plan.half_width,
            "level": self.plan.level,
        }
        cheapest = (
            self._row(self.plan.cheapest)
            if self.plan.cheapest
            else {"value": None, "why": self.plan.why}
        )
        return document | {
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
    """The needs of accuracy, and of the gap of each verifier under its weight, from a pilot's problems and responses."""
    _check(half_width)
    run.check_fixed()
    evidence = run.evidence
    utility_PK, mask_PK = evidence.samples.utility_PK, evidence.samples.mask_PK
    if len(mask_PK) < FEWEST:
        raise UsageError(
            f"{run.path} has one problem; a pilot needs at least {FEWEST}, to see what problems differ by"
        )
    cost = (
        {} if "imported" in run.record else run.cost_of_a_response()
    )  # what elsewhere cost is unknown
    needs = [
        Needed(
            "accuracy",
            plan(accuracy_law(utility_PK, mask_PK).at(samples), half_width, available=available),
            cost,
        )
    ]
    for name, judge in evidence.judges.items():
        gaps = (
            _gaps_at(judge.score_PK, utility_PK, mask_PK, judge.weight) if judge.pointwise else {}
        )
        label = f"gap of {name}@{judge.weight.spec}"
        if not gaps:
            why = (
                "its scores depend on all of a problem's responses"
                if not judge.pointwise
                else "the pilot is too small for this weight"
            )
            needs.append(
                Needed(
                    label,
                    plan(
                        Variances({k: float("nan") for k in samples}, why),
                        half_width,
                        available=available,
                    ),
                    cost,
                )
            )
        else:
            needs.append(
                Needed(
                    label, plan(gap_law(gaps).at(samples), half_width, available=available), cost
                )
            )
    return needs


def plan_from_assumptions(
    half_width: float,
    accuracy: float,
    auroc: float = 0.75,
    rho: float = 0.5,
    weigh: str = "quantile:0.7",
    samples: tuple[int, ...] = SAMPLES,
) -> list[Needed]:
    """The needs of accuracy and of the gap in a world of Beta accuracies and normal scores."""
    _check(half_width)
    try:
        world = Assumed(accuracy, auroc, rho)
    except ValueError as error:
        raise UsageError(f"--accuracy, --auroc and --rho: {error}") from None
    weight = parse_weight(weigh)
    gaps = _gap_variances(world, weight, samples)
    return [
        Needed("accuracy", plan(world.accuracy_law().at(samples), half_width), {}),
        Needed(f"gap under {weight.spec}", plan(gaps, half_width), {}),
    ]


def _gap_variances(world: Assumed, weight: Weight, samples: tuple[int, ...]) -> Variances:
    """At each K; best-of:n has none below n samples."""
    if not isinstance(weight, BestOfN) or weight.n is None or weight.n <= min(samples):
        return world.gap_variances(weight, samples)
    known = world.gap_variances(weight, [k for k in samples if k >= weight.n])
    by_samples = {k: known.by_samples.get(k, float("nan")) for k in samples}
    return Variances(by_samples, f"{weight.spec} needs at least {weight.n} samples", known.notes)


def _gaps_at(
    score_PK: Floats, utility_PK: Floats, mask_PK: np.ndarray, weight: Weight
) -> dict[int, Floats]:
    """Each problem's gap from its first k responses, k = 4, 8, .. up to the smallest K."""
    smallest = int(mask_PK.sum(axis=1).min()) if len(mask_PK) else 0
    sizes = [size for power in range(2, 11) if (size := 2**power) <= smallest]
    usable = [size for size in sizes if weight.at(size) or weight == BestOfN()]
    return {
        size: gap_P(
            utility_PK[:, :size], weight(score_PK[:, :size], mask_PK[:, :size]), mask_PK[:, :size]
        )
        for size in usable
    }


def _check(half_width: float) -> None:
    if not 0 < half_width < 1:
        raise UsageError(
            f"--half-width {half_width:g}: expected a number between 0 and 1, such as 0.02 for two points"
        )
