"""Marks: estimates as points of a chart, and the axes that they are measured on.

A mark is a mapping with "series", "value", "low", "high", and "name" (of its row) or "x".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strop.report.formatting import EstimateJson, decimal, known

Mark = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of a chart: the measured quantity and, for lines, the quantity that it depends on.

    ``sign`` "+" shows the sign of a rise, ``zero`` draws a line at zero, and ``log`` makes x
    logarithmic (base 2).
    """

    value: str
    over: str = ""
    sign: str = ""
    digits: int = 1
    log: bool = False
    zero: bool = False

    def text(self, value: float) -> str:
        """Return a value of the measured quantity in words."""
        return decimal(value, self.digits, self.sign)


GAP = Axes("gap, points", sign="+", zero=True)


def mark(estimate: EstimateJson | None, scale: float = 100.0, **position: Any) -> Mark:
    """Return an estimate as a mark, in per cent or, at scale 1, as it is.

    ``position`` is the mark's name or x, and its series. An unknown number is None.
    """
    made = dict(position)
    for key in ("value", "low", "high"):
        number = known(estimate, key)
        if number is not None:
            # Four digits are more than a chart shows, and keep the page small.
            number = round(scale * number, 4)
        made[key] = number
    return made


def drawn(marks: Iterable[Mark]) -> list[Mark]:
    """Return the marks whose value is known."""
    return [mark for mark in marks if mark["value"] is not None]


def doublings(curve: Mapping[str, Any]) -> list[str]:
    """Return the sizes 1, 2, 4, ... of a curve over sizes, and its last.

    The keys of ``curve`` are the sizes as text, as JSON has them.
    """
    last = max(map(int, curve), default=0)
    sizes = []
    for size in curve:
        if is_power_of_two(int(size)) or int(size) == last:
            sizes.append(size)
    return sizes


def is_power_of_two(count: int) -> bool:
    """Return whether a count of 1 or more is a power of two."""
    # A power of two has a single bit, and one less has all the bits below it.
    return count & (count - 1) == 0


def unique(marks: Sequence[Mark], key: str) -> list[Any]:
    """Return the values of one field of the marks, each once, in order."""
    return list(dict.fromkeys(mark[key] for mark in marks))
