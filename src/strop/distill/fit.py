"""One fit: rows to a trained folder, through checkpoints that a killed fit goes on from.

out/                      config.json, model.safetensors, tokenizer: an ordinary Hugging Face folder, there only when the fit is finished
    adapter/              the LoRA adapter alone, whose sum with the base model the folder holds
    README.md             the model card                 training.json  settings, loss by step, tokens, FLOPs; written last
    fit/                  while it runs: what was asked (asked.json), checkpoints, the folder being written; removed at the end
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import filelock
from accelerate import PartialState
from datasets import Dataset
from transformers import PrinterCallback

from strop.distill.base import Row, Trainer, Watcher, Weighted
from strop.distill.card import write_card, write_record
from strop.distill.hf_trainers import Parts
from strop.distill.runtime import arguments, processes, quiet
from strop.distill.saving import fingerprint, move_contents, write_model
from strop.distill.scoring import encode, load, longest, score
from strop.distill.steps import DONE, Steps, plan, step_usages
from strop.errors import RunLockedError, RunMismatchError, StoreError, UsageError
from strop.records import Usage


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
                raise UsageError(
                    f"{self.trainer.name} got a row of type {type(row).__name__}; expected {self.trainer.row.__name__}"
                )
        kept = [row for row in self.rows if not (isinstance(row, Weighted) and row.weight == 0)]
        if not kept:
            raise UsageError(
                f"{self.trainer.name} got no row to train on (of {len(self.rows)}, none has any weight); keep more responses"
            )
        return kept

    # The folder

    def _asked(self, kept: Sequence[Row]) -> dict[str, Any]:
        """What tells this fit from another one in the same folder."""
        rows = blake2b(repr(kept).encode(), digest_size=8).hexdigest()
        models = {"model": fingerprint(self.model), "base": fingerprint(self.base)}
        return {
            "trainer": self.trainer.name,
            "settings": self.trainer.settings(),
            "rows": rows,
        } | models

    def _finished(self, asked: dict[str, Any]) -> bool:
        """Whether the folder holds this very fit. RunMismatchError where it holds another one, or something else."""
        if not self.out.exists():
            return False
        if not self.out.is_dir():
            raise StoreError(
                f"{self.out} is a file, expected a folder for the trained model; choose another one"
            )
        for path in (self.out / "training.json", self.work / "asked.json"):
            if path.exists() and (path.parent == self.out or self._last_checkpoint()):
                there = json.loads(path.read_text(encoding="utf-8"))
                if different := [name for name, value in asked.items() if there.get(name) != value]:
                    raise RunMismatchError(
                        f"{self.out} holds another fit (other {', '.join(different)}); choose another folder"
                    )
                return path.name == "training.json"
        if foreign := sorted(path.name for path in self.out.iterdir() if path.name != "fit"):
            raise RunMismatchError(
                f"{self.out} is not empty and holds no fit ({foreign[0]}); choose another folder"
            )
        return False

    @contextmanager
    def _writing(self, is_main: bool) -> Iterator[None]:
        """Hold the folder's lock, in the main process."""
        if not is_main:
            yield
            return
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(self.work / ".lock", timeout=0):
                yield
        except filelock.Timeout:
            raise RunLockedError(
                f"another process is training in {self.out}; wait for it, or choose another folder"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{self.out} cannot be written ({error}); free some space or choose another folder, and run it again"
            ) from error

    def _begin(self, asked: dict[str, Any]) -> None:
        """Note what was asked, and clear away what a killed fit left half written."""
        for path in self.work.iterdir():
            if path.name.startswith("checkpoint-") and not (path / DONE).exists():
                shutil.rmtree(path)
        shutil.rmtree(self.work / "folder", ignore_errors=True)
        reached = _step(self._last_checkpoint())
        for snapshot in self.work.glob("steps/*"):
            if not snapshot.name.isdigit() or int(snapshot.name) > reached:
                shutil.rmtree(snapshot)
        partial = self.work / "asked.json.partial"
        partial.write_text(json.dumps(asked), encoding="utf-8")
        partial.replace(self.work / "asked.json")

    def _last_checkpoint(self) -> Path | None:
        """The latest checkpoint that was written whole."""
        return max(
            (path.parent for path in self.work.glob(f"checkpoint-*/{DONE}")),
            key=_step,
            default=None,
        )

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
            raise UsageError(
                f"{self.trainer.name}: every one of {len(kept)} rows is longer than {limit} tokens; raise max_length"
            )
        rows, examples = zip(*fitting, strict=True)
        for example, number in zip(examples, self.trainer.numbers(rows), strict=True):
            example["number"] = number
        return Start(model, tokenizer, rows, examples, len(kept) - len(rows))

    def _train(
        self, start: Start, asked: dict[str, Any], watcher: Watcher, state: PartialState
    ) -> None:
        trainer, began = self.trainer, time.perf_counter()
        model, tokenizer, examples = start.model, start.tokenizer, start.examples
        plan_SB = plan(len(examples), trainer)
        if trainer.needs_base:
            read = [examples[place] for place in sorted(set(plan_SB.ravel().tolist()))]
            for row, base in zip(read, self._base_logprobs(model, tokenizer, read), strict=True):
                row["base"] = base
        parameters = int(model.num_parameters())
        reference = load(self.base)[0] if trainer.needs_reference else None
        usages = step_usages(
            examples, plan_SB, parameters, trainer.needs_base, trainer.needs_reference
        )
        steps = Steps(watcher, usages, state, self._snapshot)
        rows = Dataset.from_list(list(examples)).select(plan_SB.ravel(), keep_in_memory=True)
        settings = arguments(trainer, self.work, len(plan_SB), state)
        loop = trainer.loop(Parts(trainer, model, tokenizer, rows, settings, [steps], reference))
        loop.remove_callback(PrinterCallback)
        prepared = time.perf_counter() - began
        last = self._last_checkpoint()
        loop.train(resume_from_checkpoint=str(last) if last else None)
        counted = {
            "rows_given": len(self.rows),
            "rows_without_weight": len(self.rows) - len(examples) - start.too_long,
            "rows_too_long": start.too_long,
            "rows_trained": len(examples),
            "problems": sorted({row.problem for row in start.rows}),
        }
        record = {
            **asked,
            "model_name": self.model.resolve().name,
            "parameters": parameters,
            "processes": state.num_processes,
            "device": state.device.type,
            "data": self.data,
            **counted,
            "seconds_preparing": prepared,
        }
        self._save(loop, record, usages, state)

    def _base_logprobs(
        self, model: Any, tokenizer: Any, examples: Sequence[dict[str, Any]]
    ) -> list[list[float]]:
        """Of the base model where it is another one, else of the model before its first step."""
        if fingerprint(self.base) != fingerprint(self.model):
            model, tokenizer = load(self.base)
        return score(model, tokenizer, examples, self.trainer.precision == "bfloat16")

    def _snapshot(self, model: Any, step: int) -> None:
        """Keep the model as it is after this step, if it is one of those to be kept."""
        every, folder = self.trainer.snapshot_every, self.work / "steps" / f"{step:06d}"
        if every and step % every == 0 and not folder.exists():
            partial = folder.with_name("partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            write_model(model, self.model, partial)
            partial.replace(folder)

    def _save(
        self, loop: Any, record: dict[str, Any], usages: list[Usage], state: PartialState
    ) -> None:
        """Write the folder aside, then move it into place: training.json comes last."""
        weights = None if self.trainer.lora_rank else loop.accelerator.get_state_dict(loop.model)
        if not state.is_main_process:
            return
        folder = self.work / "folder"
        folder.mkdir(exist_ok=True)
        write_model(loop.accelerator.unwrap_model(loop.model), self.model, folder, weights)
        history = [entry for entry in loop.state.log_history if "loss" in entry]
        write_card(folder, self.trainer, record, history)
        write_record(folder, record, history, usages)
        if (self.work / "steps").exists():
            (self.work / "steps").replace(folder / "steps")
        move_contents(folder, self.out, last="training.json")


def _step(checkpoint: Path | None) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-")) if checkpoint else 0
