"""Reading an imported file: spans of thinking are removed, and whole numbers are whole."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from strop.cli.main import main
from strop.errors import RunMismatchError, UsageError
from strop.run.gap import import_samples

TEXTS = ("<think>9, no.</think>\n5", "5", "<think>5, or", "maybe 9</think>5")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    row: dict[str, Any] = {"problem": "p", "question": "2+3", "reference": "5"}
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(json.dumps(row | {"text": text}) for text in TEXTS))
    return path


def test_they_are_removed_before_grading_and_counted(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["strop", "import", str(file), "--task", "qa", "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    shown = " ".join(capsys.readouterr().out.split())
    assert "spans of thinking were removed from 3 responses" in shown
    assert "1 response ended inside a span of thinking" in shown
    assert "larger limit of tokens" in shown
    run = import_samples(file, tmp_path / "run", task="qa")
    rows = run.responses.select("text", "finish", "utility_flexible").rows()
    assert rows == [("5", "end", 1), ("5", "end", 1), ("", "length", 0), ("5", "end", 1)]
    document = run.document
    usage = document["usage"]
    assert (usage["thoughts"], usage["unclosed"], document["truncated"]) == (3, 1, 1)
    assert document["usage_by_stage"] == {}  # what the responses cost is not known
    assert "think" not in run.record["asked"]


@pytest.mark.parametrize("think", ["", "none"])
def test_they_can_be_kept(file: Path, tmp_path: Path, think: str) -> None:
    run = import_samples(file, tmp_path / "run", task="qa", think=think)
    assert tuple(run.responses["text"]) == TEXTS
    assert run.truncated == 0
    assert not [note for note in run.notes if "thinking" in note]


def test_other_marks_make_another_run(file: Path, tmp_path: Path) -> None:
    file.write_text(file.read_text().replace("think>", "reasoning>"))
    run = import_samples(file, tmp_path / "run", task="qa", think="reasoning")
    assert tuple(run.responses["text"]) == ("5", "5", "", "5")
    with pytest.raises(RunMismatchError, match=r"think None there|think 'reasoning' there"):
        import_samples(file, tmp_path / "run", task="qa")


def test_a_name_that_is_no_mark_is_one_line(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--think '<x>': expected the name of a mark"):
        import_samples(file, tmp_path / "run", think="<x>")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("answer", "reference"), [("5", 5.0), (5.0, 5), (5.0, "5"), (0.5, "0.5")])
def test_whole_numbers_of_a_table_are_whole(answer: Any, reference: Any, tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    row = {"problem": "p", "text": "t", "answer": answer, "reference": reference}
    path.write_text(json.dumps(row))
    assert import_samples(path, tmp_path / "run").responses["utility_strict"].to_list() == [1]
