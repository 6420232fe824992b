"""Move the model toward f[w]: one fit on the rows it is handed.

A trainer is a frozen dataclass whose fields are its hyper-parameters. Rows are plain data: the prompt as the exact text the engine sent,
responses as the exact tokens that were sampled, so nothing is tokenised differently, and no reference, so none can leak in. What is
written is an ordinary Hugging Face folder. torch, TRL and PEFT are imported only while a fit runs (extra: train).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from strop.errors import MissingExtraError, UsageError
from strop.progress import Silent
from strop.records import Usage

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row(ABC):
    """What every row has: the problem's id, and the prompt exactly as the engine sent it (``engine.render``)."""

    problem: str
    prompt: str

    @property
    @abstractmethod
    def responses(self) -> tuple[Ids, ...]:
        """The tokens of its responses, as they were sampled, with the token that ended each."""


def _check(row: Row, name: str, number: float = 0.0, least: float = -math.inf) -> None:
    if not row.prompt or not all(row.responses):
        raise UsageError(
            f"problem {row.problem}: a row has an empty {'response' if row.prompt else 'prompt'}; expected what was sampled"
        )
    if not (math.isfinite(number) and number >= least):
        raise UsageError(
            f"problem {row.problem}: {name} is {number}; expected a finite number{', at least 0' if least == 0 else ''}"
        )


@dataclass(frozen=True, slots=True)
class Weighted(Row):
    """One response and its weight under f[w], at least 0. Only the weights' ratios matter."""

    token_ids: Ids
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check(self, "the weight", self.weight, least=0)

    @property
    def responses(self) -> tuple[Ids, ...]:
        return (self.token_ids,)


@dataclass(frozen=True, slots=True)
class Preference(Row):
    """A kept and a rejected response of one problem."""

    kept: Ids
    rejected: Ids

    def __post_init__(self) -> None:
        _check(self, "")

    @property
    def responses(self) -> tuple[Ids, ...]:
        return (self.kept, self.rejected)


@dataclass(frozen=True, slots=True)
class Comparison(Row):
    """Two responses of one problem, and r(first) - r(second), the difference of their rewards."""

    first: Ids
    second: Ids
    difference: float

    def __post_init__(self) -> None:
        _check(self, "the difference of rewards", self.difference)

    @property
    def responses(self) -> tuple[Ids, ...]:
        return (self.first, self.second)


class Watcher(Protocol):
    """Is told how a fit goes on: one part a step."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, usage: Usage) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Trainer(ABC):
    """The hyper-parameters that every trainer has.

    ``batch_size`` rows make one optimiser step, over all processes together; ``gradient_accumulation`` cuts it into that many forward
    passes a process, which changes memory and no result. ``epochs`` is rounded up to whole steps; ``steps`` goes before it. ``schedule``
    says how the learning rate goes from its value to 0 (or stays). ``lora_rank`` 0 trains every weight; ``lora_scale`` is LoRA's alpha over
    its rank. ``precision`` bfloat16 computes in mixed precision, on a GPU only; weights and optimiser stay in float32. Rows longer than
    ``max_length`` tokens (or than the model's positions) are left out and counted. Every ``checkpoint_every`` steps, what a killed fit goes
    on from is written; every ``snapshot_every`` steps (0: never) the model is kept as a folder of its own, ``out/steps/NNNNNN``, for
    training curves and for choosing a best checkpoint. ``gradient_clipping`` 0 clips nothing.
    """

    name: ClassVar[str]
    row: ClassVar[type[Row]]
    needs_base: ClassVar[bool] = False
    """Whether the loss compares with a base model, whose log-probabilities are computed before the first step."""

    learning_rate: float = 1e-5
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    gradient_clipping: float = 1.0
    batch_size: int = 16
    gradient_accumulation: int = 1
    epochs: float = 1.0
    steps: int | None = None
    lora_rank: int = 0
    lora_scale: float = 2.0
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    max_length: int | None = None
    checkpoint_every: int = 100
    snapshot_every: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        least = {
            "learning_rate": 0,
            "warmup_steps": 0,
            "weight_decay": 0,
            "gradient_clipping": 0,
            "batch_size": 1,
            "gradient_accumulation": 1,
            "epochs": 0,
            "steps": 1,
            "lora_rank": 0,
            "lora_scale": 0,
            "max_length": 2,
            "checkpoint_every": 1,
            "snapshot_every": 0,
            "beta": 0,
            "alpha": 0,
            "base_kl": 0,
        }
        for field, value in asdict(self).items():
            if (
                field in least
                and value is not None
                and not (math.isfinite(value) and value >= least[field])
            ):
                raise UsageError(
                    f"{self.name}: {field} is {value}; expected a finite number, at least {least[field]}"
                )
        for field, known in (
            ("schedule", ("linear", "cosine", "constant")),
            ("precision", ("float32", "bfloat16")),
        ):
            if getattr(self, field) not in known:
                raise UsageError(
                    f"{self.name}: {field} is {getattr(self, field)!r}; expected one of {', '.join(known)}"
                )
        if self.batch_size % self.gradient_accumulation:
            raise UsageError(
                f"{self.name}: batch_size {self.batch_size} cannot be cut into {self.gradient_accumulation} equal parts "
                "(gradient_accumulation); choose a divisor"
            )

    @property
    def needs_reference(self) -> bool:
        """Whether the base model reads every batch beside the one in training, to compare whole distributions."""
        return False

    def settings(self) -> dict[str, Any]:
        """The hyper-parameters as JSON; ``type(self)(**settings)`` gives the trainer back."""
        return asdict(self)

    def fit(
        self,
        model: Path,
        rows: Sequence[Row],
        out: Path,
        *,
        base: Path | None = None,
        data: str = "",
        watcher: Watcher | None = None,
    ) -> Path:
        """Fit the model of the folder to the rows; write the trained model to the folder ``out``, and return that.

        A fit that was killed goes on from its last checkpoint when it is called again; a finished one is not repeated. ``base`` is the
        folder of the model that losses compare with; without it, the model that the fit begins with. ``data`` says in words where the rows
        come from, for the model card. Raises UsageError for rows and settings that do not go together, ModelError for a model that cannot
        be loaded, StoreError where ``out`` holds something else.
        """
        try:
            import peft
            import transformers
            import trl
        except ImportError as error:
            raise MissingExtraError(f"training ({self.name})", "train", str(error)) from None
        del peft, transformers, trl
        from strop.distill.fit import Fit

        return Fit(self, Path(model), rows, Path(out), Path(base or model), data).run(
            watcher or Silent()
        )

    @abstractmethod
    def numbers(self, rows: Sequence[Any]) -> list[float]:
        """What the loss reads of each row beside its responses: a weight, a difference of rewards, or 0."""

    @abstractmethod
    def loop(self, parts: Any) -> Any:
        """The transformers Trainer that runs the fit, made of ``parts`` (``loops.Parts``)."""
