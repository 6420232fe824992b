"""measure/adaptive.py and generate/adaptive.py: stopping times, and drawing in rounds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strop.engines import LADDER
from strop.engines.llama import LlamaEngine
from strop.generate import draw_adaptively, draw_responses, response_seeds
from strop.measure.adaptive import mu_for, stopping_times_P
from strop.records import Sampling, blind
from strop.tasks import Arithmetic


def by_hand(logprobs: list[float], mu: float) -> tuple[int, bool]:
    """The rule of Appendix D, word for word."""
    best = 0.0
    for k, logprob in enumerate(logprobs, start=1):
        best = max(best, 0.0 if math.isnan(logprob) else math.exp(logprob))
        if best > 0 and 1 / best <= k / mu:
            return k, True
    return len(logprobs), False


def test_stopping_times_are_the_rule_s() -> None:
    rng = np.random.default_rng(0)
    logprob_PK = -rng.exponential(2.0, size=(300, 20))
    logprob_PK[rng.random(logprob_PK.shape) < 0.1] = np.nan
    count_P = rng.integers(1, 21, 300)
    mask_PK = np.arange(20) < count_P[:, None]
    for delta in (0.01, 0.1, 0.5):
        stops_P, reached_P = stopping_times_P(logprob_PK, mask_PK, mu_for(delta))
        expected = [
            by_hand(list(row[:count]), mu_for(delta))
            for row, count in zip(logprob_PK, count_P, strict=True)
        ]
        assert list(zip(stops_P, reached_P, strict=True)) == expected
        assert 0 < reached_P.mean() < 1


@pytest.mark.parametrize("delta", [0.0, 1.0, -1.0, math.nan])
def test_delta_is_a_chance(delta: float) -> None:
    with pytest.raises(ValueError, match="expected a chance between 0 and 1"):
        mu_for(delta)


def test_drawing_adaptively_gives_the_first_responses_of_drawing_all() -> None:
    engine, task = LlamaEngine(LADDER / "40k"), Arithmetic()
    problems = [blind(problem) for problem in task.problems("test", 12, seed=0)]
    seeds = [response_seeds(0, "responses", problem, 24) for problem in problems]
    sampling = Sampling(1.0, 1.0, 40)
    all_of_them = draw_responses(engine, task, problems, [], sampling, seeds)
    mu = mu_for(0.1)
    adaptive = draw_adaptively(engine, task, problems, [], sampling, seeds, mu)
    logprobs = [
        [math.nan if s.finish == "length" else s.logprob for s in row]
        for row in all_of_them.samples
    ]
    counts = [by_hand(row, mu)[0] for row in logprobs]
    assert [[s.token_ids for s in row] for row in adaptive.samples] == [
        [s.token_ids for s in row[:count]]
        for row, count in zip(all_of_them.samples, counts, strict=True)
    ]
    assert min(counts) < 24 and adaptive.usage.generated_tokens < all_of_them.usage.generated_tokens
