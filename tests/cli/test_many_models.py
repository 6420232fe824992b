"""``strop cross`` and ``strop scale`` on a user's own file, with few-shot examples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import strop
from tests.cli.run_command import strop as run

MODELS = ["--model", "ladder/25k", "--model", "ladder/40k"]
SIZES = ["--problems", "3", "--samples", "2", "--max-tokens", "4", "--shots", "1"]


@pytest.mark.parametrize(
    ("command", "verifier", "folders"),
    [
        ("cross", "mc", ["ladder-25k", "ladder-40k"]),
        ("scale", "logprob", ["ladder-25k-qa", "ladder-40k-qa"]),
    ],
)
def test_models_are_compared_on_a_users_file(
    command: str,
    verifier: str,
    folders: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    rows = [
        {"question": f"{n}+{n}", "answer": str(2 * n), "split": "train" if n < 2 else "test"}
        for n in range(5)
    ]
    data = tmp_path / "q.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = ["--task", "qa", "--data", str(data), "--verifier", verifier]
    out = tmp_path / "out"
    assert run(monkeypatch, command, *MODELS, *task, *SIZES, "--out", str(out), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["run"] == str(out)
    for folder in folders:
        asked = strop.Run(out / folder).record["asked"]
        assert asked["shots"] == 1
        assert asked["data"]["file"] == str(data)
