"""The surroundings of a fit: processes, transformers' arguments, and silence."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers.utils import logging as transformers_logging

from strop.distill.settings import TrainerSettings
from strop.errors import UsageError
from strop.seeds import derive


def processes(trainer: TrainerSettings) -> PartialState:
    """Return the processes that train together, as the launcher set them up.

    UsageError for settings that the hardware does not allow.
    """
    state = PartialState(cpu=not torch.cuda.is_available())
    if state.num_processes == 1 and torch.cuda.device_count() > 1:
        raise UsageError(
            f"{torch.cuda.device_count()} GPUs are visible to one process; run it under "
            "`accelerate launch`, a process each, or show it one of them (CUDA_VISIBLE_DEVICES=0)"
        )
    fsdp = os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true")
    if fsdp and (trainer.lora_rank or trainer.snapshot_every):
        raise UsageError(
            f"{trainer.name}: LoRA and snapshots cannot be written under FSDP; "
            "set lora_rank and snapshot_every to 0"
        )
    if trainer.precision == "bfloat16" and state.device.type == "cpu":
        raise UsageError(
            f"{trainer.name}: precision bfloat16 is for GPUs, and there is none; use float32"
        )
    return state


def arguments(
    trainer: TrainerSettings, work: Path, steps: int, state: PartialState
) -> dict[str, Any]:
    """Return the settings as transformers' TrainingArguments takes them.

    Reports, uploads, evaluation, shuffling and printing are off.
    """
    on_cpu = state.device.type == "cpu"
    parts = trainer.gradient_accumulation * state.num_processes
    share, remainder = divmod(trainer.batch_size, parts)
    if remainder:
        raise UsageError(
            f"{trainer.name}: batch_size {trainer.batch_size} cannot be cut into "
            f"{trainer.gradient_accumulation} equal parts (gradient_accumulation) "
            f"on each of {state.num_processes} processes; choose a multiple of both"
        )
    return {
        "output_dir": str(work),
        "max_steps": steps,
        "per_device_train_batch_size": share,
        "gradient_accumulation_steps": trainer.gradient_accumulation,
        "learning_rate": trainer.learning_rate,
        "lr_scheduler_type": trainer.schedule,
        "warmup_steps": trainer.warmup_steps,
        "weight_decay": trainer.weight_decay,
        "max_grad_norm": trainer.gradient_clipping,
        "optim": "adamw_torch",
        "seed": derive(trainer.seed, "training") % 2**31,
        "bf16": trainer.precision == "bfloat16",
        "gradient_checkpointing": trainer.gradient_checkpointing,
        # The data set is in the order of the plan already.
        "train_sampling_strategy": "sequential",
        # The collator reads columns that no model takes.
        "remove_unused_columns": False,
        "dataloader_pin_memory": not on_cpu,
        "use_cpu": on_cpu,
        "save_strategy": "steps",
        "save_steps": trainer.checkpoint_every,
        # Two: a kill while one is written leaves the other.
        "save_total_limit": 2,
        # training.json has the loss of every step.
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
        "eval_strategy": "no",
        "push_to_hub": False,
        "ddp_find_unused_parameters": False,
    }


SWITCHES = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DISABLE_TELEMETRY": "1",
    "WANDB_DISABLED": "true",
    "TOKENIZERS_PARALLELISM": "false",
}


@contextmanager
def quiet() -> Iterator[None]:
    """Switch off the libraries' progress bars, logs, reports and telemetry, then restore them."""
    environment = {name: os.environ.get(name) for name in SWITCHES}
    bars = transformers_logging.is_progress_bar_enabled()
    level = transformers_logging.get_verbosity()
    os.environ.update(SWITCHES)
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            # The libraries warn about each other here; a user can do nothing about it.
            warnings.filterwarnings("ignore", ".*_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
