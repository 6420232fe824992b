"""The papers' settings. Change one with ``dataclasses.replace(PRESETS[name], seed=1)``.

"Mind the Gap", appendix F: minibatch 64, learning rate 1e-6, AdamW, 2,000 steps, at most 2,048
tokens, bfloat16. "The Sharpening Mechanism", appendix A: LoRA, learning rate 3e-4 with linear decay
to 0, gradients clipped at 0.1, best-of-50 responses; rank, weight decay, batch and epochs depend on
model and task. The papers leave open, and strop sets: LoRA's alpha is twice its rank, the schedule
of the first paper is constant, RPO's beta is 0.1 and its alpha 1.
"""

from __future__ import annotations

from typing import Any

from strop.distill.base import Trainer
from strop.distill.rpo import Rpo
from strop.distill.sft import Sft

MIND_THE_GAP: dict[str, Any] = {
    "learning_rate": 1e-6,
    "schedule": "constant",
    "batch_size": 64,
    "steps": 2000,
    "max_length": 2048,
    "precision": "bfloat16",
}


def _sharpening(weight_decay: float, rank: int = 16, batch_size: int = 4, epochs: int = 30) -> Sft:
    return Sft(
        learning_rate=3e-4,
        schedule="linear",
        gradient_clipping=0.1,
        weight_decay=weight_decay,
        lora_rank=rank,
        batch_size=batch_size,
        epochs=epochs,
        precision="bfloat16",
    )


PRESETS: dict[str, Trainer] = {
    "mind-the-gap": Sft(**MIND_THE_GAP),
    "mind-the-gap-rpo": Rpo(**MIND_THE_GAP),
    "sharpening-phi-3.5-math": _sharpening(0.1),
    "sharpening-phi-3.5-gsm8k": _sharpening(0.5),
    "sharpening-phi-3.5-prontoqa": _sharpening(0.0),
    "sharpening-mistral-math": _sharpening(1.0, rank=8, batch_size=1, epochs=10),
}
