"""What a run spent, stage by stage: drawing the responses, the greedy ones, and each verifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from strop.report.formatting import DASH, Document, clean, known

_FORMATS = {"flops": ".1e", "seconds": ",.1f", "cost": ",.4f"}
_HEADINGS = {"flops": "FLOPs"}


def cost_rows(documents: Sequence[Document]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """The header, and a row of words for each stage, summed over the documents; several stages get a sum. No row where none is known."""
    spent: dict[str, list[Mapping[str, Any]]] = {}
    for document in map(clean, documents):
        for stage, usage in (document.get("usage_by_stage") or {}).items():
            spent.setdefault(stage.removeprefix("scores/"), []).append(usage)
    if len(spent) > 1:
        spent["all stages"] = [usage for usages in spent.values() for usage in usages]
    keys = list(
        dict.fromkeys(key for usages in spent.values() for usage in usages for key in usage)
    )
    told = [
        key
        for key in keys
        if key in ("prompt_tokens", "generated_tokens", "seconds")
        or any(map(_sum(key), spent.values()))
    ]
    rows = [
        (stage, [_words(key, _sum(key)(usages)) for key in told]) for stage, usages in spent.items()
    ]
    return ["stage", *(_HEADINGS.get(key, key.replace("_", " ")) for key in told)], rows


def cost_table(documents: Sequence[Document]) -> Table | None:
    """The same for the terminal, in eighty columns; None where nothing is known."""
    header, rows = cost_rows(documents)
    if not rows:
        return None
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in header:
        first = name == header[0]
        table.add_column(
            name.replace(" ", "\n"),
            justify="left" if first else "right",
            overflow="fold",
            max_width=24 if first else None,
        )
    for stage, cells in rows:
        table.add_row(Text(stage), *map(Text, cells))
    return table


TRAINING_PROBLEMS = 1_000
BACKWARD = 3
"""A step forward and backward takes about three times the FLOPs of the forward pass alone."""


@dataclass(frozen=True, slots=True)
class HarvestCost:
    """What one round would cost, in words: the short of it, and what it is made of."""

    short: str
    detail: str


def harvest_cost(
    document: Mapping[str, Any], verifier: str | None, row: Mapping[str, Any]
) -> HarvestCost:
    """Drawing, judging and one pass of training on ``TRAINING_PROBLEMS`` problems, as this run spent it on its own.

    Training on the kept share of the responses takes ``BACKWARD`` times the FLOPs of reading them, prompts included.
    """
    stages = document.get("usage_by_stage") or {}
    drawn, judged = stages.get("responses"), stages.get(f"scores/{verifier}")
    if not drawn or not document.get("problems"):
        return HarvestCost(DASH, "what drawing these responses cost is not known")
    times = TRAINING_PROBLEMS / document["problems"]
    both = [usage for usage in (drawn, judged) if usage]
    flops = times * sum(known(usage, "flops") or 0.0 for usage in both)
    tokens = times * sum(
        known(usage, key) or 0.0 for usage in both for key in ("prompt_tokens", "generated_tokens")
    )
    seconds = times * sum(known(usage, "seconds") or 0.0 for usage in both)
    dollars = times * sum(known(usage, "cost") or 0.0 for usage in both)
    spent = [
        f"{tokens:,.0f} tokens",
        f"{seconds:,.0f} s here",
        *([f"${dollars:,.2f}"] if dollars else []),
    ]
    if not flops:
        return HarvestCost(
            spent[-1] if dollars else spent[0],
            f"to draw and judge them: {', '.join(spent)}; the cost of training is not known",
        )
    training = _training_flops(drawn, known(row.get("kept_share"), "value"), times)
    trained = (
        f"; one pass over what is kept: {training:.1e} more"
        if training
        else "; the cost of training is not known"
    )
    return HarvestCost(
        f"{flops + (training or 0):.1e} FLOPs",
        f"to draw and judge them: {flops:.1e}, {', '.join(spent)}{trained}",
    )


def _training_flops(
    drawn: Mapping[str, Any], kept_share: float | None, times: float
) -> float | None:
    """One pass over the kept responses, at the FLOPs a token that drawing them took."""
    computed = sum(known(drawn, key) or 0.0 for key in ("prompt_tokens", "generated_tokens"))
    flops = known(drawn, "flops")
    if not computed or not flops or kept_share is None:
        return None
    read = computed + (known(drawn, "cached_tokens") or 0.0)
    return BACKWARD * kept_share * flops / computed * read * times


def _sum(key: str) -> Any:
    """Adds up one field of some usages: what is known of it, and None where nothing is."""

    def add(usages: Sequence[Mapping[str, Any]]) -> float | None:
        values = [value for usage in usages if (value := known(usage, key)) is not None]
        return sum(values) if values else None

    return add


def _words(key: str, value: float | None) -> str:
    return DASH if value is None else format(value, _FORMATS.get(key, ",.0f")) if value else "0"
