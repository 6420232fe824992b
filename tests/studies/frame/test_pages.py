"""frame/pages.py, through the command: the page of all studies, and its published copy."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from strop.cli.main import app
from strop.errors import MissingExtraError
from strop.studies import STUDIES
from strop.studies.frame.pages import Section, write_index
from tests.studies.frame.tiny_study import Tiny


@dataclass(frozen=True)
class Lacking(Tiny):
    """A study that lacks its extra."""

    name: ClassVar[str] = "lacking"

    def run(self, out: Path, tell: Any) -> Path:
        raise MissingExtraError("training", "train")


@pytest.fixture
def two_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace all studies by two, one of which lacks its extra."""
    for name in STUDIES.copy():
        monkeypatch.delitem(STUDIES, name)
    monkeypatch.setitem(STUDIES, "tiny", Tiny)
    monkeypatch.setitem(STUDIES, "lacking", Lacking)


@pytest.mark.usefixtures("two_studies")
def test_all_writes_one_page_whose_links_lead_somewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.md"
    arguments = ["study", "all", "--quick", "--model", "ladder/25k"]
    arguments += ["--out", str(tmp_path), "--docs", str(kept)]
    monkeypatch.setattr(sys, "argv", ["strop", *arguments])
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "findings.md").read_text()
    assert "## tiny" in text and "### Accuracies" in text
    assert "`strop study tiny --quick --model ladder/25k" in text
    assert "Not run: " in text and "strop[train]" in text
    assert "| [tiny](#tiny) | Accuracies | Yes |" in text
    [link] = [part.partition(")")[0] for part in text.split("![Accuracies](")[1:]]
    assert link == "tiny/tiny.svg"
    assert (tmp_path / link).exists() and (tmp_path / link).with_suffix(".png").exists()
    assert "--docs" not in text, "a study alone would write over the page of all"
    assert kept.read_text() == text.replace(link, "kept/tiny.svg")
    assert (tmp_path / "kept" / "tiny.svg").read_bytes() == (tmp_path / link).read_bytes()


@pytest.mark.usefixtures("two_studies")
def test_a_study_alone_names_the_extra_it_lacks(tmp_path: Path) -> None:
    arguments = ["study", "lacking", "--out", str(tmp_path)]
    with pytest.raises(MissingExtraError):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_the_table_of_answers_holds_first_sentences(tmp_path: Path) -> None:
    page = tmp_path / "a" / "a.md"
    page.parent.mkdir()
    page.write_text(
        "# A\n\n## First\n\n- The paper: x.\n- Holds? Yes, by 1.5 (of 2). More text.\n\n"
        "[data](a.csv) [web](https://a.org) [up](#first)\n"
    )
    text = write_index(
        tmp_path, [Section("a", "about a", page, "strop study a")], "all"
    ).read_text()
    assert "| [a](#a) | First | Yes, by 1.5 (of 2) |" in text
    assert "[data](a/a.csv) [web](https://a.org) [up](#first)" in text
    assert "\n### First\n" in text
