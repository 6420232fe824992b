"""One fit: from rows to a trained folder, with checkpoints that a killed fit resumes from.

``fit_folder`` describes the files.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from accelerate import PartialState
from datasets import Dataset
from transformers import PrinterCallback

from strop.distill.card import write_card, write_record
from strop.distill.examples import Example, encode, length
from strop.distill.fit_folder import RECORD, FitFolder
from strop.distill.hf_trainers import Parts
from strop.distill.loading import load
from strop.distill.rows import Row, Weighted
from strop.distill.runtime import arguments, processes, quiet
from strop.distill.saving import fingerprint, move_contents, write_model
from strop.distill.scoring import score
from strop.distill.settings import TrainerSettings
from strop.distill.steps import Steps, plan, step_usages
from strop.errors import UsageError
from strop.progress import Watcher
from strop.records import Usage


@dataclass(frozen=True)
class Start:
    """The model that a fit starts from, and the rows that are short enough, with their tokens."""

    model: Any
    tokenizer: Any
    rows: Sequence[Row]
    examples: Sequence[Example]
    too_long: int


@dataclass(frozen=True)
class Fit:
    """One call of ``Trainer.fit``."""

    trainer: TrainerSettings
    model: Path
    rows: Sequence[Row]
    out: Path
    base: Path
    data: str

    @property
    def folder(self) -> FitFolder:
        return FitFolder(self.out)

    def run(self, watcher: Watcher) -> Path:
        """Start the fit, resume it, or find it finished; return the folder of the model.

        Every process runs this; the main one writes.
        """
        kept = self._kept_rows()
        state = processes(self.trainer)
        identity = self._identity(kept)
        finished = self.folder.is_finished(identity)
        # Nobody may write before everybody has looked.
        state.wait_for_everyone()
        if not finished:
            with quiet():
                # Before the lock: bad rows and models must leave no folder behind.
                start = self._start(kept)
                with self.folder.lock() if state.is_main_process else nullcontext():
                    if state.is_main_process:
                        self.folder.begin(identity)
                    state.wait_for_everyone()
                    self._train(start, identity, watcher, state)
                    state.wait_for_everyone()
        if state.is_main_process:
            self.folder.remove_work()
        state.wait_for_everyone()
        return self.out

    def _kept_rows(self) -> list[Row]:
        """Return the rows with some weight. UsageError for rows of another type, or none left."""
        expected = self.trainer.row
        for row in self.rows:
            if not isinstance(row, expected):
                raise UsageError(
                    f"{self.trainer.name} got a row of type {type(row).__name__}; "
                    f"expected {expected.__name__}"
                )
        kept = [row for row in self.rows if not (isinstance(row, Weighted) and row.weight == 0)]
        if not kept:
            raise UsageError(
                f"{self.trainer.name} got no row to train on (of {len(self.rows)}, none has any "
                "weight); keep more responses"
            )
        return kept

    def _identity(self, kept: Sequence[Row]) -> dict[str, Any]:
        """Return what distinguishes this fit from another one in the same folder."""
        # Rows are frozen dataclasses of plain data, so their repr tells them apart completely.
        return {
            "trainer": self.trainer.name,
            "settings": self.trainer.settings(),
            "rows": blake2b(repr(kept).encode(), digest_size=8).hexdigest(),
            "model": fingerprint(self.model),
            "base": fingerprint(self.base),
        }

    def _start(self, kept: Sequence[Row]) -> Start:
        """Load the model, and encode the rows that are not too long."""
        model, tokenizer = load(self.model)
        # Training never reads the key-value cache, and gradient checkpointing cannot have one.
        model.config.use_cache = False
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        limit = min(filter(None, (self.trainer.max_length, positions)), default=None)
        rows: list[Row] = []
        examples: list[Example] = []
        for row, example in zip(kept, encode(kept, model, tokenizer), strict=True):
            if limit is None or length(example) <= limit:
                rows.append(row)
                examples.append(example)
        if not rows:
            raise UsageError(
                f"{self.trainer.name}: every one of {len(kept)} rows is longer than {limit} "
                "tokens; raise max_length"
            )
        for example, number in zip(examples, self.trainer.numbers(rows), strict=True):
            example["number"] = number
        return Start(model, tokenizer, rows, examples, len(kept) - len(rows))

    def _train(
        self, start: Start, identity: dict[str, Any], watcher: Watcher, state: PartialState
    ) -> None:
        """Prepare the loop, run it from the last checkpoint on, and write the folder."""
        trainer = self.trainer
        began = time.perf_counter()
        plan_SB = plan(len(start.examples), trainer)
        if trainer.needs_base:
            self._add_base_logprobs(start, sorted(set(plan_SB.ravel().tolist())))
        reference = load(self.base)[0] if trainer.needs_reference else None
        parameters = int(start.model.num_parameters())
        usages = step_usages(
            start.examples, plan_SB, parameters, trainer.needs_base, trainer.needs_reference
        )
        parts = Parts(
            trainer,
            start.model,
            start.tokenizer,
            # The data set holds the rows in the order in which the steps read them.
            Dataset.from_list(list(start.examples)).select(plan_SB.ravel(), keep_in_memory=True),
            arguments(trainer, self.folder.work, len(plan_SB), state),
            [Steps(watcher, usages, state, self._snapshot)],
            reference,
        )
        loop = trainer.loop(parts)
        # It would print every log; strop reports through the watcher.
        loop.remove_callback(PrinterCallback)
        seconds_preparing = time.perf_counter() - began
        checkpoint = self.folder.last_checkpoint()
        loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        record = {
            **identity,
            "model_name": self.model.resolve().name,
            "parameters": parameters,
            "processes": state.num_processes,
            "device": state.device.type,
            "data": self.data,
            "rows_given": len(self.rows),
            "rows_without_weight": len(self.rows) - len(start.examples) - start.too_long,
            "rows_too_long": start.too_long,
            "rows_trained": len(start.examples),
            "problems": sorted({row.problem for row in start.rows}),
            "seconds_preparing": seconds_preparing,
        }
        self._save(loop, record, usages, state)

    def _add_base_logprobs(self, start: Start, used: Sequence[int]) -> None:
        """Store the base model's log-probabilities in the examples that some step reads."""
        model, tokenizer = start.model, start.tokenizer
        # The model before its first step is its own base.
        if fingerprint(self.base) != fingerprint(self.model):
            model, tokenizer = load(self.base)
        examples = [start.examples[index] for index in used]
        scores = score(model, tokenizer, examples, self.trainer.precision == "bfloat16")
        for example, base in zip(examples, scores, strict=True):
            example["base"] = base

    def _snapshot(self, model: Any, step: int) -> None:
        """Keep the model after this step, if snapshots are due and there is none yet."""
        every = self.trainer.snapshot_every
        folder = self.folder.snapshots / f"{step:06d}"
        if not every or step % every or folder.exists():
            return
        partial = folder.with_name("partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write_model(model, self.model, partial)
        partial.replace(folder)

    def _save(
        self, loop: Any, record: dict[str, Any], usages: list[Usage], state: PartialState
    ) -> None:
        """Write the folder aside, then move it into place, training.json last."""
        # All processes take part in gathering the weights; the main one alone writes them.
        weights = None if self.trainer.lora_rank else loop.accelerator.get_state_dict(loop.model)
        if not state.is_main_process:
            return
        folder = self.folder.work / "folder"
        folder.mkdir(exist_ok=True)
        write_model(loop.accelerator.unwrap_model(loop.model), self.model, folder, weights)
        history = [entry for entry in loop.state.log_history if "loss" in entry]
        write_card(folder, self.trainer, record, history)
        write_record(folder, record, history, usages)
        if self.folder.snapshots.exists():
            self.folder.snapshots.replace(folder / "steps")
        move_contents(folder, self.out, last=RECORD)
