"""The part of a trainer that a fit reads: hyper-parameters, the type of its rows, and its loss."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, get_args

from strop.distill.rows import Row
from strop.errors import UsageError

Schedule = Literal["linear", "cosine", "constant"]
Precision = Literal["float32", "bfloat16"]


def at_least(least: float, *, default: float | None) -> Any:
    """Return a field of a trainer whose value must be at least ``least``."""
    return field(default=default, metadata={"least": least})


@dataclass(frozen=True, kw_only=True)
class TrainerSettings(ABC):
    """The hyper-parameters of every trainer.

    ``batch_size``: rows of one optimiser step, over all processes together.
    ``gradient_accumulation``: forward passes that a process cuts a step into; this changes memory
    and no result. ``epochs``: passes over the rows, rounded up to whole steps; ``steps`` overrides
    it. ``schedule``: how the learning rate falls from its value to 0, or stays. ``lora_rank``: 0
    trains every weight. ``lora_scale``: LoRA's alpha over its rank. ``precision``: bfloat16
    computes in mixed precision, on a GPU only; weights and optimiser stay in float32.
    ``max_length``: longest row in tokens; rows longer than this, or than the model's positions, are
    left out and counted. ``checkpoint_every``: steps between the checkpoints that a killed fit
    resumes from. ``snapshot_every``: steps between models that are kept as folders of their own,
    ``out/steps/NNNNNN``, for training curves and for the choice of a best checkpoint; 0 keeps none.
    ``gradient_clipping``: 0 clips nothing.

    A subclass declares the limits of its own fields with ``at_least``; values are checked when a
    trainer is made.
    """

    name: ClassVar[str]
    row: ClassVar[type[Row]]
    needs_base: ClassVar[bool] = False
    """The loss reads the base model's log-probabilities, computed before the first step."""

    learning_rate: float = at_least(0, default=1e-5)
    schedule: Schedule = field(default="linear", metadata={"choices": get_args(Schedule)})
    warmup_steps: int = at_least(0, default=0)
    weight_decay: float = at_least(0, default=0.0)
    gradient_clipping: float = at_least(0, default=1.0)
    batch_size: int = at_least(1, default=16)
    gradient_accumulation: int = at_least(1, default=1)
    epochs: float = at_least(0, default=1.0)
    steps: int | None = at_least(1, default=None)
    lora_rank: int = at_least(0, default=0)
    lora_scale: float = at_least(0, default=2.0)
    precision: Precision = field(default="float32", metadata={"choices": get_args(Precision)})
    gradient_checkpointing: bool = False
    max_length: int | None = at_least(2, default=None)
    checkpoint_every: int = at_least(1, default=100)
    snapshot_every: int = at_least(0, default=0)
    seed: int = 0

    def __post_init__(self) -> None:
        for each_field in fields(self):
            value = getattr(self, each_field.name)
            problem = _problem(value, each_field.default, each_field.metadata)
            if problem:
                raise UsageError(f"{self.name}: {each_field.name} is {value!r}; expected {problem}")
        if self.batch_size % self.gradient_accumulation:
            raise UsageError(
                f"{self.name}: batch_size {self.batch_size} cannot be cut into "
                f"{self.gradient_accumulation} equal parts (gradient_accumulation); "
                "choose a divisor"
            )

    @property
    def needs_reference(self) -> bool:
        """The loss compares whole distributions, so the base model reads every batch too."""
        return False

    def settings(self) -> dict[str, Any]:
        """Return the hyper-parameters as JSON; ``type(self)(**settings)`` restores the trainer."""
        return asdict(self)

    @abstractmethod
    def numbers(self, rows: Sequence[Any]) -> list[float]:
        """Return what the loss reads of each row beside its responses.

        That is a weight, a difference of rewards, or 0.
        """

    @abstractmethod
    def loop(self, parts: Any) -> Any:
        """Return the transformers Trainer that runs the fit, made of ``hf_trainers.Parts``."""


def _problem(value: object, default: object, limits: Mapping[str, Any]) -> str:
    """Return what was expected of the value, or an empty string if it is valid.

    None is valid where it is the default. Every number must be finite, with or without a limit.
    """
    if "choices" in limits:
        return "" if value in limits["choices"] else f"one of {', '.join(limits['choices'])}"
    # In Python a bool is an int; switches have no range.
    if isinstance(value, bool) or (value is None and default is None):
        return ""
    is_finite = isinstance(value, int | float) and math.isfinite(value)
    if "least" in limits:
        least = limits["least"]
        is_valid = is_finite and isinstance(value, int | float) and value >= least
        return "" if is_valid else f"a finite number, at least {least}"
    expects_number = isinstance(default, int | float)
    return "a finite number" if expects_number and not is_finite else ""
