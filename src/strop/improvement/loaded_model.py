"""The model that is loaded: one at a time."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass, field

from strop.engines import Engine
from strop.run.executors import Executor


@dataclass
class LoadedModel:
    """Loads models for the steps of a round, and lets each go before the next one.

    A round needs one model after the other: to sample, to verify, to train. An engine such as
    vLLM's takes most of a GPU's memory, so neither a second engine nor the training fits beside it.
    Callers hold no engine of their own while another one is loaded.
    """

    executor: Executor
    engine: Engine | None = field(default=None, init=False)

    def load(self, name: str) -> Engine:
        """Return the engine of this model, which stays loaded until another one is asked for."""
        if self.engine is None or self.engine.name != name:
            self.release()
            self.engine = self.executor.load(name)
        return self.engine

    def release(self) -> None:
        """Let the loaded engine go, before something else needs the memory."""
        self.engine = None
        gc.collect()  # engines close when they are collected, and may be part of a circle
        # vLLM takes what is free on the GPU, and does not count what PyTorch keeps for later.
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_available():
            torch.cuda.empty_cache()
