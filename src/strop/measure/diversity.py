"""How different are a problem's responses? Distinct answers, answer entropy, distinct n-grams, self-similarity; each a mean over problems.

All of them depend on the number of responses, and the n-gram ones on their length: compare at equal K only. pass@k is the papers'
"effective diversity" (``measure.pass_at_k``). What a problem is too small for is left out and counted by the ratio, never 0.

Axes: P problems, K responses, A answers of a problem, G n-grams.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from strop.measure.gap import SHARE, Mask
from strop.measure.intervals import Floats, Ratio
from strop.measure.majority import Integers, group_answers

Texts = Sequence[Sequence[Sequence[Hashable]]]
"""Problems of responses of tokens: token ids, or words."""


def distinct_answers(answer_PK: Integers, mask_PK: Mask) -> Ratio:
    """Number of different answers to a problem, among those that could be parsed (codes as in ``group_answers``)."""
    distinct_P = (_answer_counts(answer_PK, mask_PK) > 0).sum(axis=1).astype(float)
    definition = "mean over problems with a parsed answer of the number of distinct parsed answers; compare at equal K only"
    bounds = (1.0, float(mask_PK.shape[1]))
    return _mean(distinct_P, distinct_P > 0, definition, "no answer could be parsed", bounds)


def distinct_answer_share(answer_PK: Integers, mask_PK: Mask) -> Ratio:
    """Number of different parsed answers over the number K of responses: 1 if all differ."""
    distinct_P = (_answer_counts(answer_PK, mask_PK) > 0).sum(axis=1)
    definition = "mean over problems with a parsed answer of (distinct parsed answers) / (responses); compare at equal K only"
    return _mean(
        distinct_P / np.maximum(mask_PK.sum(axis=1), 1),
        distinct_P > 0,
        definition,
        "no answer could be parsed",
    )


def answer_entropy(answer_PK: Integers, mask_PK: Mask, miller_madow: bool = False) -> Ratio:
    """Entropy of the parsed answers to a problem in nats: plug-in (too low), or with Miller and Madow's (A - 1) / (2 V) added (A answers
    seen among V parsed). One answer says nothing of a distribution: problems with fewer than two parsed are left out."""
    count_PA = _answer_counts(answer_PK, mask_PK)
    votes_P = count_PA.sum(axis=1)
    share_PA = count_PA / np.maximum(votes_P, 1)[:, None]
    entropy_P = (share_PA * np.log(1 / np.where(count_PA > 0, share_PA, 1.0))).sum(axis=1)
    if miller_madow:
        entropy_P = entropy_P + ((count_PA > 0).sum(axis=1) - 1) / (2 * np.maximum(votes_P, 1))
    kind = "Miller-Madow corrected" if miller_madow else "plug-in"
    definition = f"mean over problems with two parsed answers or more of the {kind} entropy of their parsed answers (nats); compare at equal K only"
    bounds = (0.0, float(np.log(mask_PK.shape[1])) + miller_madow / 2)
    return _mean(entropy_P, votes_P >= 2, definition, "no problem has two parsed answers", bounds)


def distinct_ngrams(texts: Texts, n: int) -> Ratio:
    """Distinct-n: share of different n-grams among all n-grams of a problem's responses; it falls with their number and length."""
    counts = [
        (len(seen), sum(map(len, numbered)))
        for numbered, seen in (_number_ngrams(responses, n) for responses in texts)
    ]
    distinct_P, total_P = np.array(counts, float).reshape(-1, 2).T
    definition = f"mean over problems of (distinct {n}-grams) / (all {n}-grams) of their responses; compare at equal K and length only"
    return _mean(
        distinct_P / np.maximum(total_P, 1), total_P > 0, definition, f"no response has {n} tokens"
    )


def self_similarity(texts: Texts, n: int = 2) -> Ratio:
    """Mean over all pairs of a problem's responses of the Jaccard similarity of their sets of n-grams: 1 if all are the same.

    A response of fewer than n tokens has no n-gram and is in no pair; a problem without a pair is left out.
    """
    similarity_P = np.array(
        [_mean_jaccard(_number_ngrams(responses, n)[0]) for responses in texts], float
    )
    paired_P = np.isfinite(similarity_P)
    definition = f"mean over problems of the mean Jaccard similarity of the {n}-gram sets of all pairs of responses of at least {n} tokens"
    return _mean(
        np.where(paired_P, similarity_P, 0.0),
        paired_P,
        definition,
        f"no problem has two responses of at least {n} tokens",
    )


def _mean(
    value_P: Floats, counted_P: Mask, definition: str, why: str, bounds: tuple[float, float] = SHARE
) -> Ratio:
    return Ratio(
        np.where(counted_P, value_P, 0.0), counted_P.astype(float), definition, why, bounds
    )


def _answer_counts(answer_PK: Integers, mask_PK: Mask) -> Integers:
    return group_answers(answer_PK, mask_PK)[1]


def _number_ngrams(
    responses: Sequence[Sequence[Hashable]], n: int
) -> tuple[list[list[int]], dict[tuple[Hashable, ...], int]]:
    """Each response's n-grams as numbers, in order, and the number of each n-gram."""
    seen: dict[tuple[Hashable, ...], int] = {}
    numbered = [
        [
            seen.setdefault(gram, len(seen))
            for gram in zip(*(response[i:] for i in range(n)), strict=False)
        ]
        for response in responses
    ]
    return numbered, seen


def _mean_jaccard(numbered: list[list[int]]) -> float:
    """Over pairs of the responses that have n-grams; NaN without a pair."""
    sets = [np.unique(grams) for grams in numbered if grams]
    if len(sets) < 2:
        return np.nan
    size_K = np.array([len(grams) for grams in sets])
    gram = np.concatenate(sets)
    shared = np.unique(gram, return_counts=True)
    in_two = shared[0][shared[1] > 1]  # an n-gram of one response alone is in no intersection
    has_KG = np.zeros((len(sets), int(gram.max()) + 1), np.float32)
    has_KG[np.repeat(np.arange(len(sets)), size_K), gram] = 1
    has_KG = has_KG[:, in_two]
    both_KK = has_KG @ has_KG.T
    first, second = np.triu_indices(len(sets), k=1)
    intersection = both_KK[first, second].astype(float)
    return float((intersection / (size_K[first] + size_K[second] - intersection)).mean())
