"""frame/numbers.py on real runs: how studies read their numbers."""

from __future__ import annotations

import numpy as np

from strop.measure import estimate, resample_counts
from strop.run.run import Run
from strop.studies.frame.numbers import count_signs, counts, gaps
from tests.studies.shared import mean_gap


def test_where_nothing_is_filtered_the_gap_is_unknown(verified_run: Run) -> None:
    ratios = gaps(verified_run, "cot-binary", "threshold:2")
    gap = estimate(ratios["gap"], verified_run.counts_BP)
    assert gap.value is None and "no response to any problem was kept" in str(gap.why)
    assert counts(verified_run, "cot-binary", "threshold:2")["no_survivor"] == 12


def test_a_tally_states_the_number_expected_by_chance() -> None:
    value_P = 0.5 + 0.1 * np.random.default_rng(0).standard_normal(50)
    above = estimate(mean_gap(value_P), resample_counts(50, 0))
    text = count_signs([above] * 40)
    assert text.startswith("40 of 40 intervals lie above zero, 0 below (about 1.0 of each ")
