"""Rows for the tests on real models: the authors' own where they are, else the package's own.

The authors' files are in the folder of the environment variable STROP_REAL_DATA, or else in
``../shared/data`` beside the repository. They are not part of the project.
"""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.real.models import ROOT

DATA = Path(os.environ.get("STROP_REAL_DATA") or ROOT.parent / "shared" / "data")
AUTHORS_FILES = {"gsm8k": "gsm8k-test.jsonl", "natural-questions": "nq-open-dev.jsonl"}


def source(task: str) -> Path:
    """Return the file that the rows of a task come from."""
    authors = DATA / AUTHORS_FILES[task]
    if authors.is_file():
        return authors
    return Path(str(files("strop"))) / "tasks" / "rows" / f"{task}.jsonl"


def rows_of(task: str, count: int) -> list[dict[str, Any]]:
    """Return the first rows of a task, without the split that the file may name."""
    rows = []
    for line in source(task).read_text(encoding="utf-8").splitlines()[:count]:
        row = json.loads(line)
        row.pop("split", None)
        rows.append(row)
    assert len(rows) == count
    return rows


def write_problems(path: Path, task: str, test: int, train: int = 0) -> Path:
    """Write a file of problems for ``--data``, with so many rows of each split."""
    splits = ["test"] * test + ["train"] * train
    rows = rows_of(task, len(splits))
    lines = []
    for row, split in zip(rows, splits, strict=True):
        lines.append(json.dumps({**row, "split": split}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
