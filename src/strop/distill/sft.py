"""Supervised fine-tuning on weighted or filtered responses: rejection sampling ("Mind the Gap", Alg. 1), SFT-Sharpening ("The Sharpening
Mechanism", section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.distill.base import Row, Trainer, Weighted


@dataclass(frozen=True, kw_only=True)
class Sft(Trainer):
    """Maximise the weighted log-likelihood of the responses, through TRL's SFTTrainer.

    The loss is the weighted mean of -log pi(y|x), over the weighted mean length of all rows' responses: a number per token, like TRL's own,
    but with the same divisor in every batch. TRL divides by the tokens of the batch, which favours responses that meet short ones.

    ``base_kl`` adds, with the same weights, so many times the divergence KL(base || pi) of the next-token distributions, summed over the
    response's tokens: it holds on to what the base model might have written in their place. It reads the base model in every step.
    """

    name: ClassVar[str] = "sft"
    row: ClassVar[type[Row]] = Weighted

    base_kl: float = 0.0

    @property
    def needs_reference(self) -> bool:
        return self.base_kl > 0

    def numbers(self, rows: Sequence[Weighted]) -> list[float]:
        """The weights, divided so that the mean of weight x -log pi(y|x) over all rows is a number per token."""
        divisor = sum(row.weight * len(row.token_ids) for row in rows) / len(rows)
        return [row.weight / divisor for row in rows]

    def loop(self, parts: Any) -> Any:
        from strop.distill.hf_trainers import sft_loop

        return sft_loop(parts, self.base_kl)
