"""Order statistics for weights and estimators: ranks with ties, and the chances of random subsets.

NumPy only. Axes: P problems, K responses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def chances_to_be_best(score_PK: Floats, count_P1: np.ndarray, n: np.ndarray | int) -> Floats:
    """Return the probability (P, K) that a response is the best of a random n-subset.

    ``score_PK`` holds the scores, -inf where a response does not exist; ``count_P1`` is the number
    of responses of each problem, and ``n`` the size of the subset, one for all or one a problem.
    Responses of equal score share the probability.
    """
    better_PK, tied_PK = competitors(score_PK)
    # The best of the subset is in a response's tie group if the subset misses all that are
    # better, but does not miss the tie group too.
    misses_better_PK = chance_to_miss(count_P1, n, better_PK)
    misses_tied_too_PK = chance_to_miss(count_P1, n, better_PK + tied_PK)
    group_chance_PK = misses_better_PK - misses_tied_too_PK
    chance_PK = group_chance_PK / tied_PK
    # Rounding can leave a difference of two equal chances a hair below 0.
    return np.asarray(np.maximum(chance_PK, 0))


def competitors(score_PK: Floats) -> tuple[Floats, Floats]:
    """Return, for each response, how many of its problem score higher and how many score the same.

    The second number counts the response itself.
    """
    count = score_PK.shape[1]
    order_PK = np.argsort(-score_PK, axis=1)
    sorted_PK = np.take_along_axis(score_PK, order_PK, axis=1)
    position_K = np.arange(count)

    # In sorted order a tie group is a run of equal scores. Each position learns where its run
    # starts (a running maximum from the left) and where it ends (a running minimum from the right).
    is_first_PK = np.ones(score_PK.shape, bool)
    is_first_PK[:, 1:] = sorted_PK[:, 1:] != sorted_PK[:, :-1]
    starts_PK = np.where(is_first_PK, position_K, 0)
    first_PK = np.maximum.accumulate(starts_PK, axis=1)
    # A position ends its run if the next one starts another.
    is_last_PK = np.roll(is_first_PK, -1, axis=1)
    is_last_PK[:, -1:] = True
    ends_PK = np.where(is_last_PK, position_K, count)
    last_PK = np.minimum.accumulate(ends_PK[:, ::-1], axis=1)[:, ::-1]
    # As many are better as stand before the run; the run itself is tied.
    run_length_PK = last_PK - first_PK + 1

    # Back from the sorted order to that of the responses.
    better_PK = np.empty_like(score_PK)
    tied_PK = np.empty_like(score_PK)
    np.put_along_axis(better_PK, order_PK, first_PK.astype(float), axis=1)
    np.put_along_axis(tied_PK, order_PK, run_length_PK.astype(float), axis=1)
    return better_PK, tied_PK


def chance_to_miss(count_P1: np.ndarray, n_P1: np.ndarray | int, marked_PK: Floats) -> Floats:
    """Return C(count - marked, n) / C(count, n): the chance that an n-subset has no marked one.

    It is 0 where fewer than n responses are unmarked. The result has the shape (P, K) of
    ``marked_PK``, the numbers of marked responses.
    """
    # Logarithms of factorials: the binomials themselves leave a double's range at K of a thousand.
    largest = int(count_P1.max(initial=0))
    log_number = np.log(np.arange(1, largest + 1))
    log_factorial = np.concatenate([[0.0], np.cumsum(log_number)])
    marked_PK = np.minimum(marked_PK, count_P1)
    rest_PK = (count_P1 - marked_PK).astype(int)
    possible_PK = rest_PK >= n_P1
    # Impossible entries read the factorial of 0, and are set to 0 at the end.
    free_PK = np.where(possible_PK, rest_PK - n_P1, 0)
    # C(rest, n) / C(count, n) = rest! (count - n)! / ((rest - n)! count!): n! cancels.
    logarithm_PK = (
        log_factorial[rest_PK]
        - log_factorial[free_PK]
        - log_factorial[count_P1]
        + log_factorial[count_P1 - n_P1]
    )
    return np.where(possible_PK, np.exp(logarithm_PK), 0.0)


def whole_parts(number: float) -> tuple[tuple[float, int], ...]:
    """Return a number as a mixture of whole numbers, pairs of (share, whole number).

    9.6 is 0.4 of 9 and 0.6 of 10; a whole number is one pair of share 1.
    """
    # 0.3 * 10 is a hair below 3; the tolerance keeps it a whole number.
    fewer = int(number + 1e-9)
    more = fewer + 1
    if abs(number - fewer) < 1e-9:
        return ((1.0, fewer),)
    return ((more - number, fewer), (number - fewer, more))
