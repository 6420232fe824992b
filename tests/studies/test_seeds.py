"""Tests of the study of seeds: the chi-square quantiles and the sources of noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from strop.studies.seeds import chi_square, components


def test_chi_square_agrees_with_the_tables() -> None:
    tables = {
        (0.025, 2): 0.0506,
        (0.975, 2): 7.378,
        (0.025, 1): 0.000982,
        (0.975, 1): 5.024,
        (0.025, 8): 2.180,
        (0.975, 8): 17.535,
        (0.025, 4): 0.484,
        (0.975, 199): 239.96,
    }
    for (p, freedom), value in tables.items():
        assert chi_square(p, freedom) == pytest.approx(value, rel=2e-3), (p, freedom)


class MadeUp:
    """A stand-in for a run that has only the attributes ``components`` reads."""

    def __init__(self, utility_PK: np.ndarray) -> None:
        self.evidence = self.samples = self
        self.utility_PK = utility_PK
        self.mask_PK = np.ones(utility_PK.shape, bool)


def test_sources_of_noise_are_separated() -> None:
    """Simulate 200 studies: problems differ by 0.2, draws of data by 0.05, trainings by 0.03."""
    rng = np.random.default_rng(0)
    problems = 60
    variances: dict[str, list[float]] = {}
    for _ in range(200):
        of_problem = 0.5 + 0.2 * rng.standard_normal(problems)
        fits = {}
        for draw in range(4):
            of_draw = 0.05 * rng.standard_normal()
            for training in range(4):
                chance_P = of_problem + of_draw + 0.03 * rng.standard_normal()
                noise_PK = 0.1 * rng.standard_normal((problems, 2))
                fits[draw, training] = MadeUp(np.repeat(chance_P[:, None], 2, axis=1) + noise_PK)
        base: Any = MadeUp(np.repeat(of_problem[:, None], 2, axis=1))
        for name, value in components(base, fits).items():  # type: ignore[arg-type]
            variances.setdefault(name, []).append((value.value or 0.0) ** 2)
    sd = {name: float(np.mean(values)) ** 0.5 for name, values in variances.items()}
    expected = (0.2**2 + 0.1**2 / 2) ** 0.5 / problems**0.5
    assert sd["problems"] == pytest.approx(expected, rel=0.05)
    assert sd["samples"] == pytest.approx(0.1 / 2**0.5 / problems**0.5, rel=0.05)
    assert sd["training"] == pytest.approx(0.03, rel=0.1)
    assert sd["data"] == pytest.approx(0.05, rel=0.15)
