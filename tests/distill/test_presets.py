"""The papers' settings."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from strop.distill import PRESETS


def test_the_papers_settings_are_those_of_the_papers() -> None:
    """ "Mind the Gap", appendix F; "The Sharpening Mechanism", appendix A."""
    for name in ("mind-the-gap", "mind-the-gap-rpo"):
        trainer = PRESETS[name]
        assert (trainer.batch_size, trainer.learning_rate, trainer.steps, trainer.max_length) == (
            64,
            1e-6,
            2000,
            2048,
        )
        assert trainer.precision == "bfloat16" and trainer.lora_rank == 0
    table = {
        name.removeprefix("sharpening-"): preset
        for name, preset in PRESETS.items()
        if name.startswith("sharpening")
    }
    decays = {name: trainer.weight_decay for name, trainer in table.items()}
    assert decays == {
        "phi-3.5-math": 0.1,
        "phi-3.5-gsm8k": 0.5,
        "phi-3.5-prontoqa": 0.0,
        "mistral-math": 1.0,
    }
    for name, trainer in table.items():
        mistral = name.startswith("mistral")
        assert (trainer.lora_rank, trainer.batch_size, trainer.epochs) == (
            (8, 1, 10) if mistral else (16, 4, 30)
        )
        assert (trainer.learning_rate, trainer.schedule, trainer.gradient_clipping) == (
            3e-4,
            "linear",
            0.1,
        )
