"""Diversity against plain counting, and what is too small for it."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure.diversity import (
    answer_entropy,
    distinct_answer_share,
    distinct_answers,
    distinct_ngrams,
    self_similarity,
)
from strop.measure.intervals import Ratio, estimate

SHAPE = (4, 6)
answers = arrays(np.int64, SHAPE, elements=st.integers(-1, 4))
masks = arrays(np.bool_, SHAPE).map(lambda mask: mask | (np.arange(SHAPE[1]) == 0))
texts = st.lists(
    st.lists(st.lists(st.integers(0, 3), max_size=7), max_size=5), min_size=1, max_size=4
)


def check(ratio: Ratio, expected_P: list[float | None]) -> None:
    """The ratio is the mean of what is defined; null with a reason if nothing is."""
    defined = [value for value in expected_P if value is not None]
    assert ratio.below_P.tolist() == [float(value is not None) for value in expected_P]
    result = estimate(ratio, np.ones((1, len(expected_P))))
    assert result.value == (pytest.approx(np.mean(defined), abs=1e-6) if defined else None)
    assert defined or result.why


@given(answer_PK=answers, mask_PK=masks)
def test_answers_by_counting(answer_PK: np.ndarray, mask_PK: np.ndarray) -> None:
    votes = [
        [a for a in answer[mask].tolist() if a >= 0]
        for answer, mask in zip(answer_PK, mask_PK, strict=True)
    ]
    check(distinct_answers(answer_PK, mask_PK), [len(set(v)) or None for v in votes])
    counts_P = mask_PK.sum(axis=1).tolist()
    check(
        distinct_answer_share(answer_PK, mask_PK),
        [len(set(v)) / k if v else None for v, k in zip(votes, counts_P, strict=True)],
    )
    entropy = [
        -sum(c / len(v) * log(c / len(v)) for c in Counter(v).values()) if len(v) > 1 else None
        for v in votes
    ]
    check(answer_entropy(answer_PK, mask_PK), entropy)
    corrected = [
        h if h is None else h + (len(set(v)) - 1) / (2 * len(v))
        for h, v in zip(entropy, votes, strict=True)
    ]
    check(answer_entropy(answer_PK, mask_PK, miller_madow=True), corrected)


@given(texts=texts, n=st.integers(1, 4))
def test_ngrams_by_counting(texts: list[list[list[int]]], n: int) -> None:
    grams = [
        [[tuple(r[i : i + n]) for i in range(len(r) - n + 1)] for r in responses]
        for responses in texts
    ]
    everything = [[g for response in problem for g in response] for problem in grams]
    check(distinct_ngrams(texts, n), [len(set(e)) / len(e) if e else None for e in everything])
    pairs = [
        list(combinations([set(response) for response in problem if response], 2))
        for problem in grams
    ]
    check(
        self_similarity(texts, n),
        [float(np.mean([len(a & b) / len(a | b) for a, b in p])) if p else None for p in pairs],
    )


def test_corners() -> None:
    same, words = [[["a", "b", "c"]] * 3], [[["the", "cat", "sat"], ["a", "dog", "ran"]]]
    check(self_similarity(same), [1.0])
    check(self_similarity(words), [0.0])
    check(distinct_ngrams(same, 1), [1 / 3])
    check(distinct_ngrams(words, 4), [None])
    check(self_similarity([[[1, 2, 3]]]), [None])  # one response: no pair, so unknown and not 0
    check(self_similarity([[[1], [1]]], n=2), [None])
    check(self_similarity([[], [[1, 2]] * 2]), [None, 1.0])
    one, mask = np.array([[7]]), np.ones((1, 1), bool)
    check(distinct_answers(one, mask), [1])
    check(answer_entropy(one, mask), [None])
    unparsed = np.full(SHAPE, -1)
    for ratio in (distinct_answers, distinct_answer_share, answer_entropy):
        check(ratio(unparsed, np.ones(SHAPE, bool)), [None] * 4)
    check(answer_entropy(np.zeros(SHAPE, int), np.ones(SHAPE, bool)), [0.0] * 4)


def test_miller_madow_comes_nearer_to_the_truth() -> None:
    """16 draws of 8 equally likely answers.

    The plug-in is too low by about (A - 1) / (2 V); the correction gives most of it back.
    """
    answer_PK = np.random.default_rng(0).integers(8, size=(2_000, 16))
    mask = np.ones(answer_PK.shape, bool)
    plug_in, corrected = (
        estimate(answer_entropy(answer_PK, mask, on), np.ones((1, 2_000))).value
        for on in (False, True)
    )
    assert plug_in is not None and corrected is not None
    assert plug_in < corrected < log(8) and log(8) - corrected < (log(8) - plug_in) / 4
