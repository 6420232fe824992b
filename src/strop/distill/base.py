"""Move the model toward f[w]: one fit on given training rows.

A trainer is a frozen dataclass whose fields are its hyper-parameters. A fit writes an ordinary
Hugging Face folder. torch, TRL and PEFT are imported only while a fit runs (extra: train).
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from strop.distill.rows import Row, Weighted
from strop.distill.settings import TrainerSettings
from strop.errors import MissingExtraError, UsageError
from strop.progress import Silent, Watcher

Draw = Callable[[Path, str], Sequence[Weighted]]
"""Draw one response to each problem from the model in the folder, for a stage.

Stages are "policy 1", "base 1", "policy 2", ..., and "validation".
"""

Reward = Callable[[Sequence[Weighted]], Sequence[float]]
"""Return the self-reward of each response: that of the base model, not of the one in training."""


__all__ = ["Draw", "Reward", "Row", "Trainer", "check_training_extra"]


def check_training_extra(purpose: str = "training") -> None:
    """Raise MissingExtraError, which names the extra to install, where training cannot work."""
    try:
        import peft
        import transformers
        import trl
    except ImportError as error:
        raise MissingExtraError(purpose, "train", str(error)) from None
    del peft, transformers, trl


@dataclass(frozen=True, kw_only=True)
class Trainer(TrainerSettings, ABC):
    """A trainer: ``fit`` trains on rows; an ``online`` one draws its own with ``fit_online``."""

    online: ClassVar[bool] = False

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
        """Fit the model of the folder to the rows, write the trained model to ``out``, return that.

        A fit that was killed resumes from its last checkpoint when it is called again; a finished
        one is not repeated. ``base``: the folder of the model that losses compare with, by default
        the model that the fit starts from. ``data``: a sentence on the origin of the rows, for the
        model card.

        Raises UsageError for rows and settings that do not go together, ModelError for a model that
        cannot be loaded, StoreError if ``out`` holds something else.
        """
        check_training_extra(f"training ({self.name})")
        from strop.distill.fit import Fit

        fit = Fit(self, Path(model), rows, Path(out), Path(base or model), data)
        return fit.run(watcher or Silent())

    def fit_online(
        self,
        base: Path,
        out: Path,
        *,
        rounds: int,
        draw: Draw,
        reward: Reward,
        watcher: Watcher | None = None,
    ) -> Path:
        """Draw responses, fit and repeat; return the folder of the best model.

        UsageError for a trainer that is not ``online``.
        """
        raise UsageError(f"{self.name} does not draw its own responses; hand rows to fit")
