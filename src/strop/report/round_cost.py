"""The cost of one round of training, extrapolated from the cost of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strop.report.formatting import DASH, known

Usage = Mapping[str, Any]

TRAINING_PROBLEMS = 1_000
BACKWARD = 3
"""A step forward and backward takes about three times the FLOPs of the forward pass alone."""


@dataclass(frozen=True, slots=True)
class RoundCost:
    """The cost of a round in words: in short, and its parts."""

    short: str
    detail: str


def round_cost(
    document: Mapping[str, Any], verifier: str | None, row: Mapping[str, Any]
) -> RoundCost:
    """Return the cost of drawing, judging and one pass of training on ``TRAINING_PROBLEMS``.

    Drawing and judging are scaled from what this run spent on its own problems. ``row`` holds the
    filter's numbers. Training on the kept share of the responses takes ``BACKWARD`` times the FLOPs
    of reading them, prompts included.
    """
    stages = document.get("usage_by_stage") or {}
    drawing, judging = stages.get("responses"), stages.get(f"scores/{verifier}")
    if not drawing or not document.get("problems"):
        return RoundCost(DASH, "the cost of drawing these responses is unknown")
    # Everything is proportional to the number of problems.
    times = TRAINING_PROBLEMS / document["problems"]
    usages = [usage for usage in (drawing, judging) if usage]
    tokens = times * _total(usages, "prompt_tokens", "generated_tokens")
    seconds = times * _total(usages, "seconds")
    dollars = times * _total(usages, "cost")
    flops = times * _total(usages, "flops")
    spent = [f"{tokens:,.0f} tokens", f"{seconds:,.0f} s here"]
    if dollars:
        spent.append(f"${dollars:,.2f}")
    if not flops:
        short = spent[-1] if dollars else spent[0]
        detail = f"to draw and judge them: {', '.join(spent)}; the cost of training is unknown"
        return RoundCost(short, detail)
    training = _training_flops(drawing, known(row.get("kept_share"), "value"), times)
    if training:
        then = f"one pass over what is kept: {training:.1e} more"
    else:
        then = "the cost of training is unknown"
    detail = f"to draw and judge them: {flops:.1e}, {', '.join(spent)}; {then}"
    return RoundCost(f"{flops + (training or 0):.1e} FLOPs", detail)


def _total(usages: list[Usage], *keys: str) -> float:
    """Return the sum of the fields, counting an unknown one as 0."""
    return sum(known(usage, key) or 0.0 for usage in usages for key in keys)


def _training_flops(drawing: Usage, kept_share: float | None, times: float) -> float | None:
    """Return the FLOPs of one pass over the kept responses, at the FLOPs per token of drawing."""
    computed = _total([drawing], "prompt_tokens", "generated_tokens")
    flops = known(drawing, "flops")
    if not computed or not flops or kept_share is None:
        return None
    # Training reads the tokens of shared prompts too, which drawing took from its cache.
    read = computed + _total([drawing], "cached_tokens")
    return BACKWARD * kept_share * flops / computed * read * times
