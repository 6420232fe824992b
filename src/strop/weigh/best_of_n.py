"""Best-of-n: how likely is a response to be the one chosen?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strop.weigh.base import Floats, Mask, Weight


@dataclass(frozen=True)
class BestOfN(Weight):
    """The probability of being chosen as the best of a random n-subset of a problem's K responses; ties share it.

    So kept accuracy under this weight is the expected accuracy of best-of-n, and no subset is ever drawn. For pointwise scores only.
    ``n`` None is best-of-K: each problem's own best. A response without a score is never chosen.
    """

    n: int | None = None

    name: ClassVar[str] = "best-of"
    rank_based: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.n is not None and (self.n % 1 != 0 or self.n < 1):
            raise ValueError(f"best-of:{self.n:g} is out of range; expected a whole number of responses, 1 or more, or best-of:K")

    @property
    def spec(self) -> str:
        return "best-of:K" if self.n is None else f"best-of:{self.n:g}"

    def at(self, count: int) -> tuple[tuple[float, Weight], ...]:
        return ((1.0, self),) if self.n is not None and self.n <= count else ()

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        count_P = mask_PK.sum(axis=1)
        if self.n is not None and len(count_P) and count_P.min() < self.n:
            raise ValueError(f"{self.spec} was asked for, but a problem has {count_P.min()} responses; expected best-of:K or a smaller n")
        better_PK, tied_PK = _ranks(np.where(mask_PK, score_PK, -np.inf))
        n_P1 = (count_P if self.n is None else np.full(len(count_P), int(self.n)))[:, None]
        none_better_PK = _chance_to_miss(count_P[:, None], better_PK, n_P1)
        none_as_good_PK = _chance_to_miss(count_P[:, None], np.minimum(better_PK + tied_PK, count_P[:, None]), n_P1)
        weight_PK: Floats = (none_better_PK - none_as_good_PK) / tied_PK
        return np.where(np.isfinite(score_PK), np.maximum(weight_PK, 0), 0.0)


def _ranks(score_PK: Floats) -> tuple[Floats, Floats]:
    """How many responses score strictly better than each, and how many score the same, itself among them."""
    order_PK = np.argsort(-score_PK, axis=1)
    sorted_PK = np.take_along_axis(score_PK, order_PK, axis=1)
    place_K = np.arange(score_PK.shape[1])
    is_first_PK = np.ones(score_PK.shape, bool)
    is_first_PK[:, 1:] = sorted_PK[:, 1:] != sorted_PK[:, :-1]
    first_PK = np.maximum.accumulate(np.where(is_first_PK, place_K, 0), axis=1)
    is_last_PK = np.roll(is_first_PK, -1, axis=1)
    is_last_PK[:, -1:] = True
    last_PK = np.minimum.accumulate(np.where(is_last_PK, place_K, score_PK.shape[1])[:, ::-1], axis=1)[:, ::-1]
    better_PK, tied_PK = np.empty_like(score_PK), np.empty_like(score_PK)
    np.put_along_axis(better_PK, order_PK, first_PK.astype(float), axis=1)
    np.put_along_axis(tied_PK, order_PK, (last_PK - first_PK + 1).astype(float), axis=1)
    return better_PK, tied_PK


def _chance_to_miss(count_P1: np.ndarray, marked_PK: Floats, n_P1: np.ndarray) -> Floats:
    """C(count - marked, n) / C(count, n): that a random n-subset holds none of the marked responses."""
    top = int(count_P1.max(initial=0))
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, top + 1)))])
    rest_PK = (count_P1 - np.minimum(marked_PK, count_P1)).astype(int)
    possible_PK = rest_PK >= n_P1
    free_PK = np.where(possible_PK, rest_PK - n_P1, 0)
    logarithm_PK = log_factorial[rest_PK] - log_factorial[free_PK] - log_factorial[count_P1] + log_factorial[count_P1 - n_P1]
    return np.where(possible_PK, np.exp(logarithm_PK), 0.0)
