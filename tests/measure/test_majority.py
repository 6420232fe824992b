"""The vote in closed form against the vote in every subset."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from strop.measure import majority
from strop.measure.gap import accuracy_P
from strop.measure.intervals import estimate
from strop.measure.majority import group_answers, majority_curve, majority_curve_PN

SHAPE = (3, 7)
answers = arrays(np.int64, SHAPE, elements=st.sampled_from([-1, 0, 1, 2, 5, 10**12]))
utilities = arrays(np.float64, SHAPE, elements=st.sampled_from([0.0, 0.25, 1.0]))
masks = arrays(np.bool_, SHAPE).map(lambda mask: mask | (np.arange(SHAPE[1]) == 0))


def by_subsets(answer: list[int], utility: np.ndarray, n: int) -> float:
    """Mean over the n-subsets with a vote of the mean worth of the most frequent answers."""
    worth = {
        a: np.mean([u for b, u in zip(answer, utility, strict=True) if b == a])
        for a in answer
        if a >= 0
    }
    if not worth:
        return float(np.mean(utility))
    results = []
    for subset in combinations(answer, n):
        votes = Counter(a for a in subset if a >= 0)
        if votes:
            results.append(
                np.mean([worth[a] for a, count in votes.items() if count == max(votes.values())])
            )
    return float(np.mean(results))


@given(answer_PK=answers, utility_PK=utilities, mask_PK=masks)
def test_curve_is_the_vote_in_every_subset(
    answer_PK: np.ndarray, utility_PK: np.ndarray, mask_PK: np.ndarray
) -> None:
    curve_PN = majority_curve_PN(answer_PK, utility_PK, mask_PK)
    assert curve_PN.shape == (SHAPE[0], mask_PK.sum(axis=1).min())
    for n, ratio in enumerate(majority_curve(answer_PK, utility_PK, mask_PK), start=1):
        rows = zip(answer_PK, utility_PK, mask_PK, strict=True)
        expected_P = [
            by_subsets(answer[mask].tolist(), utility[mask], n) for answer, utility, mask in rows
        ]
        np.testing.assert_allclose(curve_PN[:, n - 1], expected_P, atol=1e-12)
        assert estimate(ratio, np.ones((1, 3))).value == pytest.approx(
            np.mean(expected_P), abs=1e-12
        )


@given(data=st.data(), width=st.integers(8, 11))
def test_many_answers_and_no_voters_in_one_problem(data: st.DataObject, width: int) -> None:
    answer = data.draw(
        arrays(np.int64, (1, width), elements=st.integers(-1, data.draw(st.integers(0, width))))
    )
    utility = (answer % 2).astype(float)
    curve = majority_curve_PN(answer, utility, np.ones((1, width), bool))[0]
    np.testing.assert_allclose(
        curve,
        [by_subsets(answer[0].tolist(), utility[0], n) for n in range(1, width + 1)],
        atol=1e-12,
    )


@given(answer_PK=answers, utility_PK=utilities, mask_PK=masks, seed=st.integers(0, 99))
def test_order_names_and_blocks_are_irrelevant(
    answer_PK: np.ndarray, utility_PK: np.ndarray, mask_PK: np.ndarray, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    problems, columns, names = rng.permutation(3), rng.permutation(7), rng.permutation(11)
    renamed_PK = np.where(answer_PK >= 0, names[np.minimum(answer_PK, 10)], -3)
    curve_PN = majority_curve_PN(answer_PK, utility_PK, mask_PK)
    moved = [array[problems][:, columns] for array in (renamed_PK, utility_PK, mask_PK)]
    np.testing.assert_allclose(
        majority_curve_PN(moved[0], moved[1], moved[2]), curve_PN[problems], atol=1e-12
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(majority, "BLOCK_CELLS", 1)
        np.testing.assert_allclose(
            majority_curve_PN(answer_PK, utility_PK, mask_PK), curve_PN, atol=1e-12
        )


def test_prefixes_of_random_permutations_agree() -> None:
    """A prefix of a random permutation is a random N-subset, for a K with too many subsets."""
    rng, draws = np.random.default_rng(7), 4_000
    answer = np.repeat([0, 1, 2, 3, -1], [9, 8, 4, 2, 5])
    worth = np.array([0.0, 1, 0, 1])
    permuted_RK = rng.permuted(np.tile(answer, (draws, 1)), axis=1)
    votes_RKA = (permuted_RK[:, :, None] == np.arange(4)).cumsum(axis=1)
    won_RKA = (votes_RKA == votes_RKA.max(axis=2, keepdims=True)) & (
        votes_RKA.max(axis=2, keepdims=True) > 0
    )
    with np.errstate(invalid="ignore"):
        result_RK = (won_RKA @ worth) / won_RKA.sum(axis=2)
    curve = majority_curve_PN(
        answer[None],
        np.where(answer >= 0, worth[answer], 0.0)[None],
        np.ones((1, len(answer)), bool),
    )[0]
    error_K = np.nanstd(result_RK, axis=0) / np.sqrt(draws)
    assert (np.abs(np.nanmean(result_RK, axis=0) - curve) < 5 * error_K + 1e-12).all()


@pytest.mark.parametrize(
    "sizes", [(1, 1023), (900, 100, 24), (1,) * 1024, (992, 32)], ids=lambda sizes: str(sizes[:3])
)
def test_stable_at_1024(sizes: tuple[int, ...]) -> None:
    """Utility 1 everywhere gives 1 for every N.

    N = 1 is a random voter, N = K the vote of all.
    """
    answer = np.repeat(np.arange(len(sizes)), sizes)[None]
    mask = np.ones(answer.shape, bool)
    np.testing.assert_allclose(
        majority_curve_PN(answer, np.ones(answer.shape), mask), 1, atol=1e-10
    )
    curve = majority_curve_PN(answer, (answer == 0).astype(float), mask)[0]
    top = [size == max(sizes) for size in sizes]
    assert curve[0] == pytest.approx(sizes[0] / 1024, abs=1e-12) and curve[-1] == pytest.approx(
        top[0] / sum(top), abs=1e-12
    )


def test_corners() -> None:
    mask, utility = np.ones((2, 3), bool), np.array([[0.0, 0, 1], [1, 1, 1]])
    unparsed = np.full((2, 3), -1)
    np.testing.assert_allclose(
        majority_curve_PN(unparsed, utility, mask),
        np.repeat(accuracy_P(utility, mask)[:, None], 3, axis=1),
    )
    np.testing.assert_allclose(majority_curve_PN(np.zeros((2, 3), int), utility * 0, mask), 0)
    np.testing.assert_allclose(
        majority_curve_PN(np.array([[4]]), np.array([[1.0]]), mask[:1, :1]), [[1.0]]
    )
    np.testing.assert_allclose(majority_curve_PN(np.tile([0, 1, 2], (2, 1)), utility, mask)[1], 1)
    with pytest.raises(ValueError, match="without any response"):
        majority_curve_PN(unparsed, utility, ~mask)
    with pytest.raises(ValueError, match="at most 1024"):
        majority_curve_PN(np.zeros((1, 1025), int), np.zeros((1, 1025)), np.ones((1, 1025), bool))


@given(answer_PK=answers, mask_PK=masks)
def test_groups_are_ranked_by_size(answer_PK: np.ndarray, mask_PK: np.ndarray) -> None:
    group_PK, count_PA = group_answers(answer_PK, mask_PK)
    for p in range(SHAPE[0]):
        votes = Counter(a for a in answer_PK[p][mask_PK[p]].tolist() if a >= 0)
        assert count_PA[p][count_PA[p] > 0].tolist() == sorted(votes.values(), reverse=True)
        for a, group, present in zip(
            answer_PK[p].tolist(), group_PK[p].tolist(), mask_PK[p], strict=True
        ):
            assert count_PA[p, group] == votes[a] if present and a >= 0 else group == -1
