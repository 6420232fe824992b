"""Move the model toward f[w]: one fit on the rows it is handed."""

from __future__ import annotations

from strop.distill.base import Comparison, Preference, Row, Trainer, Watcher, Weighted
from strop.distill.presets import PRESETS
from strop.distill.reward_dpo import RewardDpo
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
    "Iterate",
    "Preference",
    "RewardDpo",
    "Row",
    "Rpo",
    "Sft",
    "Trainer",
    "Watcher",
    "Weighted",
    "Xpo",
    "explore",
    "objective",
]
