"""Supervised fine-tuning on weighted or filtered responses.

This is rejection sampling in "Mind the Gap" (Alg. 1) and SFT-Sharpening in "The Sharpening
Mechanism" (section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.distill.base import Trainer
from strop.distill.rows import Row, Weighted
from strop.distill.settings import at_least


@dataclass(frozen=True, kw_only=True)
class Sft(Trainer):
    """Maximise the weighted log-likelihood of the responses, through TRL's SFTTrainer.

    The loss is the weighted mean of -log pi(y|x), over the weighted mean length of all rows'
    responses: a number per token, like TRL's own, but with the same divisor in every batch. TRL
    divides by the tokens of the batch, which favours responses that share a batch with short ones.

    ``base_kl``: the factor of KL(base || pi), which is added to the loss with the same weights. It
    is the divergence of the next-token distributions, summed over the response's tokens, and keeps
    what the base model might have written instead. It reads the base model in every step.
    """

    name: ClassVar[str] = "sft"
    row: ClassVar[type[Row]] = Weighted

    base_kl: float = at_least(0, default=0.0)

    @property
    def needs_reference(self) -> bool:
        return self.base_kl > 0

    def numbers(self, rows: Sequence[Weighted]) -> list[float]:
        """Return the weights, scaled so that the mean of weight x -log pi(y|x) is per token."""
        divisor = sum(row.weight * len(row.token_ids) for row in rows) / len(rows)
        return [row.weight / divisor for row in rows]

    def loop(self, parts: Any) -> Any:
        from strop.distill.hf_trainers import sft_loop

        return sft_loop(parts, self.base_kl)
