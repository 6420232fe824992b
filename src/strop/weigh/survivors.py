"""Rejection by the rounds of a tournament."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from strop.weigh.base import Floats, Mask, Weight


@dataclass(frozen=True)
class Survivors(Weight):
    """Keep the responses that survive r rounds of a tournament.

    The score is the number of rounds survived; a bye counts. With several draws the score is a mean
    over tournaments, and a response is kept that survives r rounds on average.
    """

    r: int = 2

    name: ClassVar[str] = "survivors"
    description: ClassVar[str] = "keeps what is left after r rounds of a tournament"
    rank_based: ClassVar[bool] = False
    is_filter: ClassVar[bool] = True
    axis: ClassVar[str | None] = "rounds survived"
    whole_axis: ClassVar[bool] = True
    exclusive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.r % 1 != 0 or self.r < 1:
            raise ValueError(
                f"survivors:{self.r:g} is out of range; "
                "expected a whole number of rounds, 1 or more"
            )

    @classmethod
    def sweep(cls, score_N: Floats) -> list[Weight]:
        """Return every number of rounds that some response survived."""
        most = int(score_N.max(initial=1))
        return [cls(r) for r in range(1, most + 1)]

    def at(self, count: int) -> tuple[tuple[float, Weight], ...]:
        """Return no mixture: half of a problem's responses would have played another tournament."""
        return ()

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        return (score_PK >= self.r).astype(float)
