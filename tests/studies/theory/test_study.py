"""theory/study.py, with findings.py, growth.py and figures.py: a small study runs through."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from strop.studies import STUDIES, TheoryStudy


def test_the_study_runs_through(tmp_path: Path) -> None:
    study = TheoryStudy(
        runs=2,
        points=2,
        sphere_runs=2,
        dimensions=(3, 4),
        models=200,
        trials=50,
        bases=10,
        graphs=3,
        workers=1,
    )
    page = study.run(tmp_path, lambda line: None)
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "theory.md" and STUDIES["theory"] is TheoryStudy
    for part in (
        "prop-3-1",
        "prop-c-1",
        "3-1-eps",
        "4-1",
        "d-1",
        "4-2",
        "j-1",
        "tilt",
        "prop-e-1",
        "prop-e-2",
    ):
        assert f"theory-{part}.svg" in text
        assert (tmp_path / f"theory-{part}.png").stat().st_size > 5_000
        assert pl.read_parquet(tmp_path / f"theory-{part}.parquet").height > 1
    assert text.count("- Holds?") == 10 and "1,089 of 1,089 graphs" in text


def test_a_quick_one_is_smaller_in_every_way() -> None:
    quick, whole = TheoryStudy.quick(), TheoryStudy()
    assert (quick.runs, quick.sphere_runs, len(quick.dimensions)) < (
        whole.runs,
        whole.sphere_runs,
        len(whole.dimensions),
    )
    assert (
        quick.models < whole.models
        and quick.trials < whole.trials
        and quick.bases < whole.bases
        and quick.graphs < whole.graphs
    )
