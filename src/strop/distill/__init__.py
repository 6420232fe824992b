"""Move the model toward f[w]: one fit on given training rows. TRAINERS is the registry."""

from __future__ import annotations

from strop.distill.base import Draw, Reward, Trainer
from strop.distill.presets import PRESETS
from strop.distill.reward_dpo import RewardDpo
from strop.distill.rows import Comparison, Preference, Row, Weighted
from strop.distill.rpo import Rpo
from strop.distill.sft import Sft
from strop.distill.xpo import Iterate, Xpo, explore, objective

TRAINERS: dict[str, type[Trainer]] = {
    trainer.name: trainer for trainer in (Sft, Rpo, RewardDpo, Xpo)
}

__all__ = [
    "PRESETS",
    "TRAINERS",
    "Comparison",
    "Draw",
    "Iterate",
    "Preference",
    "Reward",
    "RewardDpo",
    "Row",
    "Rpo",
    "Sft",
    "Trainer",
    "Weighted",
    "Xpo",
    "explore",
    "objective",
]
