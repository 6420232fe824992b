"""The settings of the papers' experiments (``--preset``). Explicit options override a preset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strop.errors import UsageError
from strop.tasks import Task


@dataclass(frozen=True)
class Preset:
    """Settings of a paper's experiments.

    ``problems`` is the largest number of problems, None for all of a data set.
    """

    description: str
    options: dict[str, Any]
    problems: int | None
    shots: int
    without_shots: tuple[str, ...] = ()


LIMITS = {"max_tokens": 512, "verify_max_tokens": 512}
PRESETS = {
    "mind-the-gap": Preset(
        'section 3 of "Mind the Gap": 4 shots, temperature 0.7, top-p 0.9, 128 responses, '
        "whole test splits",
        {"samples": 128, "temperature": 0.7, "top_p": 0.9, **LIMITS},
        problems=None,
        shots=4,
    ),
    "sharpening": Preset(
        'appendix A of "The Sharpening Mechanism": 1 shot (none for game24), temperature 1, '
        "50 responses, up to 256 problems",
        {"samples": 50, "temperature": 1.0, "top_p": 1.0, **LIMITS},
        problems=256,
        shots=1,
        without_shots=("game24",),
    ),
}


def preset_options(name: str, task: Task) -> dict[str, Any]:
    """Return the preset's options for a task; at most all problems of its data set."""
    if name not in PRESETS:
        raise UsageError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    preset = PRESETS[name]
    options = dict(preset.options)
    limits = [limit for limit in (preset.problems, task.size("test")) if limit is not None]
    if limits:
        options["problems"] = min(limits)
    options["shots"] = 0 if task.name in preset.without_shots else preset.shots
    return options
