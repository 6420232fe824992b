"""A helper of the tests in this folder: run a command in this process."""

from __future__ import annotations

import sys

import pytest

from strop.cli.main import main

SMALL = ["--model", "ladder/40k", "--problems", "20", "--samples", "4"]


def strop(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run ``strop ARGUMENTS`` and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["strop", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)
