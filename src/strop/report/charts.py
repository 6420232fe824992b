"""The two kinds of chart that most of the page is made of: intervals side by side, and lines with bands.

A mark is a mapping with "series", "value", "low", "high", and "name" (of its row) or "x". Colours are names ("@c1", "@muted") that the
page replaces by those of its light or dark palette; series differ in the shape of their points too, for those who see no colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from strop.report.blocks import Cell, Chart, WordTable
from strop.report.formatting import DASH

Mark = dict[str, Any]
Specification = dict[str, Any]

COLOURS = tuple(f"@c{number}" for number in range(1, 9))
SHAPES = (
    "circle",
    "square",
    "triangle-up",
    "diamond",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
)
ROW_HEIGHT = 30
LINE_HEIGHT = 230


@dataclass(frozen=True, slots=True)
class Axes:
    """What is measured, and over what. ``sign`` "+" shows the sign of a rise; ``zero`` marks zero; ``log`` goes by doublings of x."""

    value: str
    over: str = ""
    sign: str = ""
    digits: int = 1
    log: bool = False
    zero: bool = False


GAP = Axes("gap, points", sign="+", zero=True)


def mark(estimate: dict[str, Any] | None, scale: float = 100.0, **place: Any) -> Mark:
    """An estimate as a mark, in per cent or, at scale 1, as it is. Unknown ends are null, and are not drawn."""
    from strop.report.formatting import known

    numbers = {key: known(estimate, key) for key in ("value", "low", "high")}
    return place | {
        key: None if value is None else round(scale * value, 4) for key, value in numbers.items()
    }


def drawn(marks: Sequence[Mark]) -> list[Mark]:
    """The marks whose value is known."""
    return [one for one in marks if one["value"] is not None]


def interval_chart(title: str, note: str, marks: Sequence[Mark], axes: Axes) -> Chart:
    """A row for each name, a point with its interval for each mark of it."""
    marks = [{"series": "", **one} for one in drawn(marks)]
    names, series = _unique(marks, "name"), _unique(marks, "series")
    base = alt.Chart(alt.Data(values=marks)).encode(
        y=alt.Y(
            "name:N",
            sort=names,
            title=None,
            axis=alt.Axis(labelLimit=250, grid=False, domain=False, ticks=False),
        ),
        tooltip=_tooltips("name", "series" if len(series) > 1 else None),
    )
    if len(series) > 1:
        base = base.encode(yOffset=alt.YOffset("series:N", sort=series), color=_colour(series))
    else:
        base = base.encode(color=alt.value("@c1"))
    scale = alt.Scale(zero=axes.zero, nice=True, padding=12)
    spans = base.mark_rule(strokeWidth=2.5).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("value:Q", title=axes.value, scale=scale, axis=alt.Axis(tickCount=6))
    )
    layers = [spans, dots if len(series) < 2 else dots.encode(shape=_shape(series))]
    if axes.zero:
        layers.insert(
            0, alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(color="@zero").encode(x="zero:Q")
        )
    height = max(ROW_HEIGHT * len(names), 18 * len(marks) if len(series) > 1 else 0)
    specification = alt.layer(*layers).properties(width="container", height=height).to_dict()
    header = ["", *([] if len(series) < 2 else ["Series"]), _upper(axes.value), "Interval"]
    rows = [
        (one["name"], [*([Cell(one["series"], "")] if len(series) > 1 else []), *_cells(one, axes)])
        for one in marks
    ]
    return Chart(
        title, note, specification, _told(marks, "name", axes), WordTable(title, "", header, rows)
    )


def line_chart(
    title: str, note: str, marks: Sequence[Mark], axes: Axes, level: tuple[str, float] | None = None
) -> Chart:
    """A line with its band for each series over x; ``level``: a name and a number for a dashed line across."""
    marks = drawn(marks)
    series, places = _unique(marks, "series"), sorted(_unique(marks, "x"))
    whole = all(float(place).is_integer() for place in places)
    shown = (
        places
        if len(places) <= 9
        else [
            place for place in places if axes.log and whole and int(place) & (int(place) - 1) == 0
        ]
    )
    axis = (
        alt.Axis(values=shown, format="d" if whole else ".2~f", grid=False)
        if shown
        else alt.Axis(tickCount=6, grid=False)
    )
    base = alt.Chart(alt.Data(values=marks)).encode(
        x=alt.X(
            "x:Q",
            title=axes.over,
            scale=alt.Scale(type="log", base=2) if axes.log else alt.Scale(zero=False, padding=10),
            axis=axis,
        ),
        tooltip=_tooltips("series", "x"),
    )
    picked = (
        alt.selection_point(name="picked", fields=["series"], bind="legend")
        if len(series) > 1
        else None
    )
    colour = _colour(series) if len(series) > 1 else alt.value("@c1")
    y = alt.Y("value:Q", title=axes.value, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=6))
    band = base.mark_area().encode(
        y=alt.Y("low:Q", title=axes.value),
        y2="high:Q",
        color=colour,
        opacity=_faded(picked, 0.14, 0.02),
    )
    line = base.mark_line(strokeWidth=2).encode(y=y, color=colour, opacity=_faded(picked, 1, 0.15))
    dots = base.mark_point(filled=True, size=46).encode(
        y=y, color=colour, opacity=_faded(picked, 1, 0.15)
    )
    dots = dots.encode(shape=_shape(series)) if len(series) > 1 else dots
    layers = [band, line, dots if picked is None else dots.add_params(picked)]
    if level is not None:
        across = alt.Chart(alt.Data(values=[{"level": level[1], "name": level[0]}])).mark_rule(
            strokeDash=[4, 4], color="@zero"
        )
        layers.insert(
            0,
            across.encode(
                y="level:Q", tooltip=[alt.Tooltip("name:N"), alt.Tooltip("level:Q", format=".1f")]
            ),
        )
    specification = alt.layer(*layers).properties(width="container", height=LINE_HEIGHT).to_dict()
    told = _told(marks, "x", axes) + (
        f" Dashed line: {level[0]}, {_words(level[1], axes.digits)}." if level else ""
    )
    return Chart(title, note, specification, told, _by_place(title, marks, axes))


def _by_place(title: str, marks: Sequence[Mark], axes: Axes) -> WordTable:
    """A row for each x, a column for each series."""
    series, places = _unique(marks, "series"), sorted(_unique(marks, "x"))
    found = {(one["x"], one["series"]): one for one in marks}
    header = [
        _upper(axes.over),
        *(f"{name}: {axes.value}" if name else _upper(axes.value) for name in series),
    ]
    rows = [
        (f"{place:g}", [_joined(found.get((place, name)), axes) for name in series])
        for place in places
    ]
    return WordTable(title, "", header, rows)


def _joined(one: Mark | None, axes: Axes) -> Cell:
    if one is None:
        return Cell(DASH, "")
    value, span = _cells(one, axes)
    return Cell(value.value, "" if span.value == DASH else span.value)


def _cells(one: Mark, axes: Axes) -> list[Cell]:
    ends = [one["low"], one["high"]]
    span = DASH if None in ends else f"[{', '.join(_words(end, axes.digits) for end in ends)}]"
    return [Cell(_words(one["value"], axes.digits, axes.sign), ""), Cell(span, "")]


def _words(value: float, digits: int, sign: str = "") -> str:
    return format(value, f"{sign},.{digits}f").replace("-", "−")


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _told(marks: Sequence[Mark], place: str, axes: Axes) -> str:
    """The chart in a sentence or two: each row, or of each series its ends."""

    def number(one: Mark) -> str:
        return _words(one["value"], axes.digits, axes.sign)

    if place == "name":
        shown = [
            f"{one['name']}{' ' + str(one['series']) if one['series'] else ''} {number(one)}"
            for one in marks
        ]
        return (
            f"{_upper(axes.value)}: "
            + ", ".join(shown[:12])
            + (" and more" if len(shown) > 12 else "")
            + "."
        )
    sentences = []
    for name in _unique(marks, "series"):
        own = sorted(
            (one for one in marks if one["series"] == name), key=lambda one: float(one["x"])
        )
        highest = max(own, key=lambda one: float(one["value"]))
        ends = f"from {number(own[0])} at {own[0]['x']:g} to {number(own[-1])} at {own[-1]['x']:g}"
        sentences.append(
            f"{name + ': ' if name else ''}{ends}, highest {number(highest)} at {highest['x']:g}"
        )
    return f"{_upper(axes.value)} over {axes.over}. " + "; ".join(sentences) + "."


def _unique(marks: Sequence[Mark], key: str) -> list[Any]:
    return list(dict.fromkeys(one[key] for one in marks))


def _cycled(values: Sequence[str], count: int) -> list[str]:
    return [values[place % len(values)] for place in range(count)]


def _colour(series: Sequence[str]) -> alt.Color:
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=260, symbolOpacity=1)
    return alt.Color(
        "series:N",
        scale=alt.Scale(domain=list(series), range=_cycled(COLOURS, len(series))),
        legend=legend,
    )


def _shape(series: Sequence[str]) -> alt.Shape:
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=260, symbolOpacity=1)
    return alt.Shape(
        "series:N",
        scale=alt.Scale(domain=list(series), range=_cycled(SHAPES, len(series))),
        legend=legend,
    )


def _faded(picked: alt.Parameter | None, shown: float, hidden: float) -> Any:
    return (
        alt.value(shown)
        if picked is None
        else alt.condition(picked, alt.value(shown), alt.value(hidden))
    )


def _tooltips(*names: str | None) -> list[alt.Tooltip]:
    kinds = [alt.Tooltip(f"{name}:Q" if name == "x" else f"{name}:N") for name in names if name]
    return [*kinds, *(alt.Tooltip(f"{key}:Q", format=".2~f") for key in ("value", "low", "high"))]
