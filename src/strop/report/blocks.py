"""What a page is made of: headlines, charts with their numbers beside them, and tables of words. Everything here is already in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from strop.report.formatting import DASH, interval, known, number

Kind = Literal["gain", "loss", "none", "unknown"]
"""What a claim says: "gain" and "loss" where the interval excludes zero, else "none", or "unknown"."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A number in words and its interval. ``shade``: how dark its background is, in per cent, and by its sign which colour."""

    value: str
    interval: str
    shade: int = 0


@dataclass(frozen=True, slots=True)
class WordTable:
    """A table for the page; ``note`` says how to read it."""

    title: str
    note: str
    header: list[str]
    rows: list[tuple[str, list[Cell]]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A Vega-Lite specification, what it shows in a sentence for those who do not see it, and its numbers."""

    title: str
    note: str
    specification: dict[str, Any]
    description: str
    table: WordTable


Block = Chart | WordTable


@dataclass(frozen=True, slots=True)
class Group:
    """Blocks about one question. ``wide`` ones take the page's width, others stand side by side."""

    title: str
    note: str
    blocks: list[Block]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of findings."""

    kind: Kind
    claim: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A number that stands out, and below it what it is."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer first. ``steps`` say where its number comes from, ``unknown`` what nobody knows yet."""

    kind: Kind
    question: str
    answer: str
    sentence: str
    tiles: list[Tile] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chapter:
    """What is told of one run, or of one sharpening, improvement or matrix. ``lead``: tables that belong to the answer itself."""

    label: str
    headline: Headline | None
    claims: list[Claim]
    groups: list[Group]
    lead: list[WordTable] = field(default_factory=list)


def kind_of(estimate: Mapping[str, Any] | None) -> Kind:
    """What the interval of a difference says."""
    low, high = known(estimate, "low"), known(estimate, "high")
    if low is None or high is None:
        return "unknown"
    return "gain" if low > 0 else "loss" if high < 0 else "none"


def points(estimate: Mapping[str, Any] | None) -> str:
    """ "+5.0 points [1.0, 9.0]", on one line; a dash where unknown."""
    if known(estimate, "value") is None:
        return DASH
    return f"{number(estimate, '+')} points {interval(estimate)}".strip().replace(" ", "\u00a0")


def points_cell(estimate: Mapping[str, Any] | None) -> Cell:
    return Cell(number(estimate, "+"), interval(estimate))


def rate_cell(estimate: Mapping[str, Any] | None) -> Cell:
    return Cell(number(estimate), interval(estimate))


def plain_cell(estimate: Mapping[str, Any] | None) -> Cell:
    """As it is, with two decimals: a correlation, a count, nats."""
    value, low, high = (known(estimate, key) for key in ("value", "low", "high"))
    return Cell(
        DASH if value is None else two(value),
        "" if low is None or high is None else f"[{two(low)}, {two(high)}]",
    )


def two(value: float) -> str:
    return f"{value:,.2f}".replace("-", "−")


def shaded(cell: Cell, value: float | None, largest: float, darkest: int = 34) -> Cell:
    """The cell on a background as dark as its value is large; text on it stays readable."""
    share = (
        0
        if value is None or largest <= 0
        else round(darkest * max(-1.0, min(1.0, value / largest)))
    )
    return Cell(cell.value, cell.interval, share)
