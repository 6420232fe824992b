"""The records in a trained folder: README.md for people, training.json for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from strop.distill.settings import TrainerSettings
from strop.records import Usage, total_usage

LIBRARIES = ("strop", "torch", "transformers", "trl", "peft", "accelerate")


def write_record(
    folder: Path, record: dict[str, Any], history: Sequence[dict[str, Any]], usages: Sequence[Usage]
) -> None:
    """Write training.json: the settings, the counts, the cost, and every step.

    A step has its loss, learning rate, gradient norm (before clipping), seconds and tokens.
    """
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
    document = {
        "format_version": 1,
        **record,
        "tokens": total.prompt_tokens + total.generated_tokens,
        "response_tokens": total.generated_tokens,
        "flops": total.flops,
        "seconds_training": sum(step["seconds"] for step in steps),
        "versions": versions(),
        "steps": steps,
    }
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    (folder / "training.json").write_text(text, encoding="utf-8")


def write_card(
    folder: Path, trainer: TrainerSettings, record: dict[str, Any], history: list[dict[str, Any]]
) -> None:
    """Write README.md, the model card."""
    settings = "\n".join(f"| {name} | {value} |" for name, value in trainer.settings().items())
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    summary = (type(trainer).__doc__ or "").splitlines()[0]
    weights = "all of them trained"
    if trainer.lora_rank:
        weights = "LoRA, merged into the model; adapter/ holds the adapter alone"
    text = f"""---
library_name: transformers
pipeline_tag: text-generation
tags: [strop, self-improvement, {trainer.name}]
---

# {record["model_name"]}, trained with {trainer.name}

Trained by strop on responses that models wrote themselves; only measurements show whether it is
better. The licence is that of the original model.

- **Original model**: {record["model_name"]} ({record["parameters"]:,} parameters, weights
  {record["model"]}); base model: weights {record["base"]}.
- **Method**: {trainer.name}. {summary}
- **Weights**: {weights}; float32.
- **Data**: {record["data"] or "not described"}. {record["rows_trained"]} rows of
  {len(record["problems"])} problems (digest {record["rows"]}); {record["rows_without_weight"]} rows
  without weight and {record["rows_too_long"]} that were too long were left out.
- **In-sample**: a measurement on the problems it was trained on is in-sample, and says little about
  other problems. training.json lists their ids.
- **Loss**: {history[0]["loss"]:.4g} at the first step, {history[-1]["loss"]:.4g} at the last of
  {len(history)}; training.json has every step.
- **Versions**: {used}; {record["processes"]} process(es) on {record["device"]}.

| setting | value |
|---|---|
{settings}
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def versions() -> dict[str, str]:
    """Return the versions of the libraries that a fit depends on."""
    return {name: version(name) for name in LIBRARIES}


def _number(value: float) -> float | None:
    """Return None for NaN and infinity, which JSON does not have."""
    return value if math.isfinite(value) else None
