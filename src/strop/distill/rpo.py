"""Reasoning Preference Optimization, the reinforcement learning of "Mind the Gap" (section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.distill.base import Trainer
from strop.distill.rows import Preference, Row
from strop.distill.settings import at_least


@dataclass(frozen=True, kw_only=True)
class Rpo(Trainer):
    """DPO on pairs of responses, and ``alpha`` times the likelihood of the kept ones, through TRL.

    The likelihood is per token of the kept responses in one forward pass. So, unlike with the other
    trainers, ``gradient_accumulation`` and the number of processes change the result a little where
    responses differ in length.
    """

    name: ClassVar[str] = "rpo"
    row: ClassVar[type[Row]] = Preference
    needs_base: ClassVar[bool] = True

    beta: float = at_least(0, default=0.1)
    alpha: float = at_least(0, default=1.0)

    def numbers(self, rows: Sequence[Preference]) -> list[float]:
        return [0.0] * len(rows)

    def loop(self, parts: Any) -> Any:
        from strop.distill.hf_trainers import preference_loop

        losses = {"sigmoid": 1.0}
        if self.alpha:
            losses["sft"] = self.alpha
        return preference_loop(parts, self.beta, losses)
