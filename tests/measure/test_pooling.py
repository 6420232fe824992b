"""Partial pooling: what it must predict in the limits, and how often its intervals hold."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.pooling import Cell, Pool

FACTORS = ("task", "model")


def cell(predictor: float, task: str, model: str, outcome: float = float("nan")) -> Cell:
    return Cell(predictor, {"task": task, "model": model}, outcome, outcome_se=0.005)


def test_without_cells_the_prior_speaks() -> None:
    prediction = Pool([], FACTORS).predict(cell(0.2, "a", "x"))
    assert prediction.mean == pytest.approx(0.5 * 0.2)
    assert prediction.quantile(0.025) < 0 < 0.2 < prediction.quantile(0.975)


def test_a_task_seen_often_is_predicted_by_its_own_share() -> None:
    rng = np.random.default_rng(0)
    cells = []
    for task, share in (("keeps", 0.9), ("loses", 0.0)):
        for model in "abcdefgh":
            gap = float(rng.uniform(0.1, 0.4))
            cells.append(cell(gap, task, model, share * gap))
    pool = Pool(cells, FACTORS)
    kept = pool.predict(cell(0.3, "keeps", "new"))
    lost = pool.predict(cell(0.3, "loses", "new"))
    assert kept.mean == pytest.approx(0.27, abs=0.02)
    assert lost.mean == pytest.approx(0.0, abs=0.02)
    # A task that was never seen lies between, and its interval holds both.
    unseen = pool.predict(cell(0.3, "unseen", "new"))
    assert unseen.quantile(0.025) < lost.mean and kept.mean < unseen.quantile(0.975)


def test_there_is_no_step_when_a_cell_is_added() -> None:
    """The mean moves toward a task's own share cell by cell, and the interval narrows."""
    models = [f"model {number}" for number in range(5)]
    others = [cell(0.3, task, model, 0.15) for task in "abcd" for model in models]
    means, widths = [], []
    for count in range(6):
        own = [cell(0.3, "own", model, 0.27) for model in models[:count]]
        prediction = Pool(others + own, FACTORS).predict(cell(0.3, "own", "new"))
        means.append(prediction.mean)
        widths.append(prediction.quantile(0.975) - prediction.quantile(0.025))
    assert all(np.diff(means) > 0) and max(np.diff(means)) < 0.15
    assert widths[5] < widths[1] < widths[0]


def test_intervals_hold_a_new_cell() -> None:
    """200 worlds with shares drawn by task and by model; the band is four standard errors."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        task_effect = dict(zip("stuv", rng.normal(0, 0.3, 4), strict=True))
        model_effect = dict(zip("abcd", rng.normal(0, 0.15, 4), strict=True))

        pairs = [(task, model) for task in "stu" for model in "abc"]
        pairs.append((str(rng.choice(list("stuv"))), str(rng.choice(list("abcd")))))
        cells = []
        for task, model in pairs:
            gap = float(rng.uniform(0, 0.4))
            share = 0.5 + task_effect[task] + model_effect[model] + rng.normal(0, 0.1)
            cells.append(cell(gap, task, model, gap * share + rng.normal(0, 0.01)))
        new = cells.pop()
        prediction = Pool(cells, FACTORS).predict(cell(new.predictor, task, model))
        came = new.outcome
        held += prediction.quantile(0.025) <= came <= prediction.quantile(0.975)
    assert 0.89 <= held / 200 <= 1.0


def test_quantiles_and_probabilities_agree() -> None:
    cells = [cell(0.2, "a", "x", 0.1), cell(0.3, "b", "x", 0.2)]
    prediction = Pool(cells, FACTORS).predict(cell(0.25, "a", "y"))
    for level in (0.025, 0.5, 0.9):
        above = prediction.probability_above(prediction.quantile(level))
        assert above == pytest.approx(1 - level, abs=1e-6)


def test_an_uncertain_predictor_widens_the_interval() -> None:
    cells = [cell(0.2, "a", model, 0.18) for model in "uvwxyz"]
    sure = Cell(0.2, {"task": "a", "model": "n"})
    unsure = Cell(0.2, {"task": "a", "model": "n"}, predictor_se=0.05)
    pool = Pool(cells, FACTORS)
    narrow, wide = (
        pool.predict(new).quantile(0.975) - pool.predict(new).quantile(0.025)
        for new in (sure, unsure)
    )
    assert wide > 1.5 * narrow
