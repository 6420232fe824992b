"""What a trained folder says of itself: README.md for people, training.json for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from strop.distill.base import Trainer
from strop.records import Usage, total_usage

LIBRARIES = ("strop", "torch", "transformers", "trl", "peft", "accelerate")


def write_record(
    folder: Path, record: dict[str, Any], history: Sequence[dict[str, Any]], usages: Sequence[Usage]
) -> None:
    """training.json: what was asked and used, and every step's loss, learning rate, gradient norm (before clipping), seconds and tokens."""
    steps = [
        {
            "step": entry["step"],
            "loss": _number(entry["loss"]),
            "learning_rate": entry["learning_rate"],
            "gradient_norm": _number(entry["grad_norm"]),
            "seconds": entry["seconds"],
            "tokens": usage.prompt_tokens + usage.generated_tokens,
        }
        for entry, usage in zip(history, usages, strict=True)
    ]
    total = total_usage(usages)
    spent = {
        "tokens": total.prompt_tokens + total.generated_tokens,
        "response_tokens": total.generated_tokens,
        "flops": total.flops,
        "seconds_training": sum(step["seconds"] for step in steps),
    }
    document = {"format_version": 1, **record, **spent, "versions": versions(), "steps": steps}
    (folder / "training.json").write_text(
        json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )


def write_card(
    folder: Path, trainer: Trainer, record: dict[str, Any], history: Sequence[dict[str, Any]]
) -> None:
    """README.md, the model card."""
    settings = "\n".join(f"| {name} | {value} |" for name, value in trainer.settings().items())
    left_out = f"{record['rows_without_weight']} of no weight and {record['rows_too_long']} that were too long were left out"
    losses = f"{history[0]['loss']:.4g} at the first step, {history[-1]['loss']:.4g} at the last of {len(history)}"
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    trained = (
        "LoRA, merged into the model; the adapter alone stands in adapter/"
        if trainer.lora_rank
        else "all of them trained"
    )
    text = f"""---
library_name: transformers
pipeline_tag: text-generation
tags: [strop, self-improvement, {trainer.name}]
---

# {record["model_name"]}, trained with {trainer.name}

Trained by strop on responses that models wrote themselves; it has no merit beyond what was measured of it. The licence is that of the
model it began with.

- **Began with**: {record["model_name"]} ({record["parameters"]:,} parameters, weights {record["model"]}); base model: weights
  {record["base"]}.
- **Method**: {trainer.name}. {(type(trainer).__doc__ or "").splitlines()[0]}
- **Weights**: {trained}; float32.
- **Data**: {record["data"] or "not told"}. {record["rows_trained"]} rows of {len(record["problems"])} problems (digest {record["rows"]});
  {left_out}.
- **In-sample**: measured on the problems it was trained on, this model is in-sample, and such a number says little about others. Their ids
  stand in training.json.
- **Loss**: {losses}; every step stands in training.json.
- **Versions**: {used}; {record["processes"]} process(es) on {record["device"]}.

| setting | value |
|---|---|
{settings}
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def versions() -> dict[str, str]:
    """The libraries that a fit depends on."""
    return {name: version(name) for name in LIBRARIES}


def _number(value: float) -> float | None:
    """JSON has no NaN: a loss that is none is null."""
    return value if math.isfinite(value) else None
