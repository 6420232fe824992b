"""Can right and wrong candidates of the verification documents be told apart without reading them?

A naive Bayes classifier that sees how often each character occurs in a candidate, and its length. What it finds is either a trace of how
the candidates were made, which would teach a verifier a short cut, or part of what is to be judged.
"""

from __future__ import annotations

import random
from collections import Counter
from math import log

import numpy as np

from strop.ladder.candidates import candidate
from strop.ladder.corpus import CORPUS_TASKS, training_problem
from strop.measure.rates import auroc_within
from strop.seeds import derive

LEARNED, TRIED = 4_000, 2_000


def surface_auroc(subject: str) -> float:
    """AUROC of the classifier on fresh candidates of a task; 0.5 is chance."""
    rng = random.Random(derive("leakage", subject))
    examples = [_example(subject, rng) for _ in range(LEARNED + TRIED)]
    counts = {right: Counter[tuple[str, int]]() for right in (True, False)}
    totals = Counter(right for _, right in examples[:LEARNED])
    for features, right in examples[:LEARNED]:
        counts[right].update(features)

    def evidence(feature: tuple[str, int]) -> float:
        held, missed = (
            (counts[right][feature] + 0.5) / (totals[right] + 1) for right in (True, False)
        )
        return log(held / missed)

    score_N = np.array([sum(map(evidence, features)) for features, _ in examples[LEARNED:]])
    right_N = np.array([float(right) for _, right in examples[LEARNED:]])
    return auroc_within(score_N[None], right_N[None], np.ones((1, TRIED), bool)).value


def _example(subject: str, rng: random.Random) -> tuple[list[tuple[str, int]], bool]:
    """A candidate's characters with their counts, and its length; is it right?"""
    task = rng.choice(CORPUS_TASKS[subject])
    problem = training_problem(task, rng)
    text = candidate(problem, rng, hard=rng.random() < 0.5)
    return [*Counter(text).items(), ("length", len(text))], task.check(problem, text).correct
