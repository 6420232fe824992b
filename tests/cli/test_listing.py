"""``strop tasks``, ``strop models``, ``strop verifiers``, ``strop ladder list``."""

from __future__ import annotations

import json

import pytest

from tests.cli.run_command import strop


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("tasks", "sudoku4"),
        ("models", "ladder/250k"),
        ("verifiers", "cot-score"),
        ("ladder list", "ladder/40k"),
    ],
)
def test_lists(
    command: str, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert strop(monkeypatch, *command.split()) == 0 and word in capsys.readouterr().out
    assert strop(monkeypatch, *command.split(), "--json") == 0 and word in json.loads(
        capsys.readouterr().out
    )
