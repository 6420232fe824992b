"""Tests of the sharpening study's numbers: they are those of its runs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from strop.sharpening import SELF_REWARDS, Sharpening
from strop.studies.frame.runs import Runs
from strop.studies.sharpening import SharpeningStudy
from strop.studies.sharpening_cells import Cell, curves, distribution, lifts
from tests.studies.shared import quiet


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Cell:
    study = SharpeningStudy(
        models=("ladder/40k",), tasks=("signs",), seeds=2, problems=10, samples=4
    )
    runs = Runs(tmp_path_factory.mktemp("runs"), quiet)
    runs.make(study.wanted())
    return Cell([runs.run(spec) for spec in study.wanted()])


def test_a_cell_holds_the_problems_of_all_its_seeds(cell: Cell) -> None:
    assert cell.utility_PK.shape == (20, 4) and len(cell.greedy_P) == 20 and len(cell.runs) == 2
    assert not cell.runs[0].problems["question"].equals(cell.runs[1].problems["question"])
    copies = 20 - len({question for run in cell.runs for question in run.evidence.questions})
    assert (cell.group_P is None) == (copies == 0)


def test_lifts_and_curves_are_those_of_the_runs(cell: Cell) -> None:
    values = lifts(cell)
    points, changes = curves(cell)
    greedy = cell.greedy_P.mean()
    assert values["", "greedy"].value == pytest.approx(greedy)
    assert values["", "coverage"].value == pytest.approx(cell.utility_PK.max(axis=1).mean())
    for reward in SELF_REWARDS:
        best = np.mean([Sharpening(run).accuracy_PN(reward)[:, -1].mean() for run in cell.runs])
        assert values[reward, "gain"].value == pytest.approx(best - greedy)
        assert points[reward, "accuracy", 4].value == pytest.approx(best)
        # N = 1 is not the accuracy of a sample: a truncated response has no reward.
        first = points[reward, "accuracy", 1].value
        assert first is not None
        assert changes[reward, "accuracy"].value == pytest.approx(best - first)
    assert points["coverage", "accuracy", 1].value == pytest.approx(cell.utility_PK.mean())
    nats = [points["logprob", "log-likelihood", n].value for n in (1, 2, 4)]
    assert nats == sorted(nats)
    assert ("majority", "log-likelihood", 1) not in points


def test_distribution_functions_rise_to_one(cell: Cell) -> None:
    rows = pl.DataFrame(list(distribution(cell.logprob_PK, cell)))
    for _, of_kind in rows.group_by("kind"):
        below = of_kind.sort("logprob")["below"].to_list()
        assert below == sorted(below) and below[-1] == pytest.approx(1)
    known = int((cell.mask_PK & np.isfinite(cell.logprob_PK)).sum())
    responses = rows.group_by("kind").agg(pl.col("responses").first())["responses"]
    assert responses.sum() == known
