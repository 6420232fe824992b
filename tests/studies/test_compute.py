"""Tests of the study of compute-optimal verification."""

from __future__ import annotations

import numpy as np
import pytest

from strop.run.run import Run
from strop.studies.compute import Option, frontier


def test_the_best_option_for_a_budget_is_affordable_and_best(verified_run: Run) -> None:
    flops = {"poor": 1.0, "good": 10.0, "waste": 20.0, "rich": 100.0}
    values = {"poor": 0.2, "good": 0.6, "waste": 0.4, "rich": 0.9}
    options = []
    for name in flops:
        options.append(Option(name, "kind", "model", flops[name], np.full(12, values[name])))
    best = frontier(verified_run, options, (0.0, 1.0))
    assert best[0].budget == pytest.approx(1) and best[-1].budget == pytest.approx(100)
    for choice in best:
        affordable = [name for name in flops if flops[name] <= choice.budget * 1.000001]
        assert choice.label == max(affordable, key=lambda name: values[name])
        assert choice.value.value == pytest.approx(values[choice.label])
