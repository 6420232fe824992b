"""Reward-based DPO ("The Sharpening Mechanism", Eq. 4 and 8): RLHF-Sharpening, offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from strop.distill.base import Trainer
from strop.distill.rows import Comparison, Row
from strop.distill.settings import at_least


@dataclass(frozen=True, kw_only=True)
class RewardDpo(Trainer):
    """Regress the difference of two base responses' rewards on the log-ratios to the base model.

    ``beta``: the price of KL(pi || base). With the log-probability as the reward, the optimum is
    base^(1 + 1/beta), normalised.
    """

    name: ClassVar[str] = "reward-dpo"
    row: ClassVar[type[Row]] = Comparison
    needs_base: ClassVar[bool] = True

    beta: float = at_least(0, default=1.0)

    def numbers(self, rows: Sequence[Comparison]) -> list[float]:
        return [row.difference for row in rows]

    def loop(self, parts: Any) -> Any:
        from strop.distill.hf_trainers import comparison_loop
        from strop.distill.losses import reward_difference

        return comparison_loop(parts, partial(reward_difference, beta=self.beta))
