"""Which responses count, how much? One file per weight; the dict below is the whole registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from strop.errors import UsageError
from strop.weigh.base import Weight
from strop.weigh.best_of_n import BestOfN
from strop.weigh.product import Product
from strop.weigh.quantile import Quantile
from strop.weigh.survivors import Survivors
from strop.weigh.threshold import Threshold
from strop.weigh.tilt import Tilt

WEIGHTS: dict[str, Callable[[Any], Weight]] = {
    "quantile": Quantile,
    "threshold": Threshold,
    "tilt": Tilt,
    "survivors": Survivors,
    "best-of": BestOfN,
}


def parse_weight(spec: str) -> Weight:
    """A weight from ``name:parameter``. Raises UsageError with what was expected."""
    name, _, parameter = spec.partition(":")
    if name not in WEIGHTS:
        raise UsageError(
            f"unknown weight {spec!r}; expected {' or '.join(f'{known}:NUMBER' for known in WEIGHTS)}"
        )
    if spec == BestOfN().spec:
        return BestOfN()
    try:
        return WEIGHTS[name](_number(parameter))
    except ValueError as error:
        reason = (
            str(error)
            if str(error).startswith(name)
            else f"weight {spec!r} has no number after the colon; expected {name}:NUMBER"
        )
        raise UsageError(reason) from None


def parse_product(spec: str) -> Product:
    """``mc@quantile:0.7``, or several such joined by ``&``. Raises UsageError with what was expected."""
    factors = []
    for factor in spec.split("&"):
        verifier, _, weight = factor.strip().partition("@")
        if not (verifier and weight):
            raise UsageError(
                f"{factor!r} in {spec!r} is no verifier with its weight; expected VERIFIER@NAME:NUMBER, as in mc@quantile:0.7"
            )
        factors.append((verifier, parse_weight(weight)))
    return Product(tuple(factors))


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def check_weights(specs: Sequence[str], samples: int | None = None) -> tuple[str, ...]:
    """UsageError for a weight or an ensemble that cannot be read, or that wants more than ``samples`` responses."""
    for spec in specs:
        weights = (
            [weight for _, weight in parse_product(spec).factors]
            if "@" in spec
            else [parse_weight(spec)]
        )
        if any(
            isinstance(weight, BestOfN) and weight.n and samples and weight.n > samples
            for weight in weights
        ):
            raise UsageError(
                f"--weigh {spec}: there are {samples} responses to each problem; ask for best-of:{samples} or less"
            )
    return tuple(specs)


__all__ = [
    "WEIGHTS",
    "BestOfN",
    "Product",
    "Quantile",
    "Survivors",
    "Threshold",
    "Tilt",
    "Weight",
    "parse_product",
    "parse_weight",
]
