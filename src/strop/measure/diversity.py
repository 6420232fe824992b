"""Diversity of a problem's responses: distinct answers, answer entropy, n-grams, self-similarity.

Each is a mean over problems. All of them depend on the number of responses, and those of n-grams
also on their length: compare at equal K only. pass@k is the papers' "effective diversity"
(``measure.pass_at_k``). A problem that is too small for a quantity is left out and counted by the
ratio, never 0.

Axes: P problems, K responses, A answers of a problem, G n-grams.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from strop.measure.gap import SHARE, Mask
from strop.measure.intervals import Floats, Ratio
from strop.measure.majority import Integers, group_answers

Texts = Sequence[Sequence[Sequence[Hashable]]]
"""Problems, each of responses, each of tokens: token ids, or words."""
NO_ANSWER = "no answer could be parsed"


def distinct_answers(answer_PK: Integers, mask_PK: Mask) -> Ratio:
    """Number of different parsed answers to a problem, mean over problems that have one.

    ``answer_PK`` holds an integer code per answer, -1 for a response without one, as in
    ``group_answers``.
    """
    _, count_PA = group_answers(answer_PK, mask_PK)
    distinct_P = (count_PA > 0).sum(axis=1).astype(float)
    definition = (
        "mean over problems with a parsed answer of the number of distinct parsed answers; "
        "compare at equal K only"
    )
    bounds = (1.0, float(mask_PK.shape[1]))
    return _mean(distinct_P, distinct_P > 0, definition, NO_ANSWER, bounds)


def distinct_answer_share(answer_PK: Integers, mask_PK: Mask) -> Ratio:
    """Number of different parsed answers over the number K of responses: 1 if all differ.

    K counts responses without a parsed answer too; codes are as in ``group_answers``.
    """
    _, count_PA = group_answers(answer_PK, mask_PK)
    distinct_P = (count_PA > 0).sum(axis=1)
    responses_P = mask_PK.sum(axis=1)
    share_P = distinct_P / np.maximum(responses_P, 1)
    definition = (
        "mean over problems with a parsed answer of (distinct parsed answers) / (responses); "
        "compare at equal K only"
    )
    return _mean(share_P, distinct_P > 0, definition, NO_ANSWER)


def answer_entropy(answer_PK: Integers, mask_PK: Mask, miller_madow: bool = False) -> Ratio:
    """Entropy of the parsed answers to a problem in nats.

    The plug-in estimate, which is too low, or with Miller and Madow's correction (A - 1) / (2 V)
    for A different answers among V parsed ones. One answer says nothing of a distribution: problems
    with fewer than two parsed answers are left out.
    """
    _, count_PA = group_answers(answer_PK, mask_PK)
    votes_P = count_PA.sum(axis=1)
    # Problems without a vote are left out below; dividing by 1 avoids 0 / 0.
    divisor_P = np.maximum(votes_P, 1)
    share_PA = count_PA / divisor_P[:, None]
    # H = sum p log(1 / p). 0 log 0 = 0: an answer without a response takes log 1.
    positive_PA = np.where(count_PA > 0, share_PA, 1.0)
    log_PA = np.log(1 / positive_PA)
    entropy_P = (share_PA * log_PA).sum(axis=1)
    method = "plug-in"
    if miller_madow:
        method = "Miller-Madow corrected"
        different_P = (count_PA > 0).sum(axis=1)
        entropy_P = entropy_P + (different_P - 1) / (2 * divisor_P)
    # The entropy of K different answers; the correction adds less than 1/2, since A <= V.
    largest = float(np.log(mask_PK.shape[1])) + miller_madow / 2
    definition = (
        f"mean over problems with two parsed answers or more of the {method} entropy of their "
        "parsed answers (nats); compare at equal K only"
    )
    why = "no problem has two parsed answers"
    return _mean(entropy_P, votes_P >= 2, definition, why, (0.0, largest))


def distinct_ngrams(texts: Texts, n: int) -> Ratio:
    """Distinct-n: share of different n-grams among all n-grams of a problem's responses.

    It falls with their number and length. ``texts`` holds the tokens of each response; a problem
    whose responses all have fewer than n tokens is left out.
    """
    distinct_P = np.zeros(len(texts))
    total_P = np.zeros(len(texts))
    for problem, responses in enumerate(texts):
        numbered, distinct_P[problem] = _number_ngrams(responses, n)
        total_P[problem] = sum(map(len, numbered))
    definition = (
        f"mean over problems of (distinct {n}-grams) / (all {n}-grams) of their responses; "
        "compare at equal K and length only"
    )
    share_P = distinct_P / np.maximum(total_P, 1)
    return _mean(share_P, total_P > 0, definition, f"no response has {n} tokens")


def self_similarity(texts: Texts, n: int = 2) -> Ratio:
    """Mean over all pairs of a problem's responses of the Jaccard similarity of their n-gram sets.

    It is 1 if all are the same. A response of fewer than n tokens has no n-gram and is in no pair;
    a problem without a pair is left out.
    """
    similarity_P = np.full(len(texts), np.nan)
    for problem, responses in enumerate(texts):
        numbered, _ = _number_ngrams(responses, n)
        similarity_P[problem] = _mean_jaccard(numbered)
    paired_P = np.isfinite(similarity_P)
    definition = (
        f"mean over problems of the mean Jaccard similarity of the {n}-gram sets of all pairs of "
        f"responses of at least {n} tokens"
    )
    why = f"no problem has two responses of at least {n} tokens"
    return _mean(similarity_P, paired_P, definition, why)


def _mean(
    value_P: Floats, counted_P: Mask, definition: str, why: str, bounds: tuple[float, float] = SHARE
) -> Ratio:
    """Mean over the counted problems."""
    known_P = np.where(counted_P, value_P, 0.0)
    return Ratio(known_P, counted_P.astype(float), definition, why, bounds)


def _number_ngrams(responses: Sequence[Sequence[Hashable]], n: int) -> tuple[list[list[int]], int]:
    """Return each response's n-grams in order, as numbers, and the number of different ones."""
    number_of: dict[tuple[Hashable, ...], int] = {}
    numbered = []
    for response in responses:
        grams = []
        for gram in _ngrams(response, n):
            # A gram that was not seen before gets the next number.
            grams.append(number_of.setdefault(gram, len(number_of)))
        numbered.append(grams)
    return numbered, len(number_of)


def _ngrams(response: Sequence[Hashable], n: int) -> Iterator[tuple[Hashable, ...]]:
    # zip stops with the shortest, so the last n-gram is the last whole one.
    shifted = [response[start:] for start in range(n)]
    return zip(*shifted, strict=False)


def _mean_jaccard(numbered: list[list[int]]) -> float:
    """Return the mean over pairs of the responses that have n-grams; NaN without a pair."""
    sets = [np.unique(grams) for grams in numbered if grams]
    if len(sets) < 2:
        return np.nan
    size_K = np.array([len(grams) for grams in sets])
    # One entry for each membership: the response, and the number of its n-gram.
    response = np.repeat(np.arange(len(sets)), size_K)
    gram = np.concatenate(sets)
    # An n-gram of one response alone is in no intersection: without its column the product of
    # the membership matrix with itself is much smaller.
    distinct_G, responses_G = np.unique(gram, return_counts=True)
    shared_G = distinct_G[responses_G > 1]
    has_KG = np.zeros((len(sets), int(gram.max()) + 1), np.float32)
    has_KG[response, gram] = 1
    has_KG = has_KG[:, shared_G]
    # Entry [i, j] counts the n-grams of both i and j; float32 is exact for such counts.
    both_KK = has_KG @ has_KG.T
    first, second = np.triu_indices(len(sets), k=1)
    intersection = both_KK[first, second].astype(float)
    union = size_K[first] + size_K[second] - intersection
    similarity = intersection / union
    return float(similarity.mean())
