"""Weights: which responses count, and how much. One file per weight; WEIGHTS is the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from strop.errors import UsageError
from strop.weigh.base import Floats, Weight
from strop.weigh.best_of_n import BestOfN
from strop.weigh.product import Product
from strop.weigh.quantile import Quantile
from strop.weigh.survivors import Survivors
from strop.weigh.threshold import Threshold
from strop.weigh.tilt import Tilt

WEIGHTS: dict[str, type[Weight]] = {
    weight.name: weight for weight in (Quantile, Threshold, Tilt, Survivors, BestOfN)
}


def parse_weight(spec: str) -> Weight:
    """Return the weight that ``name:parameter`` names. Raises UsageError with what was expected."""
    name, _, text = spec.partition(":")
    if name not in WEIGHTS:
        choices = " or ".join(f"{known}:NUMBER" for known in WEIGHTS)
        raise UsageError(f"unknown weight {spec!r}; expected {choices}")
    try:
        parameter = WEIGHTS[name].read_parameter(text)
    except ValueError:
        raise UsageError(
            f"weight {spec!r} has no number after the colon; expected {name}:NUMBER"
        ) from None
    build: Callable[..., Weight] = WEIGHTS[name]
    try:
        return build(parameter)
    except ValueError as error:
        raise UsageError(str(error)) from None


def stored_weight(spec: str) -> Weight | None:
    """Return the weight that a stored document names.

    None for an ensemble, and for a weight that strop does not have.
    """
    name = spec.partition(":")[0]
    return parse_weight(spec) if name in WEIGHTS else None


def parse_product(spec: str) -> Product:
    """Return the product that ``mc@quantile:0.7``, or several such joined by ``&``, describes.

    Raises UsageError with what was expected.
    """
    factors = []
    for factor in spec.split("&"):
        verifier, _, weight = factor.strip().partition("@")
        if not (verifier and weight):
            raise UsageError(
                f"{factor!r} in {spec!r} is not a verifier with its weight; "
                "expected VERIFIER@NAME:NUMBER, as in mc@quantile:0.7"
            )
        factors.append((verifier, parse_weight(weight)))
    return Product(tuple(factors))


def check_weights(specs: Sequence[str], samples: int | None = None) -> tuple[str, ...]:
    """Return the specs of weights and ensembles if all can be used with ``samples`` responses.

    Raises UsageError for a spec that cannot be read, or that needs more responses.
    """
    for spec in specs:
        if "@" in spec:
            weights = [weight for _, weight in parse_product(spec).factors]
        else:
            weights = [parse_weight(spec)]
        for weight in weights:
            if samples and weight.least_responses > samples:
                raise UsageError(
                    f"--weigh {spec}: there are {samples} responses to each problem; "
                    f"{weight.advice(samples)}"
                )
    return tuple(specs)


def sweep_weights(default: Weight, scores: Floats) -> list[Weight]:
    """Return the weights worth trying on these scores, beside a verifier's default weight.

    ``scores`` may have any shape; NaN and infinite ones are left out. If the default weight is
    ``exclusive``, only weights of its kind are tried; else all kinds that are not exclusive.
    """
    known_N = scores[np.isfinite(scores)]
    if default.exclusive:
        return default.sweep(known_N)
    # In the order of the registry: ranks first, then levels.
    swept: list[Weight] = []
    for weight in WEIGHTS.values():
        if not weight.exclusive:
            swept += weight.sweep(known_N)
    return swept


def curve_weights(specs: Iterable[str]) -> list[Weight]:
    """Return the weights among these specs that make one curve, in the order of their parameter.

    The axis of a curve is the parameter of one kind of weight. A rank-based kind is preferred,
    since its parameter means the same on every verifier's scores; else the first kind is taken.
    """
    weights = [weight for weight in map(parse_weight, specs) if weight.axis is not None]
    if not weights:
        return []
    ranked = [weight for weight in weights if weight.rank_based]
    kind = (ranked or weights)[0].name
    curve = [weight for weight in weights if weight.name == kind]
    return sorted(curve, key=lambda weight: weight.parameter or 0.0)


__all__ = [
    "WEIGHTS",
    "BestOfN",
    "Product",
    "Quantile",
    "Survivors",
    "Threshold",
    "Tilt",
    "Weight",
    "check_weights",
    "curve_weights",
    "parse_product",
    "parse_weight",
    "stored_weight",
    "sweep_weights",
]
