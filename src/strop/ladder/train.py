"""Pre-train an embedded model from scratch (``strop ladder train NAME``).

The model is a Llama of transformers, its documents are packed into rows, and its optimisers are
Muon and AdamW with a cosine schedule. This needs the ``hf`` extra; everything else of strop runs
the result with NumPy alone. Training uses one thread, so the same machine makes the same weights
again; run several seeds side by side to use more cores.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaForCausalLM

from strop.engines.base import training_flops
from strop.errors import UsageError
from strop.json_files import read_json
from strop.ladder.corpus import FAMILIES, IMPERFECTIONS, Stream
from strop.ladder.model import mean_loss, new_model, tokens_in, write_model
from strop.ladder.muon import Muon
from strop.ladder.recipes import Recipe
from strop.ladder.rows import PackedRow, batches
from strop.ladder.tokenizer import build_tokenizer

EARLY_SHARE = 0.15
"""Share of the tokens that come from the early mix, at the beginning of a training."""
WARM_UP_STEPS = 80
FINAL_RATE_SHARE = 0.05
"""The learning rate at the end, as a share of the recipe's."""
CHECKPOINT_STEPS = 500
"""A checkpoint is written, and the progress reported, every so many steps."""
CHECKPOINT = "training.pt"
CARD = "card.json"

Say = Callable[[str], None]


@dataclass
class Training:
    """The state of a training: everything that a checkpoint holds.

    The corpus is not part of it: its stream is replayed up to ``seen``, the tokens read so far.
    ``losses`` are those of the last CHECKPOINT_STEPS steps.
    """

    recipe: Recipe
    model: LlamaForCausalLM
    optimizers: list[torch.optim.Optimizer]
    steps: int = 0
    seen: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)

    @classmethod
    def begin(cls, recipe: Recipe) -> Training:
        """Start with Muon for the matrices inside layers and AdamW for embeddings and norms."""
        model = new_model(recipe)
        inner: list[torch.nn.Parameter] = []
        outer: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            # Orthogonalisation suits matrices between layers; embeddings are rows of a table.
            is_inner_matrix = parameter.dim() == 2 and "embed" not in name
            if is_inner_matrix:
                inner.append(parameter)
            else:
                outer.append(parameter)
        muon = Muon(inner, lr=recipe.muon_rate)
        adam = torch.optim.AdamW(outer, lr=recipe.adam_rate, betas=(0.9, 0.98), weight_decay=0.05)
        return cls(recipe, model, [muon, adam])

    @property
    def progress(self) -> float:
        """The share of the recipe's tokens that the model has seen."""
        return self.seen / self.recipe.tokens

    def rows(self) -> Iterator[list[PackedRow]]:
        """Yield the batches from here on.

        The documents of a stream depend on its seed and on the end of the early stretch alone, so a
        resumed training replays the stream from its beginning.
        """
        seen = 0
        stream = Stream(self.recipe.seed, self.recipe.family)

        def early() -> Iterator[bool]:
            # The stream asks before each document; ``seen`` grows below.
            while True:
                yield seen < EARLY_SHARE * self.recipe.tokens

        for batch in batches(build_tokenizer(), stream.documents(early())):
            # Skipped documents are drawn too: later ones depend on the same random numbers.
            if seen >= self.seen:
                yield batch
            seen += tokens_in(batch)

    def step(self, batch: list[PackedRow]) -> None:
        """Make one update."""
        self._set_rates()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = mean_loss(self.model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.steps += 1
        self.seen += tokens_in(batch)
        # The mean over these is what the card and the progress line report.
        self.losses = [*self.losses[1 - CHECKPOINT_STEPS :], loss.item()]

    def _set_rates(self) -> None:
        """Set the learning rates: a linear warm-up, times a cosine from 1 to FINAL_RATE_SHARE.

        The warm-up counts steps and the cosine tokens: a resumed training continues both.
        """
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress))
        decay = FINAL_RATE_SHARE + (1 - FINAL_RATE_SHARE) * cosine
        warm_up = min(1.0, (self.steps + 1) / WARM_UP_STEPS)
        rates = (self.recipe.muon_rate, self.recipe.adam_rate)
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * warm_up * decay

    def store(self, folder: Path) -> None:
        """Write the checkpoint; a kill leaves the old one or the new one."""
        state = {
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "steps": self.steps,
            "seen": self.seen,
            "seconds": self.seconds,
            "losses": self.losses,
        }
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{CHECKPOINT}.partial"
        torch.save(state, partial)
        os.replace(partial, folder / CHECKPOINT)

    @classmethod
    def restore(cls, recipe: Recipe, folder: Path) -> Training:
        """Return the training of the folder's checkpoint, or a new one.

        UsageError if the checkpoint is of another recipe.
        """
        training = cls.begin(recipe)
        path = folder / CHECKPOINT
        if not path.exists():
            return training
        # A checkpoint is data: nothing in it may run code.
        state = torch.load(path, weights_only=True)
        if state["recipe"] != asdict(recipe):
            raise UsageError(
                f"{path} is a checkpoint of another recipe, tokens or seed; choose another --out"
            )
        training.model.load_state_dict(state["model"])
        for optimizer, stored in zip(training.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        training.steps = state["steps"]
        training.seen = state["seen"]
        training.seconds = state["seconds"]
        training.losses = state["losses"]
        return training


def train(
    recipe: Recipe, folder: Path, keep_every: int | None = None, say: Say = print
) -> dict[str, Any]:
    """Train a model, write it as a Hugging Face folder, and return its card.

    A stopped training resumes from its checkpoint. ``keep_every``: also keep the model each time it
    has seen this many more tokens, in ``folder/tokens-N``: a second axis of compute.
    """
    if (folder / CARD).exists():
        return _finished_card(recipe, folder)
    # Sums in several threads add up in another order, and the weights would differ.
    torch.set_num_threads(1)
    training = Training.restore(recipe, folder)
    last = time.monotonic()
    for batch in training.rows():
        if training.seen >= recipe.tokens:
            break
        before = training.seen
        training.step(batch)
        now = time.monotonic()
        training.seconds += now - last
        last = now
        if keep_every and before // keep_every < training.seen // keep_every:
            reached = training.seen // keep_every * keep_every
            save(training, folder / f"tokens-{reached}")
        if training.steps % CHECKPOINT_STEPS == 0:
            training.store(folder)
            say(_progress_line(training))
    card = save(training, folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return card


def _finished_card(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Return the card of a finished model. UsageError if it is of another recipe."""
    card: dict[str, Any] = read_json(folder / CARD, needs=("recipe",))
    if card["recipe"] != asdict(recipe):
        raise UsageError(
            f"{folder} holds a model of another recipe, tokens or seed; choose another --out"
        )
    return card


def _progress_line(training: Training) -> str:
    """Return the tokens read so far, the mean loss since the last checkpoint, and the speed."""
    name = training.recipe.name
    seen = training.seen / 1e6
    planned = training.recipe.tokens / 1e6
    loss = np.mean(training.losses)
    rate = training.seen / training.seconds
    return f"{name}: {seen:.2f}M of {planned:.0f}M tokens, loss {loss:.4f}, {rate:,.0f} tokens/s"


def save(training: Training, folder: Path) -> dict[str, Any]:
    """Write config, weights, tokenizer, and last the card, which is returned."""
    recipe, model = training.recipe, training.model
    write_model(model, folder)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    card = {
        "name": recipe.name,
        "family": recipe.family,
        "parameters": parameters,
        "tokens": training.seen,
        "flops": training_flops(parameters, training.seen),
        "loss": round(float(np.mean(training.losses)), 4),
        "seconds": round(training.seconds),
        "recipe": asdict(recipe),
        "corpus": FAMILIES[recipe.family].description,
        "imperfections": IMPERFECTIONS,
        "licence": "Apache-2.0",
    }
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n")
    return card
