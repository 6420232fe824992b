"""The sharpening studies, small: their numbers are those of their runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from strop.sharpening import SELF_REWARDS, Sharpening
from strop.studies import STUDIES
from strop.studies.frame.runs import Runs
from strop.studies.sft import SftStudy, over
from strop.studies.sharpening import Cell, SharpeningStudy, curves, distribution, lifts


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Cell:
    study = SharpeningStudy(
        models=("ladder/40k",), tasks=("signs",), seeds=2, problems=10, samples=4
    )
    runs = Runs(tmp_path_factory.mktemp("runs"), quiet)
    runs.make(study.wanted())
    return Cell([runs.run(one) for one in study.wanted()])


def test_a_cell_holds_the_problems_of_all_its_seeds(cell: Cell) -> None:
    assert cell.utility_PK.shape == (20, 4) and len(cell.greedy_P) == 20 and len(cell.runs) == 2
    assert not cell.runs[0].problems["question"].equals(cell.runs[1].problems["question"])
    copies = 20 - len({question for run in cell.runs for question in run.evidence.questions})
    assert (cell.group_P is None) == (copies == 0)


def test_lifts_and_curves_are_those_of_the_runs(cell: Cell) -> None:
    found, (measured, changed) = lifts(cell), curves(cell)
    greedy = cell.greedy_P.mean()
    assert found["", "greedy"].value == pytest.approx(greedy)
    assert found["", "coverage"].value == pytest.approx(cell.utility_PK.max(axis=1).mean())
    for reward in SELF_REWARDS:
        best = np.mean([Sharpening(run).accuracy_PN(reward)[:, -1].mean() for run in cell.runs])
        assert found[reward, "gain"].value == pytest.approx(best - greedy)
        assert measured[reward, "accuracy", 4].value == pytest.approx(best)
        one = measured[
            reward, "accuracy", 1
        ].value  # of responses that can be chosen: a truncated one has no reward
        assert one is not None and changed[reward, "accuracy"].value == pytest.approx(best - one)
    assert measured["coverage", "accuracy", 1].value == pytest.approx(cell.utility_PK.mean())
    nats = [measured["logprob", "log-likelihood", n].value for n in (1, 2, 4)]
    assert nats == sorted(nats) and ("majority", "log-likelihood", 1) not in measured


def test_distribution_functions_rise_to_one(cell: Cell) -> None:
    rows = pl.DataFrame(list(distribution(cell.logprob_PK, cell)))
    for (_,), own in rows.group_by("kind"):
        below = own.sort("logprob")["below"].to_list()
        assert below == sorted(below) and below[-1] == pytest.approx(1)
    known = int((cell.mask_PK & np.isfinite(cell.logprob_PK)).sum())
    assert rows.group_by("kind").agg(pl.col("responses").first())["responses"].sum() == known


def test_trained_models_are_measured_once(tmp_path: Path) -> None:
    size = {"problems": 8, "train_problems": 8, "samples": 4}
    study = SftStudy(
        "ladder/25k",
        "recall",
        1,
        **size,
        sizes=(2,),
        pairs=1,
        epochs=1.0,
        curve_steps=2,
        snapshots=2,
    )
    page = study.run(tmp_path / "sft", quiet)
    base = json.loads((tmp_path / "sft" / "models" / "seed-0" / "base.json").read_text())[
        "measured"
    ]
    table = pl.read_parquet(tmp_path / "sft" / "sft-table.parquet").filter(
        pl.col("kind") == "value"
    )
    assert table["model"].unique(maintain_order=True).to_list() == [
        "base",
        "sft-2",
        "reward-dpo-2",
        "xpo-2",
    ]
    found = dict(table.filter(pl.col("model") == "base").select("quantity", "value").rows())
    assert found == {key: value for key, value in base.items() if key in found}
    steps = pl.read_parquet(tmp_path / "sft" / "sft-curves.parquet")
    assert sorted(set(steps["step"])) == [1, 2] and steps.height == 8
    assert page.exists()


def test_over_seeds_is_students_interval() -> None:
    found = over([0.1, 0.2, 0.3], None)
    reach = 4.302652729911275 * 0.1 / 3**0.5
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.2 - reach, 0.2 + reach))
    assert over([0.1, 0.2, 0.3], "accuracy").low == 0
    assert (
        over([0.5], None).low is None
        and over([float("nan")], None).value is None
        and over([0.5, 0.5], None).low is None
    )


def test_quick_ones_are_smaller() -> None:
    for name in ("sharpening", "sft"):
        quick, whole = STUDIES[name].quick(), STUDIES[name]()
        assert all(
            getattr(quick, field) < getattr(whole, field)
            for field in ("problems", "samples", "seeds")
        )
