"""The coverage study: its true values are right, and intervals cover in a short run of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from strop.studies import CoverageStudy
from strop.studies.coverage import QUANTITIES, measured, true_values
from strop.studies.populations import KINDS, Population, populations

PROBLEMS, SAMPLES, EXPERIMENTS = 50, 8, 300
WORLDS = {population.name: population for population in populations()}
every_world = pytest.mark.parametrize("world", WORLDS.values(), ids=list(WORLDS))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    out = tmp_path_factory.mktemp("studies") / "coverage"
    told: list[str] = []
    study = CoverageStudy(
        experiments=EXPERIMENTS, problems=(PROBLEMS,), samples=(SAMPLES,), repeats=500
    )
    page = study.run(out, told.append)
    assert page == out / "coverage.md" and len(told) == len(WORLDS)
    text = page.read_text()
    assert (
        all(f"### {quantity}\n" in text for quantity in QUANTITIES)
        and f"{EXPERIMENTS} experiments a cell" in text
    )
    assert "- Holds? Somewhere below the band: " in text and (out / "coverage.svg").exists()
    return pl.read_parquet(out / "coverage.parquet")


def test_one_row_a_world_and_quantity(rows: pl.DataFrame) -> None:
    assert set(rows.select("population", "quantity").rows()) == {
        (name, quantity) for name in WORLDS for quantity in QUANTITIES
    }
    assert rows.height == len(WORLDS) * len(QUANTITIES)
    assert rows.select("problems", "samples", "experiments").unique().rows() == [
        (PROBLEMS, SAMPLES, EXPERIMENTS)
    ]
    shares = rows.select(
        pl.sum_horizontal("missed_low", "missed_high", "without_interval") + pl.col("covered")
    ).to_series()
    assert shares.to_list() == pytest.approx([1] * rows.height), (
        "an experiment covers, misses, or has no interval"
    )


def test_intervals_cover(rows: pl.DataFrame) -> None:
    """Coverage is within five standard errors of [0.92, 0.985].

    gap_inf is an extrapolation with a bias of its own, and is left to the long study.
    """
    low, high = (
        end + sign * 5 * (end * (1 - end) / EXPERIMENTS) ** 0.5
        for end, sign in ((0.92, -1), (0.985, 1))
    )
    outside = rows.filter(
        (pl.col("quantity") != "gap_inf") & ~pl.col("covered").is_between(low, high)
    )
    assert outside.is_empty(), outside.select(
        "population", "quantity", "truth", "covered", "without_interval"
    ).rows()


def test_one_worker_or_two_give_the_same_rows(tmp_path: Path) -> None:
    for workers in (1, 2):
        study = CoverageStudy(
            experiments=20, problems=(20,), samples=(SAMPLES,), repeats=20, workers=workers
        )
        study.run(tmp_path / str(workers), lambda _: None)
    one, two = (pl.read_parquet(tmp_path / name / "coverage.parquet") for name in ("1", "2"))
    assert one.equals(two, null_equal=True)


@every_world
def test_exact_truths_are_what_many_problems_give(world: Population) -> None:
    """All kinds equally often, as the truths mean it: what is left is the responses' own noise."""
    truths = true_values(world, SAMPLES, repeats=200)
    utility_PK, score_PK = world.respond(
        np.repeat(np.arange(KINDS), 200), SAMPLES, np.random.default_rng(5)
    )
    for quantity, ratio in measured(utility_PK, score_PK, world):
        if quantity == "gap_inf":
            continue  # the limit of many samples, which eight do not show
        error = float(np.sqrt((ratio.influence_P**2).mean() / len(utility_PK)))
        if quantity == "relative gap":
            error *= 2**0.5  # its truth is simulated too, from as many problems
        assert abs(ratio.value - truths[quantity]) < 5 * error, quantity


@every_world
def test_the_limit_is_what_many_samples_give(world: Population) -> None:
    """gap_inf is the truth that gap_K comes to, and at 128 samples nearly has."""
    limit = true_values(world, SAMPLES, repeats=1)["gap_inf"]
    gaps = [true_values(world, samples, repeats=1)["gap_K"] for samples in (8, 128)]
    assert abs(gaps[1] - limit) <= abs(gaps[0] - limit) / 2 and abs(gaps[1] - limit) < 0.01
