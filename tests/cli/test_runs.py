"""``strop verify`` adds to a run. tests/run covers ``strop import`` and ``strop report``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.run_command import SMALL, strop


def test_verify_adds_to_a_run_and_touches_no_response(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    original = ("gap", *SMALL, "--task", "arithmetic", "--verifier", "mc", "--out", str(out))
    assert strop(monkeypatch, *original) == 0
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("part-*.parquet")
    }
    assert strop(monkeypatch, "verify", str(out), "--verifier", "cot-score", "--json") == 0
    assert (
        strop(
            monkeypatch,
            "verify",
            str(out),
            "--verifier",
            "cot-binary",
            "--verify-with",
            "ladder/125k",
        )
        == 0
    )
    assert strop(monkeypatch, *original, "--weigh", "quantile:0.2", "--json") == 0
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}
    assert before == after
    document = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert set(document["verifiers"]) == {"mc", "cot-score", "cot-binary--ladder-125k"}
    assert strop(monkeypatch, *original, "--seed", "1") == 2
    assert "seed 0 there, 1 asked" in capsys.readouterr().err
