"""frame/figures.py: what charts hold, and the two files of each."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import polars as pl

from strop.studies.frame.figures import by_family, level, points_with_intervals, save

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


def test_a_figure_has_two_files(tmp_path: Path) -> None:
    save(level(0.5, "x"), tmp_path / "figure")
    assert (tmp_path / "figure.svg").read_text().startswith("<svg")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
