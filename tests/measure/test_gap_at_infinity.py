"""gap_inf by extrapolation, against simulation with ever more samples."""

from __future__ import annotations

import numpy as np
import pytest

from strop.measure.gap_at_infinity import extrapolated_gap
from strop.weigh import parse_weight


@pytest.mark.parametrize("samples", [32, 33, 48])
def test_extrapolation_comes_closer_to_the_limit_than_the_gap_itself(samples: int) -> None:
    """Normal scores, one apart; 60,000 simulated problems, so that what is left is bias."""
    rng = np.random.default_rng(0)
    utility_PK = (rng.random((60_000, samples)) < 0.3).astype(float)
    score_PK = rng.normal(size=utility_PK.shape) + utility_PK
    mask_PK = np.ones(utility_PK.shape, bool)
    weight = parse_weight("quantile:0.7")
    limit = extrapolated_gap(score_PK, utility_PK, mask_PK, weight.at).value
    kept_PK = weight(score_PK, mask_PK)
    plain = (kept_PK * utility_PK).sum() / kept_PK.sum() - utility_PK.mean()
    many = rng.random(4_000_000) < 0.3
    scores = rng.normal(size=many.size) + many
    truth = many[scores >= np.quantile(scores, 0.7)].mean() - 0.3
    assert abs(limit - truth) < 0.4 * abs(plain - truth)


def test_the_limit_has_a_reason_where_it_is_unknown() -> None:
    arrays = np.zeros((3, 4)), np.ones((3, 4)), np.ones((3, 4), bool)
    for spec in ("survivors:1", "best-of:K", "quantile:0.9"):
        assert np.isnan(extrapolated_gap(*arrays, parse_weight(spec).at).value), spec
    ragged = np.array([[True, False, False, False]] + [[True] * 4] * 2)
    assert np.isnan(extrapolated_gap(*arrays[:2], ragged, parse_weight("threshold:0").at).value)
