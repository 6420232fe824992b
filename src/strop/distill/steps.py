"""The steps of a fit: which rows each reads, what it costs, and what is noted after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from numpy.typing import NDArray
from transformers import TrainerCallback

from strop.distill.base import Trainer, Watcher
from strop.records import Usage
from strop.seeds import derive

DONE = "done"
"""The file that a checkpoint gets when all of it is written."""


def plan(rows: int, trainer: Trainer) -> NDArray[np.int64]:
    """Which rows each step reads (steps, batch_size): all rows in random order, again and again, and never a batch that is not full.

    It depends on the seed alone, so a resumed fit and one on several processes read the same rows in the same steps.
    """
    steps = trainer.steps or max(1, -int(-rows * trainer.epochs // trainer.batch_size))
    rng = np.random.default_rng(derive(trainer.seed, "plan"))
    rounds = -(-steps * trainer.batch_size // rows)
    order = np.concatenate([rng.permutation(rows) for _ in range(rounds)])
    return order[: steps * trainer.batch_size].reshape(steps, trainer.batch_size)


def step_usages(
    examples: Sequence[dict[str, Any]],
    plan_SB: NDArray[np.int64],
    parameters: int,
    compares: bool,
    reads_base: bool = False,
) -> list[Usage]:
    """Of each step: tokens read, without padding, and FLOPs at 6 per parameter and token; 2 more for the base model's pass over a row,
    at the row's first use where the fit ``compares``, at every use where it ``reads_base``."""
    prompts = np.array([len(row["prompt"]) * len(row["responses"]) for row in examples])
    responses = np.array([sum(map(len, row["responses"])) for row in examples])
    first = np.zeros(plan_SB.size, bool)
    first[np.unique(plan_SB, return_index=True)[1]] = compares
    first |= reads_base
    passes_SB = 6.0 + 2.0 * first.reshape(plan_SB.shape)
    tokens = prompts + responses
    return [
        Usage(
            int(prompts[row].sum()),
            0,
            int(responses[row].sum()),
            float(parameters * (tokens[row] * passes).sum()),
        )
        for row, passes in zip(plan_SB, passes_SB, strict=True)
    ]


class Steps(TrainerCallback):  # type: ignore[misc]  # mypy does not analyse transformers
    """Tells the watcher of every step, notes its seconds beside its loss, keeps snapshots, and marks whole checkpoints as done."""

    def __init__(
        self,
        watcher: Watcher,
        usages: list[Usage],
        state: PartialState,
        snapshots: Callable[[Any, int], None],
    ) -> None:
        self.watcher, self.usages, self.processes, self.snapshots = (
            watcher,
            usages,
            state,
            snapshots,
        )
        self.since = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.processes.is_main_process:
            self.watcher.begin("train", state.max_steps, state.global_step)
        self.since = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if "loss" in state.log_history[-1]:
            now = time.perf_counter()
            state.log_history[-1]["seconds"] = now - self.since
            self.since = now

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if self.processes.is_main_process:
            self.watcher.advance(self.usages[state.global_step - 1])
            self.snapshots(model, state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.processes.wait_for_everyone()
        if self.processes.is_main_process:
            Path(args.output_dir, f"checkpoint-{state.global_step}", DONE).touch()
