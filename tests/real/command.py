"""A helper of the tests in this folder: run a command in this process."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from strop.cli.main import main


def strop(*arguments: object) -> dict[str, Any]:
    """Run ``strop ARGUMENTS --json`` and return its document; fail on another exit code than 0."""
    output = StringIO()
    words = ["strop", *map(str, arguments), "--json"]
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output):
        patch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as stop:
            main()
    assert not stop.value.code, f"{' '.join(words)}: exit code {stop.value.code}"
    document: dict[str, Any] = json.loads(output.getvalue())
    return document
