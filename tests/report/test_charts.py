"""Charts, marks, chart_words and figures: what is drawn, and its numbers in words."""

from __future__ import annotations

from typing import Any

from strop.report.charts import interval_chart, line_chart
from strop.report.figures import drawable, gap_figure, shared_domain, zero_line
from strop.report.marks import GAP, Axes, doublings, drawn, mark
from tests.report.made_up import estimate, sweeps, undefined


def layers(specification: dict[str, Any]) -> list[str]:
    """Return the type of each layer's mark."""
    return [layer["mark"]["type"] for layer in specification["layer"]]


def test_an_unknown_estimate_is_a_mark_that_is_not_drawn() -> None:
    marks = [mark(estimate(0.5), name="a"), mark(undefined("none"), name="b"), mark(None, name="c")]
    assert marks[0] == {"name": "a", "value": 50.0, "low": 46.0, "high": 54.0}
    assert drawn(marks) == marks[:1]


def test_doublings_are_the_powers_of_two_and_the_last() -> None:
    assert doublings({str(n): None for n in range(1, 13)}) == ["1", "2", "4", "8", "12"]
    assert doublings({}) == []


def test_intervals_side_by_side() -> None:
    marks = [mark(estimate(0.1), name="mc"), mark(estimate(-0.2), name="majority")]
    chart = interval_chart("Gap", "", marks, GAP)
    assert layers(chart.specification) == ["rule", "rule", "point"]  # the first is zero
    assert chart.description == "Gap, points: mc +10.0, majority −20.0."
    rows = {name: [cell.value for cell in cells] for name, cells in chart.table.rows}
    assert rows == {"mc": ["+10.0", "[6.0, 14.0]"], "majority": ["−20.0", "[−24.0, −16.0]"]}


def test_lines_with_a_level() -> None:
    curves = {"mc": 0.1, "majority": 0.2}
    marks = []
    for name, step in curves.items():
        marks += [mark(estimate(step * n), x=n, series=name) for n in (1, 2, 4)]
    chart = line_chart("Best of N", "", marks, Axes("accuracy, %", "N"), ("greedy", 25.0))
    assert layers(chart.specification) == ["rule", "area", "line", "point"]
    assert "mc: from 10.0 at 1 to 40.0 at 4, highest 40.0 at 4" in chart.description
    assert chart.description.endswith("Dashed line: greedy, 25.0.")
    assert chart.table.header == ["N", "mc: accuracy, %", "majority: accuracy, %"]


def test_both_kinds_of_gap_chart_have_the_same_zero_line() -> None:
    rows = drawable(sweeps()["mc"])
    curve = gap_figure(rows, shared_domain({"mc": rows}))
    intervals = interval_chart("Gap", "", [mark(estimate(0.1), name="mc")], GAP).specification
    zero = zero_line().to_dict()["mark"]
    assert curve["layer"][0]["mark"] == intervals["layer"][0]["mark"] == zero


def test_a_single_threshold_is_no_curve() -> None:
    assert drawable(sweeps()["cot-binary"]) == [] and len(drawable(sweeps()["mc"])) == 10
