"""The bootstrap: what it resamples, and that its intervals cover the truth."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.gap import accuracy, gap
from strop.measure.intervals import (
    Ratio,
    difference,
    estimate,
    estimate_all,
    resample_counts,
    studentised,
)
from strop.measure.student import t_quantile
from strop.weigh import parse_weight
from tests.measure.enumeration import exact_gap


def test_resamples_draw_every_problem_as_often_and_follow_the_seed() -> None:
    counts_BP = resample_counts(50, 3)
    assert counts_BP.shape == (2000, 50) and (counts_BP.sum(axis=1) == 50).all()
    assert (counts_BP == resample_counts(50, 3)).all() and (
        counts_BP != resample_counts(50, 4)
    ).any()
    assert abs(counts_BP.mean(axis=0) - 1).max() < 5 / np.sqrt(2000)


def test_standard_error_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(0).normal(size=400)
    result = estimate(Ratio(values, np.ones(400), "mean"), resample_counts(400, 0))
    assert result.low is not None and result.high is not None
    assert (result.high - result.low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.08)


def test_a_resample_without_what_is_measured_does_not_become_a_zero() -> None:
    below = np.zeros(40)
    below[:20] = 1
    above = below * np.random.default_rng(0).uniform(0.4, 0.6, 40)
    result = estimate(Ratio(above, below, "x"), resample_counts(40, 0))
    assert result.value == pytest.approx(above.sum() / 20) and result.n == 20
    assert (
        result.low is not None and result.high is not None and 0.4 < result.low < result.high < 0.6
    )


def test_intervals_of_gap_K_cover_the_truth() -> None:
    """A nominal 95% interval covers gap_K in 92 to 98 of 100 simulated runs.

    600 runs of 100 problems x 8 samples from known tables: a short version of the coverage study.
    The band is five standard errors of 600 runs wide, and the seed was the first one tried.
    """
    rng = np.random.default_rng(20261121)
    weight, problems, samples, runs = parse_weight("quantile:0.7"), 100, 8, 600
    kinds = [np.array([p, 1 - p]) for p in (0.1, 0.5, 0.9)]
    utility, score = np.array([1.0, 0.0]), np.array([1.0, 0.0])
    truths = [exact_gap(kind, utility, score, weight, samples) for kind in kinds]
    truth = float(np.mean(truths))
    covered = 0
    for run in range(runs):
        kind_P = rng.integers(3, size=problems)
        right_PK = (
            rng.random((problems, samples)) < np.array([kind[0] for kind in kinds])[kind_P, None]
        )
        mask_PK = np.ones_like(right_PK)
        ratio = gap(right_PK.astype(float), weight(right_PK.astype(float), mask_PK), mask_PK)
        result = estimate(ratio, resample_counts(problems, run, resamples=400))
        assert result.low is not None and result.high is not None
        covered += result.low <= truth <= result.high
    assert 0.92 <= covered / runs <= 0.98


def plain_interval(
    above: list[float], below: list[float], counts_BP: np.ndarray
) -> tuple[float, float]:
    """The studentised interval, written out with loops for one ratio."""
    n = sum(a != 0 or b != 0 for a, b in zip(above, below, strict=True))
    value = sum(above) / sum(below)

    def error(weights: list[float], about: float) -> float:
        squares = sum(
            c * (a - about * b) ** 2 for c, a, b in zip(weights, above, below, strict=True)
        )
        return float(
            np.sqrt(squares * n / (n - 1)) / sum(c * b for c, b in zip(weights, below, strict=True))
        )

    student = float(t_quantile(0.975, n - 1))
    draws = []
    for weights in counts_BP.tolist():
        drawn = sum(c * a for c, a in zip(weights, above, strict=True)) / sum(
            c * b for c, b in zip(weights, below, strict=True)
        )
        spread = error(weights, drawn)
        t = (
            (drawn - value) / spread
            if spread > 1e-9
            else np.sign(drawn - value) * np.inf
            if abs(drawn - value) > 1e-9
            else 0.0
        )
        draws.append(min(max(t, -2 * student), 2 * student))
    left, right = np.quantile(draws, [0.025, 0.975])
    spread = error([1.0] * len(above), value)
    return value - spread * (student + right) / 2, value + spread * (student - left) / 2


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mean", [True, False])
def test_many_intervals_at_once_are_those_of_plain_loops(seed: int, mean: bool) -> None:
    rng = np.random.default_rng(seed)
    below_PE = (
        np.ones((12, 4))
        if mean
        else rng.integers(0, 4, (12, 4)) + (np.arange(12) < 6)[:, None] * 1.0
    )
    above_PE = rng.integers(0, 3, (12, 4)) * below_PE / 3
    counts_BP = resample_counts(12, seed, 200)
    contributing_E = ((above_PE != 0) | (below_PE != 0)).sum(axis=0)
    low_E, high_E = studentised(above_PE, below_PE, contributing_E, counts_BP)
    for e in range(4):
        assert (low_E[e], high_E[e]) == pytest.approx(
            plain_interval(list(above_PE[:, e]), list(below_PE[:, e]), counts_BP), abs=1e-9
        )


def test_where_all_problems_agree_the_interval_says_what_unseen_ones_could_change() -> None:
    counts_BP = resample_counts(50, 0)
    all_right = estimate(accuracy(np.ones((50, 4)), np.ones((50, 4), bool)), counts_BP)
    assert (
        (all_right.value, all_right.high) == (1, 1)
        and all_right.low == pytest.approx(0.025 ** (1 / 50))
        and all_right.caution
    )
    unbounded = estimate(Ratio(np.full(50, 3.0), np.ones(50), "nats"), counts_BP)
    assert (unbounded.value, unbounded.low) == (3, None) and unbounded.why


def test_a_few_deciding_problems_are_cautioned_about() -> None:
    rare, common = np.zeros(100), np.random.default_rng(0).random(100)
    rare[:3] = 1
    counts_BP = resample_counts(100, 0)
    assert "about 3" in str(estimate(Ratio(rare, np.ones(100), "x"), counts_BP).caution)
    assert estimate(Ratio(common, np.ones(100), "x"), counts_BP).caution is None


def test_differences_are_paired() -> None:
    """The spread of a difference is that of the problems' differences."""
    rng = np.random.default_rng(0)
    hard = rng.random(200)
    first, second = (
        Ratio(hard + 0.01 * rng.random(200), np.ones(200), "a"),
        Ratio(hard, np.ones(200), "b"),
    )
    counts_BP = resample_counts(200, 0)
    gained = estimate(difference(first, second, "a - b"), counts_BP)
    alone = estimate(first, counts_BP)
    assert gained.value == pytest.approx(first.value - second.value)
    assert gained.high - gained.low < 0.05 * (alone.high - alone.low)
    undefined = estimate(
        difference(first, Ratio(hard * 0, hard * 0, "c", "because"), "a - c"), counts_BP
    )
    assert undefined.value is None and undefined.why == "because"


def test_copies_of_a_question_are_one_unit_of_resampling() -> None:
    """A question asked twice with the same outcome gives the interval of asking it once."""
    rng = np.random.default_rng(0)
    once = {
        "mean": Ratio(rng.random(30), np.ones(30), "mean"),
        "share": Ratio(rng.random(30), rng.random(30) + 1, "share"),
    }
    twice = {
        name: Ratio(np.repeat(r.above_P, 2), np.repeat(r.below_P, 2), name)
        for name, r in once.items()
    }
    group_P = np.repeat(np.arange(30), 2)
    counts_BP = resample_counts(60, 0, group_P=group_P)
    assert (counts_BP[:, ::2] == counts_BP[:, 1::2]).all() and (
        counts_BP[:, ::2] == resample_counts(30, 0)
    ).all()
    alone, copied = (
        estimate_all(once, resample_counts(30, 0)),
        estimate_all(twice, counts_BP, group_P=group_P),
    )
    for name, expected in alone.items():
        assert (copied[name].low, copied[name].high) == pytest.approx(
            (expected.low, expected.high)
        ) and copied[name].n == 30
    apart = estimate_all(twice, resample_counts(60, 0))["mean"]
    assert apart.high - apart.low < 0.8 * (copied["mean"].high - copied["mean"].low)
