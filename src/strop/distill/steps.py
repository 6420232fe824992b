"""The steps of a fit: the rows that each step reads, its cost, and what is noted after it.

Axes: S steps, B rows of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from numpy.typing import NDArray
from transformers import TrainerCallback

from strop.distill.examples import Example
from strop.distill.fit_folder import DONE
from strop.distill.settings import TrainerSettings
from strop.progress import Watcher
from strop.records import Usage
from strop.seeds import derive

TRAINING_FLOPS = 6.0
"""FLOPs of training per parameter and token: 2 for the forward pass, 4 for the backward pass."""
FORWARD_FLOPS = 2.0


def plan(rows: int, trainer: TrainerSettings) -> NDArray[np.int64]:
    """Return the rows that each step reads (S, B).

    All rows come in random order, again and again, and every batch is full. The plan depends on
    the seed alone: a resumed fit and a fit on several processes read the same rows in each step.
    """
    batch_size = trainer.batch_size
    # Double negation rounds up.
    steps = trainer.steps or max(1, -int(-rows * trainer.epochs // batch_size))
    passes = -(-steps * batch_size // rows)
    rng = np.random.default_rng(derive(trainer.seed, "plan"))
    order = np.concatenate([rng.permutation(rows) for _ in range(passes)])
    return order[: steps * batch_size].reshape(steps, batch_size)


def step_usages(
    examples: Sequence[Example],
    plan_SB: NDArray[np.int64],
    parameters: int,
    compares: bool,
    reads_base: bool = False,
) -> list[Usage]:
    """Return the tokens read in each step, without padding, and its FLOPs.

    The base model's forward pass over a row is added at the row's first use if the fit
    ``compares`` log-probabilities, and at every use if it ``reads_base`` distributions.
    """
    # Every response is read after its own copy of the prompt.
    prompt_tokens = np.array(
        [len(example["prompt"]) * len(example["responses"]) for example in examples]
    )
    response_tokens = np.array([sum(map(len, example["responses"])) for example in examples])
    base_pass = np.full(plan_SB.size, reads_base)
    if compares:
        first_uses = np.unique(plan_SB, return_index=True)[1]
        base_pass[first_uses] = True
    flops_SB = TRAINING_FLOPS + FORWARD_FLOPS * base_pass.reshape(plan_SB.shape)
    tokens = prompt_tokens + response_tokens
    usages = []
    for row_B, flops_B in zip(plan_SB, flops_SB, strict=True):
        flops = float(parameters * (tokens[row_B] * flops_B).sum())
        usages.append(
            Usage(int(prompt_tokens[row_B].sum()), 0, int(response_tokens[row_B].sum()), flops)
        )
    return usages


class Steps(TrainerCallback):  # type: ignore[misc]  # mypy does not analyse transformers
    """Reports every step, notes its seconds, keeps snapshots, and marks complete checkpoints."""

    def __init__(
        self,
        watcher: Watcher,
        usages: list[Usage],
        state: PartialState,
        snapshot: Callable[[Any, int], None],
    ) -> None:
        self.watcher = watcher
        self.usages = usages
        self.processes = state
        self.snapshot = snapshot
        self.last_time = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.processes.is_main_process:
            self.watcher.begin("train", state.max_steps, state.global_step)
        self.last_time = time.perf_counter()

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # The last log of a training is a summary without a loss; it is no step.
        if "loss" in state.log_history[-1]:
            now = time.perf_counter()
            state.log_history[-1]["seconds"] = now - self.last_time
            self.last_time = now

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if self.processes.is_main_process:
            self.watcher.advance(self.usages[state.global_step - 1])
            self.snapshot(model, state.global_step)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        # Every process writes its part of a checkpoint: it is complete when all have arrived here.
        self.processes.wait_for_everyone()
        if self.processes.is_main_process:
            Path(args.output_dir, f"checkpoint-{state.global_step}", DONE).touch()
