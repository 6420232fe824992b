"""theory/small.py: worlds for the statements without a learner's class."""

from __future__ import annotations

import pytest

from strop.studies.theory.small import (
    greatest_beta,
    one_above,
    split_sequences,
    unsharpenable_masses,
)
from strop.theory import is_sharpened, margin, tabular
from strop.theory.tilt import tilted


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
