"""The parts of a page: headlines, claims, charts with their numbers, and tables, all in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from strop.report.formatting import (
    DASH,
    EstimateJson,
    decimal,
    interval,
    known,
    number,
    sign_of,
    span,
)

Kind = Literal["gain", "loss", "none", "unknown"]
"""What a claim says: "gain" or "loss" if the interval excludes zero, else "none" or "unknown".

The page's style sheet has a class for each.
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """A number in words and its interval.

    ``shade`` is the darkness of its background in per cent; its sign selects the colour.
    """

    value: str
    interval: str = ""
    shade: int = 0


@dataclass(frozen=True, slots=True)
class WordTable:
    """A table of words. ``note`` says how to read it."""

    title: str
    note: str
    header: list[str]
    rows: list[tuple[str, list[Cell]]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite specification, its content in a sentence for screen readers, and its numbers."""

    title: str
    note: str
    specification: dict[str, Any]
    description: str
    table: WordTable


Block = Chart | WordTable


@dataclass(frozen=True, slots=True)
class Group:
    """Blocks about one question.

    ``wide`` blocks take the page's width; others stand side by side.
    """

    title: str
    note: str
    blocks: Sequence[Block]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """One finding in a sentence."""

    kind: Kind
    claim: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A prominent number with its label and a detail below."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer of a chapter.

    ``steps`` say how it was measured, ``unknown`` what is not known yet; ``command`` is the next
    one to type.
    """

    kind: Kind
    question: str
    answer: str
    sentence: str
    tiles: list[Tile] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    command: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """The page's content about one run, sharpening, improvement or matrix.

    ``lead`` holds tables that belong to the answer itself.
    """

    label: str
    headline: Headline | None
    claims: list[Claim]
    groups: list[Group]
    lead: list[WordTable] = field(default_factory=list)


def filled(groups: Sequence[Group]) -> list[Group]:
    """Return the groups that have a block."""
    return [group for group in groups if group.blocks]


def kind_of(estimate: EstimateJson | None) -> Kind:
    """Return what the interval of a difference says."""
    # interval_sign is 0 without an interval too, but unknown is not "no difference".
    if not span(estimate):
        return "unknown"
    kinds: dict[int, Kind] = {1: "gain", -1: "loss", 0: "none"}
    return kinds[sign_of(estimate)]


def points_cell(estimate: EstimateJson | None) -> Cell:
    """Return a cell with a difference in percentage points, signed."""
    return Cell(number(estimate, "+"), interval(estimate))


def rate_cell(estimate: EstimateJson | None) -> Cell:
    """Return a cell with a rate in per cent."""
    return Cell(number(estimate), interval(estimate))


def plain_cell(estimate: EstimateJson | None) -> Cell:
    """Return a cell with the number as it is, to two decimals: a correlation, a count, nats."""
    value = known(estimate, "value")
    text = DASH if value is None else decimal(value, 2)
    return Cell(text, span(estimate, digits=2))


def shaded(cell: Cell, value: float | None, largest: float, darkest: int = 34) -> Cell:
    """Return the cell on a background whose darkness grows with the size of its value.

    ``darkest`` per cent is the most at which text stays readable in light and dark colours.
    """
    if value is None or largest <= 0:
        return Cell(cell.value, cell.interval)
    share = max(-1.0, min(1.0, value / largest))
    return Cell(cell.value, cell.interval, round(darkest * share))
