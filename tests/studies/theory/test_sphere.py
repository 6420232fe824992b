"""theory/sphere.py: every learner reaches its goal on the sphere."""

from __future__ import annotations

import numpy as np
import pytest

from strop.studies.theory.sphere import LEARNERS, queries_needed
from strop.theory.sphere import with_hidden_pole


@pytest.mark.parametrize("learner", LEARNERS)
def test_every_learner_reaches_its_goal_on_the_sphere(learner: str) -> None:
    drawn, asked = queries_needed(
        learner, with_hidden_pole(32, 5, np.random.default_rng(1)), np.random.default_rng(2)
    )
    assert 1 <= drawn <= asked and (asked > drawn) == learner.startswith("XPO")
