"""frame/base.py and frame/findings.py: a study's run, its settings, and its page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from strop.cli.study import with_settings
from strop.errors import UsageError
from strop.studies import STUDIES
from strop.studies.frame.findings import Finding, markdown_table, write_findings
from strop.studies.ladder import LadderStudy
from tests.studies.frame.tiny_study import Tiny, quiet


def no_engine(*_: object, **__: object) -> Any:
    raise AssertionError("a model was loaded")


def test_a_study_run_again_gives_the_same_and_loads_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Tiny().run(tmp_path / "tiny", quiet)
    files = [page, *(tmp_path / "tiny" / f"tiny.{end}" for end in ("parquet", "svg"))]
    before = [file.read_bytes() for file in files]
    assert pl.read_parquet(tmp_path / "tiny" / "tiny.parquet")["stages"].to_list() == [3, 3]
    monkeypatch.setattr("strop.run.executors.load_engine", no_engine)
    page.unlink()
    Tiny().run(tmp_path / "tiny", lambda line: pytest.fail(f"something was made again: {line}"))
    assert [file.read_bytes() for file in files] == before
    with pytest.raises(AssertionError, match="a model was loaded"):
        Tiny(problems=6).run(tmp_path / "tiny", quiet)


def test_options_go_into_the_fields_that_a_study_has() -> None:
    study = with_settings(Tiny(), {"model": ("a", "b"), "problems": 9}, strict=True)
    assert study == Tiny(models=("a", "b"), problems=9)
    with pytest.raises(UsageError, match="study tiny has no --seed"):
        with_settings(Tiny(), {"seed": 1}, strict=True)
    assert with_settings(Tiny(), {"seed": 1, "samples": 2}, strict=False) == Tiny(samples=2)
    recall, tasks = STUDIES["recall"](), {"task": ("natural-questions",)}
    assert with_settings(recall, tasks, strict=False) == recall, (
        "under all, a study about facts stays with its facts"
    )
    assert with_settings(recall, tasks, strict=True) != recall
    coverage = STUDIES["coverage"]()
    with pytest.raises(UsageError, match="study coverage has no --problems"):
        with_settings(coverage, {"problems": 5}, strict=True)


def test_the_setting_names_every_field() -> None:
    assert Tiny(tasks=()).setting == (
        "accuracies. models: ladder/25k, ladder/40k; tasks: none; problems: 5; samples: 3."
    )
    folder = LadderStudy(models=Path("/somewhere/on/this/machine")).setting
    assert "models: folder machine;" in folder and "/somewhere" not in folder


def test_a_finding_without_one_of_its_sentences_is_refused() -> None:
    with pytest.raises(AssertionError, match="finding x has no text for paper"):
        Finding("x", "Title", " ", "seen.", "Yes.", pl.DataFrame())


def test_a_long_table_is_folded_away(tmp_path: Path) -> None:
    findings = [
        Finding(f"of-{rows}", "Title", "a.", "b.", "c.", pl.DataFrame(), table=_table(rows))
        for rows in (2, 40)
    ]
    text = write_findings(tmp_path, "Page", "About.", findings, "page").read_text()
    assert text.startswith("# Page\n\nAbout.\n\n## Title\n\n- The paper: a.\n- Here: b.\n")
    assert text.count("<details>") == 1 and text.count("| row |") == 42


def _table(rows: int) -> str:
    return markdown_table(["name"], rows * [["row"]])
