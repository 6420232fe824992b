"""frame/figures.py: what charts hold, and the two files of each."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import polars as pl

from strop.studies.frame.figures import (
    Panel,
    by_family,
    forest,
    level,
    panels_by,
    points_with_intervals,
    save,
    stacked_panels,
)

ROWS = pl.DataFrame(
    {
        "x": [1, 2, 1, 2],
        "value": [0.1, 0.2, 0.3, 0.4],
        "low": [0.0, 0.1, 0.2, 0.3],
        "high": [0.2, 0.3, 0.4, 0.5],
        "family": ["full", "full", "lean", "lean"],
    }
)
X, COLOUR = alt.X("x:O"), alt.Color("family:N")


def test_points_are_drawn_over_their_line_and_intervals() -> None:
    chart = points_with_intervals(ROWS, X, "value:Q", COLOUR, title="gap", apart="family:N")
    layers = chart.to_dict()["layer"]
    assert [layer["mark"]["type"] for layer in layers] == ["rule", "line", "point"]
    assert all(layer["encoding"]["xOffset"]["field"] == "family" for layer in layers)
    assert layers[0]["encoding"]["y2"]["field"] == "high"


def test_the_first_family_is_solid_and_the_legend_says_so() -> None:
    layers, legend = by_family(ROWS, X, COLOUR, title="gap")
    assert len(layers) == 3 and legend == "solid: full; dashed: lean"
    one_family = ROWS.filter(family="full")
    layers, legend = by_family(one_family, X, COLOUR, title="gap")
    assert len(layers) == 1 and legend == ""
    assert by_family(ROWS.clear(), X, COLOUR, title="gap") == ([], "")


def test_of_stacked_panels_only_the_last_has_labels() -> None:
    x = alt.X("x:O", title="samples", axis=alt.Axis(labelAngle=0))
    panels = [*panels_by(ROWS, "family", ["full", "lean"], "gap"), Panel(ROWS, "all", "all")]
    charts = stacked_panels(panels, x, COLOUR, height=90).to_dict()["vconcat"]
    assert [chart["title"] for chart in charts] == ["full", "lean", "all"]
    # The first layer of a panel is its line at zero; the second one holds points and intervals.
    axes = [chart["layer"][1]["layer"][0]["encoding"]["x"] for chart in charts]
    assert [axis["title"] for axis in axes] == [None, None, "samples"]
    assert [axis["axis"].get("labels", True) for axis in axes] == [False, False, True]
    assert all(axis["axis"]["labelAngle"] == 0 for axis in axes)


def test_no_panel_is_no_chart() -> None:
    x = alt.X("x:O", axis=alt.Axis())
    assert stacked_panels([], x, COLOUR, height=90).vconcat == []


def test_a_forest_draws_intervals_along_its_axis() -> None:
    base = alt.Chart(ROWS).encode(y="family:N")
    zero, interval, point = forest(base, "x", "gap", size=20).to_dict()["layer"]
    assert zero["encoding"] == {"x": {"field": "level", "type": "quantitative"}}
    assert interval["encoding"]["x"]["title"] == "gap"
    assert interval["encoding"]["x2"] == {"field": "high"}
    assert point["mark"]["size"] == 20 and "x2" not in point["encoding"]


def test_a_figure_has_two_files(tmp_path: Path) -> None:
    save(level(0.5, "x"), tmp_path / "figure")
    assert (tmp_path / "figure.svg").read_text().startswith("<svg")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
