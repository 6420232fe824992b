"""What a fit runs in: processes, transformers' settings, and silence."""

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

from strop.distill.base import Trainer
from strop.errors import UsageError
from strop.seeds import derive


def processes(trainer: Trainer) -> PartialState:
    """The processes that train together, as the launcher set them up. UsageError where the hardware does not fit."""
    state = PartialState(cpu=not torch.cuda.is_available())
    if state.num_processes == 1 and torch.cuda.device_count() > 1:
        raise UsageError(
            f"{torch.cuda.device_count()} GPUs are visible to one process; run it under `accelerate launch`, a process each, "
            "or show it one of them (CUDA_VISIBLE_DEVICES=0)"
        )
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true") and (
        trainer.lora_rank or trainer.snapshot_every
    ):
        raise UsageError(
            f"{trainer.name}: LoRA and snapshots cannot be written under FSDP; set lora_rank and snapshot_every to 0"
        )
    if trainer.precision == "bfloat16" and state.device.type == "cpu":
        raise UsageError(
            f"{trainer.name}: precision bfloat16 is for GPUs, and there is none; use float32"
        )
    return state


def arguments(trainer: Trainer, work: Path, steps: int, state: PartialState) -> dict[str, Any]:
    """The settings in transformers' words. Whatever would report, upload, evaluate, shuffle or print is off."""
    on_cpu = state.device.type == "cpu"
    share, rest = divmod(trainer.batch_size, trainer.gradient_accumulation * state.num_processes)
    if rest:
        raise UsageError(
            f"{trainer.name}: batch_size {trainer.batch_size} cannot be cut into {trainer.gradient_accumulation} equal parts "
            f"(gradient_accumulation) on each of {state.num_processes} processes; choose a multiple of both"
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
        "train_sampling_strategy": "sequential",
        "remove_unused_columns": False,
        "dataloader_pin_memory": not on_cpu,
        "use_cpu": on_cpu,
        "save_strategy": "steps",
        "save_steps": trainer.checkpoint_every,
        "save_total_limit": 2,
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        "log_level": "error",
        "eval_strategy": "no",
        "push_to_hub": False,
        "ddp_find_unused_parameters": False,
    }


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no logs of the libraries, no reports and no telemetry, whatever the environment asks for."""
    switches = {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DISABLE_TELEMETRY": "1",
        "WANDB_DISABLED": "true",
        "TOKENIZERS_PARALLELISM": "false",
    }
    before = {name: os.environ.get(name) for name in switches}
    bars, level = (
        transformers_logging.is_progress_bar_enabled(),
        transformers_logging.get_verbosity(),
    )
    os.environ.update(switches)
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", ".*_checkpointing` is deprecated", FutureWarning
            )  # among the libraries themselves
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        transformers_logging.set_verbosity(level)
        transformers_logging.enable_progress_bar() if bars else None
