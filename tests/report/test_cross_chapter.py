"""The chapter about ``strop cross``: matrices shaded by their gaps, and a claim per generator."""

from __future__ import annotations

from typing import Any

from strop.report.cross_chapter import cross_chapter
from tests.report.made_up import charts_and_tables, estimate, undefined


def test_a_matrix_is_shaded_by_its_gaps() -> None:
    gaps = {
        ("a", "a"): estimate(0.1),
        ("a", "b"): estimate(0.2),
        ("b", "a"): estimate(-0.2),
        ("b", "b"): undefined("one problem"),
    }
    cells = [
        {"generator": f, "verifier_model": g, "verifier": "mc", "weigh": "quantile:0.7", "gap": gap}
        for (f, g), gap in gaps.items()
    ]
    made: dict[str, Any] = {
        "task": "signs",
        "generators": ["a", "b"],
        "verifier_models": ["a", "b"],
        "cells": cells,
    }
    made["accuracy"] = dict.fromkeys("ab", estimate(0.4))
    chapter = cross_chapter(made)
    charts, _ = charts_and_tables(chapter)
    (matrix,) = chapter.lead
    rows = dict(matrix.rows)
    assert [cell.value for cell in rows["a"]] == ["40.0", "+10.0*", "+20.0*"] and [
        cell.shade for cell in rows["a"]
    ] == [0, 17, 34]
    assert [cell.value for cell in rows["b"]][1:] == ["−20.0*", "–"] and [
        cell.shade for cell in rows["b"]
    ] == [0, -34, 0]
    assert (
        chapter.claims[0].claim.startswith("a gains most when b verifies it by mc")
        and "its own judgement" in chapter.claims[0].claim
    )
    assert (
        len(charts["Every cell with its interval"].table.rows) == 3
    )  # the unknown one has no point
