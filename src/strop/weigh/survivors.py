"""Tournament survivors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from strop.weigh.base import Floats, Mask, Weight


@dataclass(frozen=True)
class Survivors(Weight):
    """Keep the responses left after r rounds of a tournament, whose score is the number of rounds survived; a bye counts.

    With several draws the score is a mean over tournaments, and a response is kept that survives r rounds on average.
    """

    r: int = 2

    name: ClassVar[str] = "survivors"
    rank_based: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.r % 1 != 0 or self.r < 1:
            raise ValueError(
                f"survivors:{self.r:g} is out of range; expected a whole number of rounds, 1 or more"
            )

    @property
    def spec(self) -> str:
        return f"survivors:{self.r:g}"

    def at(self, count: int) -> tuple[tuple[float, Weight], ...]:
        return ()  # half of a problem's responses played another tournament

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        return (score_PK >= self.r).astype(float)
