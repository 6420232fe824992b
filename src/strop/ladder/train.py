"""Pre-train an embedded model from scratch: a Llama of transformers, documents packed into rows, Muon and AdamW, cosine schedule.

``strop ladder train NAME`` runs this. It needs the ``hf`` extra; everything else of strop runs the result with NumPy alone. Training is
one thread, so that the same machine makes the same weights again; run several seeds side by side for more cores.
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from strop.engines.base import training_flops
from strop.errors import UsageError
from strop.ladder.corpus import DOCUMENT_WEIGHTS, FAMILIES, IMPERFECTIONS, KINDS, Stream, document
from strop.ladder.muon import Muon
from strop.ladder.recipes import Recipe
from strop.ladder.rows import ROW_LENGTHS, Packer, Row, batches, encode
from strop.ladder.tokenizer import VOCABULARY_SIZE, build_tokenizer
from strop.seeds import derive

EARLY_SHARE = 0.15
WARM_UP_STEPS = 80
FINAL_RATE_SHARE = 0.05
CHECKPOINT_STEPS = 500
CHECKPOINT = "training.pt"
MAX_POSITIONS = 1024
FRESH = 120

Say = Callable[[str], None]


def new_model(recipe: Recipe) -> LlamaForCausalLM:
    """A freshly initialised model of the recipe's shape."""
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.feed_forward,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_value_heads,
        head_dim=recipe.head_size,
        max_position_embeddings=MAX_POSITIONS,
        rms_norm_eps=1e-6,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            residual = name.endswith(("o_proj.weight", "down_proj.weight"))
            scale = (
                0.02
                if "embed" in name
                else parameter.shape[1] ** -0.5 / (math.sqrt(2 * recipe.layers) if residual else 1)
            )
            torch.nn.init.normal_(parameter, std=scale)
    return model


@dataclass
class Training:
    """A model on its way: everything that a checkpoint holds. The corpus is not in it: its stream is replayed to ``seen``."""

    recipe: Recipe
    model: LlamaForCausalLM
    optimizers: list[torch.optim.Optimizer]
    steps: int = 0
    seen: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)

    @classmethod
    def begin(cls, recipe: Recipe) -> Training:
        """Muon for the matrices between the layers, AdamW for embeddings and norms."""
        model = new_model(recipe)
        inner = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
        outer = [p for name, p in model.named_parameters() if p.dim() != 2 or "embed" in name]
        adam = torch.optim.AdamW(outer, lr=recipe.adam_rate, betas=(0.9, 0.98), weight_decay=0.05)
        return cls(recipe, model, [Muon(inner, lr=recipe.muon_rate), adam])

    @property
    def progress(self) -> float:
        """Share of the recipe's tokens seen."""
        return self.seen / self.recipe.tokens

    def rows(self) -> Iterator[list[Row]]:
        """The batches from here on: a stream's documents depend on its seed and on where the early stretch ends, on nothing else."""
        seen = 0
        stream = Stream(self.recipe.seed, self.recipe.family)

        def early() -> Iterator[bool]:
            while True:
                yield seen < EARLY_SHARE * self.recipe.tokens

        for batch in batches(build_tokenizer(), stream.documents(early())):
            if seen >= self.seen:
                yield batch
            seen += tokens_in(batch)

    def step(self, batch: list[Row]) -> None:
        """One update."""
        cosine = FINAL_RATE_SHARE + (1 - FINAL_RATE_SHARE) * 0.5 * (
            1 + math.cos(math.pi * self.progress)
        )
        for optimizer, rate in zip(
            self.optimizers, (self.recipe.muon_rate, self.recipe.adam_rate), strict=True
        ):
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (self.steps + 1) / WARM_UP_STEPS) * cosine
        loss = mean_loss(self.model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self.steps, self.seen = self.steps + 1, self.seen + tokens_in(batch)
        self.losses = [*self.losses[1 - CHECKPOINT_STEPS :], loss.item()]

    def store(self, folder: Path) -> None:
        """Write the checkpoint; a kill leaves the old one or the new one."""
        state = {
            "recipe": asdict(self.recipe),
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
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
        """From the checkpoint, if there is one. UsageError if it is of another recipe."""
        training = cls.begin(recipe)
        path = folder / CHECKPOINT
        if not path.exists():
            return training
        state = torch.load(path, weights_only=True)
        if state["recipe"] != asdict(recipe):
            raise UsageError(
                f"{path} is a checkpoint of another recipe, tokens or seed; choose another --out"
            )
        training.model.load_state_dict(state["model"])
        for optimizer, stored in zip(training.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(stored)
        training.steps, training.seen, training.seconds, training.losses = (
            state[name] for name in ("steps", "seen", "seconds", "losses")
        )
        return training


def train(
    recipe: Recipe, folder: Path, keep_every: int | None = None, say: Say = print
) -> dict[str, Any]:
    """Train a rung and write it as a Hugging Face folder with its card, which is returned. A stopped training goes on at its checkpoint.

    ``keep_every``: also keep the model as it is after each so many tokens, in ``folder/tokens-N``: a second axis of compute.
    """
    finished = folder / "card.json"
    if finished.exists():
        card: dict[str, Any] = json.loads(finished.read_text())
        if card["recipe"] != asdict(recipe):
            raise UsageError(
                f"{folder} holds a model of another recipe, tokens or seed; choose another --out"
            )
        return card
    torch.set_num_threads(1)
    training = Training.restore(recipe, folder)
    last = time.monotonic()
    for batch in training.rows():
        if training.seen >= recipe.tokens:
            break
        before = training.seen
        training.step(batch)
        training.seconds, last = training.seconds + time.monotonic() - last, time.monotonic()
        if keep_every and before // keep_every < training.seen // keep_every:
            save(training, folder / f"tokens-{training.seen // keep_every * keep_every}")
        if training.steps % CHECKPOINT_STEPS == 0:
            training.store(folder)
            loss, rate = np.mean(training.losses), training.seen / training.seconds
            say(
                f"{recipe.name}: {training.seen / 1e6:.2f}M of {recipe.tokens / 1e6:.0f}M tokens, loss {loss:.4f}, {rate:,.0f} tokens/s"
            )
    card = save(training, folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return card


def tokens_in(batch: list[Row]) -> int:
    """Tokens of a batch, padding aside."""
    return sum(token > 0 for ids, _, _ in batch for token in ids)


def mean_loss(model: LlamaForCausalLM, batch: list[Row]) -> torch.Tensor:
    """Weighted cross-entropy; a document attends to itself only."""
    ids, weights, numbers = (torch.tensor(column) for column in zip(*batch, strict=True))
    inputs, document = ids[:, :-1], numbers[:, :-1]
    length = inputs.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    mask = ((document[:, :, None] == document[:, None, :]) & causal)[:, None]
    logits = model(input_ids=inputs, attention_mask=mask, use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    wanted = weights[:, 1:].flatten()
    return (losses * wanted).sum() / wanted.sum()


def save(training: Training, folder: Path) -> dict[str, Any]:
    """Write config, weights, tokenizer, and last the card."""
    recipe, model = training.recipe, training.model
    model.save_pretrained(folder)
    build_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": MAX_POSITIONS,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")
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
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    return card


def distance(folder: Path, other: Path) -> dict[str, Any]:
    """How far one model is from another of its shape: its weights, and its loss on fresh documents of each kind.

    ``weights``: the norm of the difference over the norm of the other's; ``same``: no difference in any bit.
    """
    models = [LlamaForCausalLM.from_pretrained(path) for path in (folder, other)]
    own, theirs = (
        torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
        for model in models
    )
    losses = {
        kind: tuple(loss_on(model, kind) for model in models) for kind in ("worksheet", *KINDS)
    }
    return {
        "same": torch.equal(own, theirs),
        "weights": float((own - theirs).norm() / theirs.norm()),
        "losses": losses,
    }


@torch.no_grad()  # type: ignore[untyped-decorator]  # mypy does not analyse torch
def loss_on(model: LlamaForCausalLM, kind: str) -> float:
    """Mean loss on FRESH documents of a kind (of each task, or worksheets), always the same ones."""
    rng = random.Random(derive("fresh documents", kind))
    wanted = [key for key in DOCUMENT_WEIGHTS if kind in key]
    tokenizer, length = build_tokenizer(), ROW_LENGTHS[-1]
    packers = [Packer(length, []) for _ in range(FRESH)]
    for number, packer in enumerate(packers):
        packer.add(*encode(tokenizer, document(*wanted[number % len(wanted)], rng)))
    return float(mean_loss(model, [packer.pop_fullest() for packer in packers]))
