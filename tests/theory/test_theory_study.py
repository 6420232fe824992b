"""The theory study: its fits know what they are given, its cost formulas meet its runs, and it runs through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from strop.studies import STUDIES, TheoryStudy
from strop.studies.theory.fits import (
    exponent,
    exponent_of,
    exponential_over_power,
    geometric_mean,
    mean_over_runs,
    slope,
    wilson,
)
from strop.studies.theory.samples import ADAPTIVE, DPO, SFT, Cell, repeated
from strop.studies.theory.small import (
    greatest_beta,
    one_above,
    split_sequences,
    unsharpenable_masses,
)
from strop.studies.theory.sphere import LEARNERS, queries_needed
from strop.theory import is_sharpened, margin, tabular
from strop.theory.hard_instance import with_coverage
from strop.theory.sphere import with_hidden_pole
from strop.theory.tilt import tilted


def test_fits_find_the_exponents_and_tell_growths_apart() -> None:
    rng, x_S = np.random.default_rng(0), np.arange(3.0, 11.0)
    noise_RS = np.exp(0.2 * rng.standard_normal((20, 8)))
    power_RS, exponential_RS = 5 * x_S**2.5 * noise_RS, np.exp(0.7 * x_S) * noise_RS
    assert exponent(x_S, power_RS).holds(2.5) and not exponent(x_S, power_RS).holds(2)
    assert slope(x_S, np.log(exponential_RS)).holds(0.7)
    assert exponent_of(x_S, 3 * x_S**-1.5) == pytest.approx(-1.5)
    assert (
        exponential_over_power(x_S, exponential_RS, 0).low
        > 0
        > exponential_over_power(x_S, power_RS, 0).high
    )


def test_means_leave_out_runs_without_a_value_and_count_the_others() -> None:
    found = mean_over_runs(np.array([1.0, 3.0, np.nan]))
    assert (found.value, found.runs) == (2.0, 2) and found.low == pytest.approx(
        2 - 12.7062, abs=1e-3
    )
    assert np.isnan(mean_over_runs(np.array([1.0])).low) and np.isnan(
        mean_over_runs(np.array([np.nan])).value
    )
    assert geometric_mean(np.array([1.0, 100.0])).value == pytest.approx(10)
    assert wilson(0, 10) == pytest.approx((0, 0.2775), abs=1e-4) and wilson(5, 10) == pytest.approx(
        (0.2366, 0.7634), abs=1e-4
    )


@pytest.mark.parametrize("learner", [SFT, ADAPTIVE, DPO])
def test_the_cost_formula_meets_the_runs(learner: str) -> None:
    """Within 15%: the formula leaves out that a best of N is wrong now and then, and a learner is looked at in steps."""
    cell = Cell(learner, with_coverage(16, 0.3, 4.0), 0.05)
    needed_R = repeated([cell], 40, "test")[:, 0]
    assert np.isfinite(needed_R).all() and needed_R.mean() == pytest.approx(cell.formula, rel=0.15)


def test_the_number_of_processes_changes_nothing() -> None:
    cells = [Cell(learner, with_coverage(4, 0.4, 2.0), 0.1) for learner in (SFT, DPO)]
    assert np.array_equal(
        repeated(cells, 3, "test", workers=1), repeated(cells, 3, "test", workers=2)
    )


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_gets_there_on_the_sphere(learner: str) -> None:
    drawn, asked = queries_needed(
        learner, with_hidden_pole(32, 5, np.random.default_rng(1)), np.random.default_rng(2)
    )
    assert 1 <= drawn <= asked and (asked > drawn) == learner.startswith("XPO")


def test_the_greatest_beta_is_the_edge() -> None:
    base_Y = one_above(20, 0.3)
    assert margin(tabular([base_Y])) == pytest.approx(0.3)
    edge = greatest_beta(base_Y, 0.1)
    assert [
        is_sharpened(tilted(tabular([base_Y]), beta), tabular([base_Y]), 0, 0.1)
        for beta in (0.999 * edge, 1.001 * edge)
    ] == [
        True,
        False,
    ]


@pytest.mark.parametrize(("mass", "found"), [(0.3, False), (0.5, False), (0.51, True)])
def test_the_counterexample_at_one_half(mass: float, found: bool) -> None:
    model = split_sequences(mass)
    assert model.most_likely() == (1, 0) and (model.greedy() == (1, 0)) is found


def test_the_tilt_of_the_unsharpenable_is_sharp_and_no_member() -> None:
    rows = unsharpenable_masses((3, 4))
    assert rows["tilt"].min() > 0.99 and rows["mass"].max() < 0.5  # type: ignore[operator]


def test_the_study_runs_through(tmp_path: Path) -> None:
    study = TheoryStudy(
        runs=2,
        points=2,
        sphere_runs=2,
        dimensions=(3, 4),
        models=200,
        trials=50,
        bases=10,
        graphs=3,
        workers=1,
    )
    page = study.run(tmp_path, lambda line: None)
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "theory.md" and STUDIES["theory"] is TheoryStudy
    for part in (
        "prop-3-1",
        "prop-c-1",
        "3-1-eps",
        "4-1",
        "d-1",
        "4-2",
        "j-1",
        "tilt",
        "prop-e-1",
        "prop-e-2",
    ):
        assert f"theory-{part}.svg" in text
        assert (tmp_path / f"theory-{part}.png").stat().st_size > 5_000
        assert pl.read_parquet(tmp_path / f"theory-{part}.parquet").height > 1
    assert text.count("- Holds?") == 10 and "1,089 of 1,089 graphs" in text


def test_a_quick_one_is_smaller_in_every_way() -> None:
    quick, whole = TheoryStudy.quick(), TheoryStudy()
    assert (quick.runs, quick.sphere_runs, len(quick.dimensions)) < (
        whole.runs,
        whole.sphere_runs,
        len(whole.dimensions),
    )
    assert (
        quick.models < whole.models
        and quick.trials < whole.trials
        and quick.bases < whole.bases
        and quick.graphs < whole.graphs
    )
