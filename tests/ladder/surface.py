"""A test of the corpus: can a classifier tell right from wrong candidates without reading them?

It is a naive Bayes classifier that sees how often each character occurs in a candidate, and its
length. What it finds is either a trace of how the candidates were made, which would teach a
verifier a short cut, or part of what is to be judged.
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

LEARNED = 4_000
TRIED = 2_000
"""Candidates that the classifier learns from, and others that it is tried on."""

Feature = tuple[str, int]
"""A character and its count, or "length" and the length."""


def surface_auroc(subject: str) -> float:
    """Return the classifier's AUROC on fresh candidates of a task; 0.5 is chance.

    ``subject`` is a task of CORPUS_TASKS. The candidates, and so the result, are always the same.
    """
    rng = random.Random(derive("leakage", subject))
    examples = [_example(subject, rng) for _ in range(LEARNED + TRIED)]
    learned = examples[:LEARNED]
    tried = examples[LEARNED:]
    # Naive Bayes: count the features among right and among wrong candidates.
    totals: Counter[bool] = Counter()
    counts = {True: Counter[Feature](), False: Counter[Feature]()}
    for features, is_right in learned:
        totals[is_right] += 1
        counts[is_right].update(features)

    def evidence(feature: Feature) -> float:
        """Return the log-likelihood ratio, smoothed so that unseen features count little."""
        among_right = (counts[True][feature] + 0.5) / (totals[True] + 1)
        among_wrong = (counts[False][feature] + 0.5) / (totals[False] + 1)
        return log(among_right / among_wrong)

    # Features are taken as independent, so their log-likelihood ratios add up.
    scores = []
    rights = []
    for features, is_right in tried:
        scores.append(sum(map(evidence, features)))
        rights.append(float(is_right))
    # All candidates as the responses to one problem: (1, N).
    score_1N = np.array([scores])
    right_1N = np.array([rights])
    mask_1N = np.ones((1, TRIED), bool)
    return auroc_within(score_1N, right_1N, mask_1N).value


def _example(subject: str, rng: random.Random) -> tuple[list[Feature], bool]:
    """Return the features of a fresh candidate, and whether it is right."""
    task = rng.choice(CORPUS_TASKS[subject])
    problem = training_problem(task, rng)
    is_hard = rng.random() < 0.5
    text = candidate(problem, rng, is_hard)
    features = [*Counter(text).items(), ("length", len(text))]
    return features, task.check(problem, text).correct
