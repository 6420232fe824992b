"""The cost of a run by stage: the responses, the greedy ones, and each verifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from strop.report.formatting import DASH, Document, clean, known

Usages = Sequence[Mapping[str, Any]]

# Fields without an entry are whole numbers, and a heading is the field's name in words.
_FORMATS = {"flops": ".1e", "seconds": ",.1f", "cost": ",.4f"}
_HEADINGS = {"flops": "FLOPs"}
_ALWAYS_SHOWN = ("prompt_tokens", "generated_tokens", "seconds")


def cost_rows(documents: Sequence[Document]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the header, and one row per stage in words, summed over the documents.

    Several stages get a sum. There is no row if no stage's usage is known.
    """
    usages_of = _usages_by_stage(documents)
    keys = []
    for key in _keys(usages_of):
        # A column that is 0 throughout says nothing, but the main ones always stand.
        is_spent = any(_sum(key, usages) for usages in usages_of.values())
        if is_spent or key in _ALWAYS_SHOWN:
            keys.append(key)
    header = ["stage"]
    for key in keys:
        header.append(_HEADINGS.get(key, key.replace("_", " ")))
    rows = []
    for stage, usages in usages_of.items():
        cells = [usage_in_words(key, _sum(key, usages)) for key in keys]
        rows.append((stage, cells))
    return header, rows


def _usages_by_stage(documents: Sequence[Document]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the usages of all documents by stage; "all stages" comes last if there are several."""
    usages_of: dict[str, list[Mapping[str, Any]]] = {}
    for document in map(clean, documents):
        by_stage = document.get("usage_by_stage") or {}
        for stage, usage in by_stage.items():
            # A verifier's stage is "scores/NAME".
            name = stage.removeprefix("scores/")
            usages_of.setdefault(name, []).append(usage)
    if len(usages_of) > 1:
        usages_of["all stages"] = list(chain.from_iterable(usages_of.values()))
    return usages_of


def _keys(usages_of: Mapping[str, Usages]) -> list[str]:
    """Return every field that a usage has, in order of appearance."""
    keys: dict[str, None] = {}
    for usage in chain.from_iterable(usages_of.values()):
        keys.update(dict.fromkeys(usage))
    return list(keys)


def cost_table(documents: Sequence[Document]) -> Table | None:
    """Return the same table for the terminal, in 80 columns, or None if nothing is known."""
    header, rows = cost_rows(documents)
    if not rows:
        return None
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    stage, *numbers = header
    table.add_column(stage, overflow="fold", max_width=24)
    for name in numbers:
        table.add_column(name.replace(" ", "\n"), justify="right", overflow="fold")
    for name, cells in rows:
        table.add_row(Text(name), *map(Text, cells))
    return table


def _sum(key: str, usages: Usages) -> float | None:
    """Return the sum of a field over the usages that have it, or None if none has it."""
    total = None
    for usage in usages:
        value = known(usage, key)
        if value is not None:
            total = value + (total or 0.0)
    return total


def usage_in_words(key: str, value: float | None) -> str:
    """Return one field of a usage in words."""
    if value is None:
        return DASH
    if not value:
        return "0"
    return format(value, _FORMATS.get(key, ",.0f"))
