"""Reasoning Preference Optimization: the reinforcement-learning variant of "Mind the Gap" (section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.distill.base import Preference, Row, Trainer


@dataclass(frozen=True, kw_only=True)
class Rpo(Trainer):
    """DPO on pairs of kept and rejected responses, and ``alpha`` times the likelihood of the kept ones, through TRL's DPOTrainer.

    The likelihood is per token of the kept responses that one forward pass holds: so, unlike with the other trainers,
    ``gradient_accumulation`` and processes change the result a little where responses differ in length.
    """

    name: ClassVar[str] = "rpo"
    row: ClassVar[type[Row]] = Preference
    needs_base: ClassVar[bool] = True

    beta: float = 0.1
    alpha: float = 1.0

    def numbers(self, rows: Sequence[Preference]) -> list[float]:
        return [0.0] * len(rows)

    def loop(self, parts: Any) -> Any:
        from strop.distill.hf_trainers import preference_loop

        return preference_loop(parts, self.beta, self.alpha)
