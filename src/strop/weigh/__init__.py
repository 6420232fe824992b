"""Which responses count, how much? One file per weight; the dict below is the whole registry."""

from __future__ import annotations

from strop.errors import UsageError
from strop.weigh.base import Weight
from strop.weigh.quantile import Quantile
from strop.weigh.threshold import Threshold

WEIGHTS: dict[str, type[Quantile] | type[Threshold]] = {"quantile": Quantile, "threshold": Threshold}


def parse_weight(spec: str) -> Weight:
    """A weight from ``name:parameter``. Raises UsageError with what was expected."""
    name, _, parameter = spec.partition(":")
    if name not in WEIGHTS:
        raise UsageError(f"unknown weight {spec!r}; expected {' or '.join(f'{known}:NUMBER' for known in WEIGHTS)}")
    try:
        return WEIGHTS[name](float(parameter))
    except ValueError as error:
        reason = str(error) if str(error).startswith(name) else f"weight {spec!r} has no number after the colon; expected {name}:NUMBER"
        raise UsageError(reason) from None


__all__ = ["WEIGHTS", "Quantile", "Threshold", "Weight", "parse_weight"]
