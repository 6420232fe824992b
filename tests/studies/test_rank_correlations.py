"""Tests of the rank correlation of gap and accuracy over models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from strop.studies.frame.runs import Runs, RunSpec
from strop.studies.rank_correlations import rank_correlation, spearman_rows_B
from tests.studies.shared import quiet


def test_the_rank_correlation_of_three_models_is_that_of_a_permutation(out: Path) -> None:
    models = ("ladder/40k", "ladder/125k", "ladder/250k")
    specs = [RunSpec(model, "signs", ("cot-binary",), problems=6, samples=4) for model in models]
    runs = Runs(out / "runs", quiet)
    runs.make(specs)
    of_models = [runs.run(spec) for spec in specs]
    value = rank_correlation(of_models, "cot-binary").value
    possible = (-1, -0.866, -0.5, 0, 0.5, 0.866, 1)
    assert value is None or any(value == pytest.approx(rho, abs=1e-3) for rho in possible)
    assert rank_correlation(of_models[:2], "cot-binary").value is None


def test_spearman_row_by_row_leaves_out_what_is_unknown() -> None:
    nan = float("nan")
    first = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, nan], [1.0, 2.0, nan, nan]])
    second = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 3.0, 2.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
    assert spearman_rows_B(first, second) == pytest.approx([-1.0, 0.5, nan], nan_ok=True)
