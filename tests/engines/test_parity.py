"""The same model in two engines, on 1,000 problems: their accuracies must agree.

Only rounding and random numbers differ. Each engine has seeds of its own: with the same seeds they
draw the same samples (``tests/contracts``), and the test would show nothing.
"""

from __future__ import annotations

import numpy as np

from strop.engines import LADDER
from strop.engines.base import Engine
from strop.engines.llama import LlamaEngine
from strop.engines.transformers import TransformersEngine
from strop.generate import draw_responses, response_seeds
from strop.measure.intervals import Ratio, estimate, resample_counts
from strop.records import Sampling, blind
from strop.tasks import Arithmetic

PROBLEMS, SAMPLES = 1_000, 16
"""With 400 problems, the interval would be +-1.1 points: equal engines would fail 1 time in 10."""
LARGEST = LADDER / "250k"


def accuracy_P(engine: Engine, seed: int) -> np.ndarray:
    task = Arithmetic()
    problems = task.problems("test", PROBLEMS, seed=0)
    seeds = [response_seeds(seed, "parity", problem, SAMPLES) for problem in problems]
    drawn = draw_responses(
        engine, task, [blind(p) for p in problems], [], Sampling(0.7, 0.9, task.max_tokens), seeds
    ).samples
    return np.array(
        [
            np.mean([task.grade(s.text, p).utility_strict for s in row])
            for p, row in zip(problems, drawn, strict=True)
        ]
    )


def test_paired_difference_lies_within_two_points_of_zero() -> None:
    """The 95% interval of the paired difference lies within 2 points of zero."""
    difference_P = accuracy_P(LlamaEngine(LARGEST), 0) - accuracy_P(
        TransformersEngine(str(LARGEST)), 1
    )
    result = estimate(
        Ratio(difference_P, np.ones(PROBLEMS), "paired difference of accuracies"),
        resample_counts(PROBLEMS, seed=0),
    )
    print(f"paired difference {result:+.2%}")
    assert result.low is not None and result.high is not None
    assert result.low > -0.02 and result.high < 0.02
