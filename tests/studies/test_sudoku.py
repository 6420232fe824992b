"""Tests of the study of Sudoku by number of blanks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from strop.studies.frame.runs import Runs
from strop.studies.sudoku import SudokuStudy, blanks_of
from tests.studies.shared import quiet


def test_every_puzzle_counts_under_its_number_of_blanks(out: Path) -> None:
    study = SudokuStudy(
        models=("ladder/40k",),
        tasks=("sudoku4:easy", "sudoku4"),
        verifiers=("mc",),
        problems=8,
        samples=2,
    )
    runs = Runs(out / "runs", quiet)
    runs.make(study.wanted())
    [finding] = study.findings(runs)
    blanks = [count for spec in study.wanted() for count in blanks_of(runs.run(spec))]
    assert {int(count) for count in blanks} <= {4, 5, 6, 7, 8, 9}
    data = finding.data.filter(pl.col("quantity") == "accuracy")
    problems = dict(data.select("blanks", "n").rows())
    assert problems == {count: blanks.count(count) for count in set(blanks)}
    pooled = sum(row["value"] * row["n"] for row in data.iter_rows(named=True)) / 16
    accuracies = [runs.run(spec).accuracies["accuracy"].value for spec in study.wanted()]
    assert pooled == pytest.approx(np.mean(accuracies))
