"""One fit: rows to a trained folder, through checkpoints that a killed fit goes on from.

out/                      config.json, model.safetensors, tokenizer: an ordinary Hugging Face folder, there only when the fit is finished
    adapter/              the LoRA adapter alone, whose sum with the base model the folder holds
    README.md             the model card                 training.json  settings, loss by step, tokens, FLOPs; written last
    fit/                  while it runs: what was asked (asked.json), checkpoints, the folder being written; removed at the end
"""

from __future__ import annotations

import json
import os
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from numpy.typing import NDArray
from transformers import PrinterCallback, TrainerCallback
from transformers.utils import logging as transformers_logging

from strop.distill.base import Row, Trainer, Watcher, Weighted
from strop.distill.card import write_card, write_record
from strop.distill.loops import Parts
from strop.distill.scoring import encode, load, longest, score
from strop.errors import RunLockedError, RunMismatchError, StoreError, UsageError
from strop.records import Usage
from strop.seeds import derive

DONE = "done"
TOKENIZER_FILES = ("token*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model", "chat_template*")
"""Copied as they are; the tokenizer of a fit is its model's, byte for byte. So is generation_config.json."""
ENDS = 2**20


@dataclass(frozen=True)
class Start:
    """What a fit begins with: the model, and the rows that are short enough, beside them as tokens."""

    model: Any
    tokenizer: Any
    rows: Sequence[Row]
    examples: Sequence[dict[str, Any]]
    too_long: int


@dataclass(frozen=True)
class Fit:
    """One call of ``Trainer.fit``."""

    trainer: Trainer
    model: Path
    rows: Sequence[Row]
    out: Path
    base: Path
    data: str

    @property
    def work(self) -> Path:
        return self.out / "fit"

    def run(self, watcher: Watcher) -> Path:
        """Begin the fit, go on with it, or find it finished."""
        kept = self._kept_rows()
        state = processes(self.trainer)
        asked = self._asked(kept)
        finished = self._finished(asked)
        state.wait_for_everyone()
        if not finished:
            with quiet():
                start = self._start(kept)
                with self._writing(state.is_main_process):
                    if state.is_main_process:
                        self._begin(asked)
                    state.wait_for_everyone()
                    self._train(start, asked, watcher, state)
                    state.wait_for_everyone()
        if state.is_main_process:
            shutil.rmtree(self.work, ignore_errors=True)
        state.wait_for_everyone()
        return self.out

    def _kept_rows(self) -> list[Row]:
        """Rows of the kind that the trainer reads, without those of no weight."""
        for row in self.rows:
            if not isinstance(row, self.trainer.row):
                raise UsageError(f"{self.trainer.name} got a row of type {type(row).__name__}; expected {self.trainer.row.__name__}")
        kept = [row for row in self.rows if not (isinstance(row, Weighted) and row.weight == 0)]
        if not kept:
            raise UsageError(f"{self.trainer.name} got no row to train on (of {len(self.rows)}, none has any weight); keep more responses")
        return kept

    # The folder

    def _asked(self, kept: Sequence[Row]) -> dict[str, Any]:
        """What tells this fit from another one in the same folder."""
        rows = blake2b(repr(kept).encode(), digest_size=8).hexdigest()
        models = {"model": fingerprint(self.model), "base": fingerprint(self.base)}
        return {"trainer": self.trainer.name, "settings": self.trainer.settings(), "rows": rows} | models

    def _finished(self, asked: dict[str, Any]) -> bool:
        """Whether the folder holds this very fit. RunMismatchError where it holds another one, or something else."""
        if not self.out.exists():
            return False
        if not self.out.is_dir():
            raise StoreError(f"{self.out} is a file, expected a folder for the trained model; choose another one")
        for path in (self.out / "training.json", self.work / "asked.json"):
            if path.exists() and (path.parent == self.out or self._last_checkpoint()):
                there = json.loads(path.read_text(encoding="utf-8"))
                if different := [name for name, value in asked.items() if there.get(name) != value]:
                    raise RunMismatchError(f"{self.out} holds another fit (other {', '.join(different)}); choose another folder")
                return path.name == "training.json"
        if foreign := sorted(path.name for path in self.out.iterdir() if path.name != "fit"):
            raise RunMismatchError(f"{self.out} is not empty and holds no fit ({foreign[0]}); choose another folder")
        return False

    @contextmanager
    def _writing(self, is_main: bool) -> Iterator[None]:
        """Hold the folder's lock, in the main process."""
        if not is_main:
            yield
            return
        self.work.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.work / ".lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RunLockedError(f"another process is training in {self.out}; wait for it, or choose another folder") from None
        try:
            yield
        finally:
            lock.release()

    def _begin(self, asked: dict[str, Any]) -> None:
        """Note what was asked, and clear away what a killed fit left half written."""
        for path in self.work.iterdir():
            if path.name.startswith("checkpoint-") and not (path / DONE).exists():
                shutil.rmtree(path)
        shutil.rmtree(self.work / "folder", ignore_errors=True)
        partial = self.work / "asked.json.partial"
        partial.write_text(json.dumps(asked), encoding="utf-8")
        partial.replace(self.work / "asked.json")

    def _last_checkpoint(self) -> str | None:
        found = sorted(self.work.glob(f"checkpoint-*/{DONE}"), key=lambda path: int(path.parent.name.removeprefix("checkpoint-")))
        return str(found[-1].parent) if found else None

    # The training

    def _start(self, kept: Sequence[Row]) -> Start:
        """The model, and the rows as tokens, without those that are too long."""
        model, tokenizer = load(self.model)
        model.config.use_cache = False
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        limit = min(filter(None, (self.trainer.max_length, positions)), default=None)
        fitting = [
            (row, example)
            for row, example in zip(kept, encode(kept, model, tokenizer), strict=True)
            if limit is None or longest(example) <= limit
        ]
        if not fitting:
            raise UsageError(f"{self.trainer.name}: every one of {len(kept)} rows is longer than {limit} tokens; raise max_length")
        rows, examples = zip(*fitting, strict=True)
        for example, number in zip(examples, self.trainer.numbers(rows), strict=True):
            example["number"] = number
        return Start(model, tokenizer, rows, examples, len(kept) - len(rows))

    def _train(self, start: Start, asked: dict[str, Any], watcher: Watcher, state: PartialState) -> None:
        trainer, began = self.trainer, time.perf_counter()
        model, tokenizer, examples = start.model, start.tokenizer, start.examples
        if trainer.needs_base:
            for row, base in zip(examples, self._base_logprobs(model, tokenizer, examples), strict=True):
                row["base"] = base
        plan_SB = plan(len(examples), trainer)
        parameters = int(model.num_parameters())
        steps = Steps(watcher, _usage(examples, plan_SB, parameters, trainer.needs_base), state)
        rows = Dataset.from_list(list(examples)).select(plan_SB.ravel(), keep_in_memory=True)
        loop = trainer.loop(Parts(trainer, model, tokenizer, rows, arguments(trainer, self.work, len(plan_SB), state), [steps]))
        loop.remove_callback(PrinterCallback)
        prepared = time.perf_counter() - began
        loop.train(resume_from_checkpoint=self._last_checkpoint())
        counted = {
            "rows_given": len(self.rows), "rows_without_weight": len(self.rows) - len(examples) - start.too_long,
            "rows_too_long": start.too_long, "rows_trained": len(examples), "problems": sorted({row.problem for row in start.rows}),
        }  # fmt: skip
        record = {
            **asked, "model_name": self.model.resolve().name, "parameters": parameters, "processes": state.num_processes,
            "device": state.device.type, "data": self.data, **counted, "seconds_preparing": prepared,
        }  # fmt: skip
        self._save(loop, record, steps, state)

    def _base_logprobs(self, model: Any, tokenizer: Any, examples: Sequence[dict[str, Any]]) -> list[list[float]]:
        """Of the base model where it is another one, else of the model before its first step."""
        if fingerprint(self.base) != fingerprint(self.model):
            model, tokenizer = load(self.base)
        return score(model, tokenizer, examples, self.trainer.precision == "bfloat16")

    def _save(self, loop: Any, record: dict[str, Any], steps: Steps, state: PartialState) -> None:
        """Write the folder aside, then move it into place: training.json comes last."""
        folder = self.work / "folder"
        loop.save_model(str(folder / "adapter" if self.trainer.lora_rank else folder))
        if not state.is_main_process:
            return
        if self.trainer.lora_rank:
            loop.accelerator.unwrap_model(loop.model).merge_and_unload().save_pretrained(folder)
            _keep_only(folder / "adapter", ("adapter_*",))
        _keep_only(folder, ("config.json", "*.safetensors", "*.safetensors.index.json", "adapter"))
        _with_cache(folder / "config.json")
        for pattern in (*TOKENIZER_FILES, "generation_config.json"):
            for path in self.model.glob(pattern):
                shutil.copyfile(path, folder / path.name)
        history = [entry for entry in loop.state.log_history if "loss" in entry]
        write_card(folder, self.trainer, record, history)
        write_record(folder, record, history, steps.usages)
        for path in sorted(folder.iterdir(), key=lambda path: path.name == "training.json"):
            target = self.out / path.name
            shutil.rmtree(target) if target.is_dir() else None
            path.replace(target)


class Steps(TrainerCallback):  # type: ignore[misc]
    """Tells the watcher of every step, notes its seconds beside its loss, and marks whole checkpoints as done."""

    def __init__(self, watcher: Watcher, usages: list[Usage], state: PartialState) -> None:
        self.watcher, self.usages, self.processes = watcher, usages, state
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

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.processes.is_main_process:
            self.watcher.advance(self.usages[state.global_step - 1])

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.processes.wait_for_everyone()
        if self.processes.is_main_process:
            Path(args.output_dir, f"checkpoint-{state.global_step}", DONE).touch()


def plan(rows: int, trainer: Trainer) -> NDArray[np.int64]:
    """Which rows each step reads (steps, batch_size): all rows in random order, again and again, and never a batch that is not full.

    It depends on the seed alone, so a resumed fit and one on several processes read the same rows in the same steps.
    """
    steps = trainer.steps or max(1, -int(-rows * trainer.epochs // trainer.batch_size))
    rng = np.random.default_rng(derive(trainer.seed, "plan"))
    rounds = -(-steps * trainer.batch_size // rows)
    order = np.concatenate([rng.permutation(rows) for _ in range(rounds)])
    return order[: steps * trainer.batch_size].reshape(steps, trainer.batch_size)


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
        "output_dir": str(work), "max_steps": steps, "per_device_train_batch_size": share,
        "gradient_accumulation_steps": trainer.gradient_accumulation, "learning_rate": trainer.learning_rate,
        "lr_scheduler_type": trainer.schedule, "warmup_steps": trainer.warmup_steps, "weight_decay": trainer.weight_decay,
        "max_grad_norm": trainer.gradient_clipping, "optim": "adamw_torch", "seed": derive(trainer.seed, "training") % 2**31,
        "bf16": trainer.precision == "bfloat16", "gradient_checkpointing": trainer.gradient_checkpointing,
        "train_sampling_strategy": "sequential", "remove_unused_columns": False, "dataloader_pin_memory": not on_cpu, "use_cpu": on_cpu,
        "save_strategy": "steps", "save_steps": trainer.checkpoint_every, "save_total_limit": 2, "logging_steps": 1, "report_to": "none",
        "disable_tqdm": True, "log_level": "error", "eval_strategy": "no", "push_to_hub": False,
    }  # fmt: skip


def fingerprint(folder: Path) -> str:
    """A digest of the weights' sizes and of both ends of every file, where training changes something whatever it changes."""
    digest = blake2b(digest_size=8)
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(ENDS))
            file.seek(max(0, size - ENDS))
            digest.update(file.read(ENDS))
    return digest.hexdigest()


def processes(trainer: Trainer) -> PartialState:
    """The processes that train together, as the launcher set them up. UsageError where the hardware does not fit."""
    state = PartialState(cpu=not torch.cuda.is_available())
    if state.num_processes == 1 and torch.cuda.device_count() > 1:
        raise UsageError(
            f"{torch.cuda.device_count()} GPUs are visible to one process; run it under `accelerate launch`, a process each, "
            "or show it one of them (CUDA_VISIBLE_DEVICES=0)"
        )
    if trainer.precision == "bfloat16" and state.device.type == "cpu":
        raise UsageError(f"{trainer.name}: precision bfloat16 is for GPUs, and there is none; use float32")
    return state


def _usage(examples: Sequence[dict[str, Any]], plan_SB: NDArray[np.int64], parameters: int, compares: bool) -> list[Usage]:
    """Of each step: tokens read, without padding, and FLOPs at 6 per parameter and token; 2 more for the base model's pass over a row,
    where there is one, at the row's first use."""
    prompts = np.array([len(row["prompt"]) * len(row["responses"]) for row in examples])
    responses = np.array([sum(map(len, row["responses"])) for row in examples])
    first = np.zeros(plan_SB.size, bool)
    first[np.unique(plan_SB, return_index=True)[1]] = compares
    passes_SB = 6.0 + 2.0 * first.reshape(plan_SB.shape)
    tokens = prompts + responses
    return [
        Usage(int(prompts[row].sum()), 0, int(responses[row].sum()), float(parameters * (tokens[row] * passes).sum()))
        for row, passes in zip(plan_SB, passes_SB, strict=True)
    ]


def _keep_only(folder: Path, patterns: tuple[str, ...]) -> None:
    """Remove what the libraries wrote beside a model: pickled arguments, tokenizers written anew, cards of their own."""
    kept = {path for pattern in patterns for path in folder.glob(pattern)}
    for path in set(folder.iterdir()) - kept:
        path.unlink()


def _with_cache(path: Path) -> None:
    """Undo what training turned off in the config."""
    config = json.loads(path.read_text(encoding="utf-8")) | {"use_cache": True}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no logs of the libraries, no reports and no telemetry, whatever the environment asks for."""
    switches = {"HF_HUB_DISABLE_TELEMETRY": "1", "DISABLE_TELEMETRY": "1", "WANDB_DISABLED": "true", "TOKENIZERS_PARALLELISM": "false"}
    before = {name: os.environ.get(name) for name in switches}
    bars, level = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    os.environ.update(switches)
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*_checkpointing` is deprecated", FutureWarning)  # among the libraries themselves
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        transformers_logging.set_verbosity(level)
        transformers_logging.enable_progress_bar() if bars else None
