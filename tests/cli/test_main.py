"""The command line: exit codes, and one clear line for what the user must fix."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.cli.run_command import strop

BAD = [
    ("gap --task sudoku9", "there is no task 'sudoku9'; there are arithmetic"),
    ("gap --verifier psychic", "there is no verifier 'psychic'; there are mc"),
    ("gap --model ladder/9000k", "there is no embedded model 'ladder/9000k'; there are ladder/25k"),
    ("gap --model no/such/folder", "no/such/folder"),
    ("gap --weigh quantile", "no number after the colon; expected quantile:NUMBER"),
    ("gap --weigh quantile:x", "expected quantile:NUMBER"),
    ("gap --weigh quantile:1.5", "out of range; expected a number in [0, 1)"),
    ("gap --weigh threshold:nan", "expected a finite score"),
    ("gap --weigh foo:1", "unknown weight 'foo:1'; expected quantile:NUMBER or threshold:NUMBER"),
    ("gap --samples 0", "--samples 0: expected 1 or more"),
    ("gap --problems 0", "--problems 0: expected 1 or more"),
    ("gap --problems 100000 --task recall", "ask for fewer"),
    ("gap --max-tokens 100000 --out run", "use fewer shots or a smaller --max-tokens"),
    ("gap --temperature -1", "expected 0 (greedy), or a number from 0.01"),
    ("gap --temperature nan", "expected 0 (greedy)"),
    ("gap --top-p 0", "expected a number above 0 and up to 1"),
    ("gap --shots -1", "--shots -1: expected 0 or more"),
    ("gap --workers 0", "--workers 0: expected 1 or more"),
    ("gap --samples many", "--samples"),
    ("gap --sample 3", "--sample"),
    ("gap --model tabular:missing.json", "there is no file missing.json"),
    ("verify nowhere --verifier mc", "holds no run"),
    ("report nowhere", "holds no run"),
    ("ladder train 9000k --out x", "there is no recipe '9000k'"),
    (
        "gap --prompts mine.toml",
        "there is no file mine.toml; `strop verifiers --prompts` prints one to begin with",
    ),
    ("verify nowhere --verifier mc --prompts mine.toml", "there is no file mine.toml"),
    ("verifiers --prompts --json", "ask for one of them"),
    ("hone", "hone"),
    ("improve --method magic", "there is no method 'magic'"),
    ("improve --model meta/llama", "model meta/llama is no local folder"),
    ("improve --rounds 0", "--rounds 0: expected 1 or more"),
    ("improve --filter-by nonsense", "there is no verifier 'nonsense'"),
    ("sharpen --delta 2", "expected a chance between 0 and 1"),
    ("sharpen --adaptive --temperature 0.5", "leave --temperature and --top-p as they are"),
]


@pytest.mark.parametrize(("command", "message"), BAD, ids=[command for command, _ in BAD])
def test_bad_input_is_one_line_and_exit_code_2(
    command: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert strop(monkeypatch, *command.split()) == 2
    out, err = capsys.readouterr()
    assert (
        out == ""
        and len(err.strip().splitlines()) == 1
        and message in err
        and err.startswith("strop: ")
    )
    assert not list(tmp_path.rglob("*.parquet"))


def test_help_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "strop", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "gap" in done.stdout


def test_warnings_of_strop_are_one_line_without_a_place_in_the_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = warnings.formatwarning
    lines = []

    def command(standalone_mode: bool) -> int:
        for file in ("strop", "other.py"):
            lines.append(warnings.formatwarning("mind this", UserWarning, file, 3))
        return 0

    monkeypatch.setattr(sys.modules["strop.cli.main"], "app", command)
    assert strop(monkeypatch, "tasks") == 0
    assert lines == [
        "strop: warning: mind this\n",
        usual("mind this", UserWarning, "other.py", 3),
    ]
    assert warnings.formatwarning is usual
