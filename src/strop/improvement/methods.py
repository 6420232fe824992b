"""The methods of ``strop improve``: a trainer, and the verifier that selects its rows.

A new method is one line of ``METHODS``. Its trainer may be any of ``strop.distill``: training rows
follow from the type of row that the trainer reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from strop.distill import RewardDpo, Rpo, Sft, Trainer, Xpo
from strop.verify import LogProbability


@dataclass(frozen=True)
class Method:
    """``trainer`` is fit on the rows that ``verifier`` selects among the model's samples.

    ``sharpening``: samples are drawn from the full distribution, at temperature 1 and top-p 1.
    """

    name: str
    trainer: type[Trainer]
    verifier: str
    sharpening: bool = False


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        # Fine-tune on the responses that the verifier keeps.
        Method("rft", Sft, "cot-binary"),
        # Prefer kept responses over rejected ones, with a likelihood term.
        Method("rpo", Rpo, "cot-binary"),
        # Fine-tune on each problem's likeliest response.
        Method("sft-sharpen", Sft, LogProbability.name, sharpening=True),
        # Regress the differences of self-rewards on the log-ratios to the base model.
        Method("reward-dpo", RewardDpo, LogProbability.name, sharpening=True),
        # The same online, with a bonus for exploration.
        Method("xpo", Xpo, LogProbability.name, sharpening=True),
    )
}
