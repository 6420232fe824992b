"""Majority@N: the vote taken anew in every N-subset of the K responses, in closed form.

Self-consistency ("Sharpening", section 2). The votes for an answer depend on the other responses.
Best-of-N by the vote among all K would use more than N responses: another, better quantity.

Suppose that the winner has t votes; all answers with t votes share the win. For an answer that c of
the K responses give, L(x) = sum over s < t of C(c, s) x^s counts the ways to draw fewer than t of
them, and M(x) = C(c, t) x^t those to draw exactly t. The share 1 / (1 + ties) is the integral of
z^ties over [0, 1], so

    sum over n of x^n C(K, n) E[utility, top count t]
        = integral over z of sum_a u_a M_a prod_{b != a} (L_b + z M_b)

times (1 + x)^rest for the responses that cannot reach t: those of answers with fewer than t
responses, and those without an answer. The integrand is a polynomial in z, so Gauss-Legendre nodes
are exact; all terms are >= 0, so no digits cancel. Polynomials are scaled by 2^-degree to stay in
range.

Axes: P problems, K responses, A answers of a problem (most frequent first), N size of the subset,
Q problems of one block, Z nodes, V votes, G pairs of problem and answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from strop.measure.gap import SHARE, Mask, accuracy_P, check_shapes, mean_over_problems
from strop.measure.intervals import Floats, Ratio
from strop.measure.pass_at_k import miss_chances_PN
from strop.measure.selection import response_counts_P

Integers = NDArray[np.int64]
LARGEST_K = 1_024
BLOCK_CELLS = 200_000
"""Numbers worked on at once: enough to hide NumPy's overhead, few enough for the cache."""
_DEFINITION = (
    "mean over problems of the utility of the majority answer of {} responses, ties shared, "
    "exactly over all subsets of the K sampled"
)


def group_answers(answer_PK: Integers, mask_PK: Mask) -> tuple[Integers, Integers]:
    """Return each response's answer as a number within its problem, and the votes for each (P, A).

    Answer 0 is the most frequent one of the problem; -1 is none. ``answer_PK`` holds any integer
    code per answer, and -1 (or less) for a response whose answer could not be parsed.
    """
    check_shapes(answer_PK, mask_PK)
    votes_PK = mask_PK & (answer_PK >= 0)
    problem_V = np.nonzero(votes_PK)[0]
    # Codes may be any integers: they are replaced by 0, 1, ... first.
    _, code_V = np.unique(answer_PK[votes_PK], return_inverse=True)
    # One number for each pair of problem and answer, so that one call of np.unique counts all.
    codes = len(code_V) + 1
    pair_V = problem_V * codes + code_V
    pair_G, group_V, size_G = np.unique(pair_V, return_inverse=True, return_counts=True)
    problem_G = pair_G // codes
    # Sorted by problem, then by falling size; the rank is the position within the problem.
    order_G = np.lexsort((-size_G, problem_G))
    # ``problem_G`` is in rising order already, so the search gives where each problem begins.
    start_G = np.searchsorted(problem_G, problem_G)
    position_G = np.arange(len(order_G))
    rank_G = np.empty_like(order_G)
    rank_G[order_G] = position_G - start_G

    group_PK = np.full(answer_PK.shape, -1)
    group_PK[votes_PK] = rank_G[group_V]
    most_answers = int(rank_G.max(initial=-1)) + 1
    count_PA = np.zeros((len(answer_PK), most_answers), int)
    count_PA[problem_G, rank_G] = size_G
    return group_PK, count_PA


def majority_curve(answer_PK: Integers, utility_PK: Floats, mask_PK: Mask) -> list[Ratio]:
    """Mean over problems of ``majority_curve_PN``, one ratio for each N = 1, 2, ...

    Arguments and errors are those of ``majority_curve_PN``.
    """
    curve_PN = majority_curve_PN(answer_PK, utility_PK, mask_PK)
    ratios = []
    for n, value_P in enumerate(curve_PN.T, start=1):
        definition = _DEFINITION.format(n)
        ratios.append(mean_over_problems(value_P, definition, SHARE))
    return ratios


def majority_curve_PN(answer_PK: Integers, utility_PK: Floats, mask_PK: Mask) -> Floats:
    """Expected utility of the majority answer of a random N-subset, N = 1 .. smallest K.

    An answer is worth the mean utility of the problem's responses that give it. Responses without
    an answer never vote; the curve is conditional on a subset with a vote. A problem without any
    vote keeps all its responses, so its curve is its accuracy.

    ``answer_PK`` is as in ``group_answers``. Raises ValueError for a problem without a response,
    and for more than ``LARGEST_K`` responses to one.
    """
    check_shapes(answer_PK, utility_PK, mask_PK)
    total_P = response_counts_P(mask_PK)
    if total_P.max() > LARGEST_K:
        raise ValueError(
            f"got {total_P.max()} responses to a problem; expected at most {LARGEST_K}, "
            "beyond which the sums leave a double's range"
        )
    group_PK, count_PA = group_answers(answer_PK, mask_PK)
    utility_PA = _answer_utilities_PA(group_PK, utility_PK, count_PA)
    largest = int(total_P.min())
    binomial_CS = _scaled_binomials(int(total_P.max()))
    # Coefficients of x^0 .. x^largest, summed over the number of votes that wins.
    won_PN = np.zeros((len(total_P), largest + 1))
    most_votes = int(count_PA.max(initial=0))
    # Every number of votes that can win in a subset of at most ``largest`` responses.
    for top in range(1, min(most_votes, largest) + 1):
        for rows, tied in _blocks(count_PA, top):
            count_QA = count_PA[rows]
            # The responses that cannot reach the top contribute the factor (1 + x)^rest, whose
            # coefficients are a row of the table.
            reaching_Q = np.where(count_QA >= top, count_QA, 0).sum(axis=1)
            rest_Q = total_P[rows] - reaching_Q
            rest_QN = binomial_CS[rest_Q, : largest + 1]
            tied_count_QA = count_QA[:, :tied]
            tied_utility_QA = utility_PA[rows, :tied]
            poly_QN = _top_polynomial(tied_count_QA, tied_utility_QA, top, binomial_CS, largest)
            won_PN[rows] += _times(poly_QN, rest_QN, top)
    voters_P = count_PA.sum(axis=1)
    # Conditional on a vote: divided by the probability that the subset holds one. The scale 2^-K
    # of the polynomials cancels, as the table of C(K, n) has it too.
    some_vote_PN = 1 - miss_chances_PN(total_P, voters_P, largest)
    subsets_PN = binomial_CS[total_P, 1 : largest + 1]
    with np.errstate(invalid="ignore"):
        curve_PN = won_PN[:, 1:] / subsets_PN / some_vote_PN
    # 0 / 0 for a problem without a vote: replaced by its accuracy.
    accuracy_P1 = accuracy_P(utility_PK, mask_PK)[:, None]
    return np.where(voters_P[:, None] > 0, curve_PN, accuracy_P1)


def _answer_utilities_PA(group_PK: Integers, utility_PK: Floats, count_PA: Integers) -> Floats:
    """Return the mean utility of the responses that give each answer."""
    votes_PK = group_PK >= 0
    problem_V = np.nonzero(votes_PK)[0]
    # The index of each vote's cell (problem, answer) in the flattened table.
    cell_V = problem_V * count_PA.shape[1] + group_PK[votes_PK]
    total = np.bincount(cell_V, utility_PK[votes_PK], minlength=count_PA.size)
    total_PA = total.reshape(count_PA.shape)
    return np.asarray(total_PA / np.maximum(count_PA, 1))


def _scaled_binomials(largest: int) -> Floats:
    """Return a table with C(c, s) / 2^c at [c, s], by Pascal's rule.

    C(c, s) = C(c - 1, s) + C(c - 1, s - 1). Scaled, every entry is a probability: none overflows.
    """
    table = np.zeros((largest + 1, largest + 1))
    table[0, 0] = 1
    for c in range(1, largest + 1):
        table[c] = table[c - 1] / 2
        table[c, 1:] += table[c - 1, :-1] / 2
    return table


def _blocks(count_PA: Integers, top: int) -> Iterator[tuple[Integers, int]]:
    """Yield the problems with answers that can reach ``top``, in blocks of similar size.

    The problems of a block have about equally many such answers, most first; the second value is
    the most in the block.
    """
    tied_P = (count_PA >= top).sum(axis=1)
    reaches_P = tied_P > 0
    # Similar: the same power of two above. Each block is as wide as its widest problem.
    bit_P = np.ceil(np.log2(np.maximum(tied_P, 1))).astype(int)
    for bit in np.unique(bit_P[reaches_P]):
        rows = np.nonzero(reaches_P & (bit_P == bit))[0]
        falling = np.argsort(-tied_P[rows], kind="stable")
        rows = rows[falling]
        tied = int(tied_P[rows[0]])
        # A problem of the block takes about nodes x degree numbers, and the degree is tied x top.
        nodes = 1
        if top > 1:
            nodes = tied
        step = max(1, BLOCK_CELLS // (tied * top * nodes))
        for start in range(0, len(rows), step):
            yield rows[start : start + step], int(tied_P[rows[start]])


def _top_polynomial(
    count_QA: Integers, utility_QA: Floats, top: int, binomial_CS: Floats, largest: int
) -> Floats:
    """Return the integral above without its rest, for the answers that can reach ``top``.

    The result holds the coefficients of x^0 .. x^min(A top, largest). ``poly`` holds two
    polynomials: the product of L + z M over answers, and the same with one factor's L + z M
    replaced by u M, summed over factors. Answers are multiplied on one by one, by the product rule:

        product <- product (L + z M)        sum <- sum (L + z M) + product u M
    """
    answers = count_QA.shape[1]
    length = min(answers * top, largest) + 1
    if answers == 1:
        # No other answer reaches the top: no ties, and so no integral.
        ways_Q = binomial_CS[count_QA[:, 0], top]
        alone_QN = np.zeros((len(count_QA), length))
        alone_QN[:, top] = ways_Q * utility_QA[:, 0]
        return alone_QN
    node_Z, share_NZ = _nodes(answers, top, length)
    poly_2QZN = np.zeros((2, len(count_QA), len(node_Z), length))
    # The empty product is 1, and the empty sum 0.
    poly_2QZN[0, :, :, 0] = 1
    for a in range(answers):
        # Rows come with most such answers first, so those with an a-th one are the first ones.
        can = int((count_QA[:, a] >= top).sum())
        # C(c, s) for s = 0 .. top: the coefficients of L and, the last one, of M.
        ways_QS = binomial_CS[count_QA[:can, a], : top + 1]
        ways_SQ11 = ways_QS.T[:, :, None, None]
        # After a answers the degree is at most a times top: all higher coefficients are 0.
        before_2QZN = poly_2QZN[:, :can, :, : a * top + 1].copy()
        after_2QZN = poly_2QZN[:, :can]
        after_2QZN[...] = 0
        # Times L: s < top responses of this answer.
        for s in range(min(top, length)):
            width = min(before_2QZN.shape[-1], length - s)
            after_2QZN[..., s : s + width] += before_2QZN[..., :width] * ways_SQ11[s]
        # Times z M: top responses of it; in the second polynomial u M takes the place of one.
        width = min(before_2QZN.shape[-1], length - top)
        reached_2QZN = before_2QZN[..., :width] * ways_SQ11[top]
        after_2QZN[..., top : top + width] += reached_2QZN * node_Z[:, None]
        won_QZN = reached_2QZN[0] * utility_QA[:can, a, None, None]
        after_2QZN[1, ..., top : top + width] += won_QZN
    # The integral over z: the sum over nodes, each with its share.
    won_QZN = poly_2QZN[1]
    return np.asarray(np.einsum("qzn,nz->qn", won_QZN, share_NZ))


def _nodes(answers: int, top: int, length: int) -> tuple[Floats, Floats]:
    """Return the nodes z, and their share (N, Z) of the integral over [0, 1].

    At one vote each, x^n goes with z^(n - 1): one node at z = 1 with share 1 / n is exact.
    """
    if top == 1:
        size_N = np.maximum(np.arange(length), 1)
        return np.ones(1), 1 / size_N[:, None]
    # The integrand has degree answers - 1 in z, and m nodes are exact up to degree 2 m - 1.
    node_Z, share_Z = np.polynomial.legendre.leggauss((answers + 1) // 2)
    # From [-1, 1], where the nodes are given, to [0, 1].
    share_NZ = np.broadcast_to(share_Z / 2, (length, len(share_Z)))
    return (node_Z + 1) / 2, share_NZ


def _times(poly_QL: Floats, rest_QN: Floats, first: int) -> Floats:
    """Multiply two polynomials in x, cut to the length of the second one.

    The first one has no terms below x^first.
    """
    product_QN = np.zeros_like(rest_QN)
    # Columns beyond ``last`` are zeros for every problem of the block.
    last = np.nonzero(rest_QN.any(axis=0))[0][-1] + 1
    for s in range(first, poly_QL.shape[1]):
        width = min(last, rest_QN.shape[1] - s)
        product_QN[:, s : s + width] += poly_QL[:, s, None] * rest_QN[:, :width]
    return product_QN
