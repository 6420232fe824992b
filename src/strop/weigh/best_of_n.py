"""Best-of-n as a weight: the probability that a response is the one chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strop.order_statistics import chances_to_be_best
from strop.weigh.base import Floats, Mask, Weight


@dataclass(frozen=True)
class BestOfN(Weight):
    """The probability of being the best of a random n-subset of a problem's K responses.

    Ties share it. Kept accuracy under this weight is therefore the expected accuracy of best-of-n,
    and no subset is ever drawn. For pointwise scores only. ``n`` None is best-of-K: each problem's
    best response. A response without a score is never chosen.
    """

    n: int | None = None

    name: ClassVar[str] = "best-of"
    description: ClassVar[str] = "weighs a response by its probability to be the best of n"
    rank_based: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.n is not None and (self.n % 1 != 0 or self.n < 1):
            raise ValueError(
                f"best-of:{self.n:g} is out of range; "
                "expected a whole number of responses, 1 or more, or best-of:K"
            )

    @property
    def spec(self) -> str:
        return "best-of:K" if self.n is None else super().spec

    @classmethod
    def read_parameter(cls, text: str) -> float | int | None:
        return None if text == "K" else super().read_parameter(text)

    @property
    def least_responses(self) -> int:
        return self.n or 1

    def advice(self, count: int) -> str:
        return f"ask for best-of:{count} or less"

    @property
    def pointwise_reason(self) -> str | None:
        # Of scores that depend on all K responses, best-of-n would use what n responses cannot
        # know. Best-of-K looks at all K anyway.
        return f"its best-of:K has a meaning, {self.spec} has none" if self.n else None

    def applies_to(self, count: int) -> bool:
        return self.n is None or self.n <= count

    def at(self, count: int) -> tuple[tuple[float, Weight], ...]:
        # Best-of-K is another rule at every count.
        is_same_rule = self.n is not None and self.n <= count
        return ((1.0, self),) if is_same_rule else ()

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        count_P1 = mask_PK.sum(axis=1, keepdims=True)
        if self.n is not None and (count_P1 < self.n).any():
            raise ValueError(
                f"{self.spec} needs {self.n} responses to every problem, "
                f"but a problem has {count_P1.min()} responses; expected best-of:K or a smaller n"
            )
        present_PK = np.where(mask_PK, score_PK, -np.inf)
        chosen_PK = chances_to_be_best(present_PK, count_P1, self.n or count_P1)
        return np.where(np.isfinite(score_PK), chosen_PK, 0.0)
