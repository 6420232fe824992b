"""Correlations against NumPy's, problem by problem and pooled."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.correlation import Correlation, correlations
from strop.measure.intervals import resample_counts


def correlation(one_PK: np.ndarray, other_PK: np.ndarray, mask_PK: np.ndarray) -> Correlation:
    counts_BP = resample_counts(len(mask_PK), 0)
    return correlations({"one": one_PK, "other": other_PK}, mask_PK, counts_BP)["one", "other"]


def ranks(values: np.ndarray) -> np.ndarray:
    return np.array([(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values])


def test_values_are_numpys() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(5, size=(12, 9)).astype(float), rng.normal(size=(12, 9))
    other[0, 0], one[3] = np.nan, 2.0
    mask = rng.random((12, 9)) < 0.8
    mask[:, :3] = True
    result = correlation(one, other, mask)
    known = mask & ~np.isnan(other)
    rows = [p for p in range(12) if np.ptp(one[p][known[p]])]
    assert result.constant == 12 - len(rows) >= 1 and result.unscored == 1
    for name, of in (("pearson", np.asarray), ("spearman", ranks)):
        within = [np.corrcoef(of(one[p][known[p]]), of(other[p][known[p]]))[0, 1] for p in rows]
        assert result.estimates[name].value == pytest.approx(np.mean(within))
        assert result.estimates[f"{name}_pooled"].value == pytest.approx(
            np.corrcoef(of(one[known]), of(other[known]))[0, 1]
        )


def test_constant_empty_and_single() -> None:
    ones, mask = np.ones((3, 4)), np.ones((3, 4), bool)
    for scores in (ones, ones * np.nan, ones * 0.1):
        result = correlation(scores, scores, mask)
        assert result.constant == 3 and all(
            e.value is None and e.why for e in result.estimates.values()
        )
    single = np.arange(3.0)[:, None]
    pairs = correlations(
        {"a": single, "b": -single, "c": single**2}, mask[:, :1], resample_counts(3, 0)
    )
    assert list(pairs) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert pairs["a", "b"].estimates["pearson"].value is None and pairs["a", "b"].estimates[
        "spearman_pooled"
    ].value == pytest.approx(-1)
