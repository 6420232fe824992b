"""Tests of the study of forecasts, on made-up documents of courses."""

from __future__ import annotations

import numpy as np
import pytest

from strop.records import Estimate
from strop.studies.forecast import CELLS, Came, ForecastStudy
from strop.studies.frame.findings import Finding
from tests.studies.shared import course_document


def test_forecasts_are_of_other_cells() -> None:
    study, cells = ForecastStudy(), CELLS[:4]
    rng = np.random.default_rng(0)
    documents = [
        [
            course_document((0.5, 0.5 + gain + rng.normal(0, 0.01)), (0.9, 0.9), (0.2, 0.1))
            for _ in range(3)
        ]
        for gain in (0.1, 0.12, 0.0, 0.2)
    ]
    came = [Came.of(cell, own) for cell, own in zip(cells, documents, strict=True)]
    updates = [one.update(study.courses()[one.cell][0]) for one in came]
    rows = list(study._rows(came, updates, {cell: [] for cell in cells}))
    others = [one.eps_update for one in updates[1:]]
    assert rows[0]["forecast_gain_all_cells"] == pytest.approx(0.2 - np.mean(others))
    ahead = {
        cell: [Estimate(0.6, 0.55, high, 0.95, 20, "") for high in (0.9, 0.9, None)]
        for cell in cells
    }
    [finding] = study._findings(came, updates, ahead)
    assert isinstance(finding, Finding)
    assert "over 4 cells" in finding.seen and "6 of 8 95% intervals" in finding.seen
