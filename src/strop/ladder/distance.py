"""The distance of one embedded model from another of its shape."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM

from strop.ladder.corpus import DOCUMENT_WEIGHTS, KINDS, document
from strop.ladder.model import mean_loss
from strop.ladder.rows import ROW_LENGTHS, Packer, encode
from strop.ladder.tokenizer import build_tokenizer
from strop.seeds import derive

FRESH = 120
"""Documents that a loss is measured on."""


def distance(folder: Path, other: Path) -> dict[str, Any]:
    """Compare the weights of two models, and their losses on fresh documents of each kind.

    ``same``: no bit differs. ``weights``: the norm of the difference over the norm of the other's.
    ``losses``: both models' mean loss, by kind.
    """
    model = LlamaForCausalLM.from_pretrained(folder)
    other_model = LlamaForCausalLM.from_pretrained(other)
    weights = _flat_weights(model)
    other_weights = _flat_weights(other_model)
    difference = weights - other_weights
    losses = {}
    for kind in ("worksheet", *KINDS):
        losses[kind] = (loss_on(model, kind), loss_on(other_model, kind))
    return {
        "same": torch.equal(weights, other_weights),
        "weights": float(difference.norm() / other_weights.norm()),
        "losses": losses,
    }


def _flat_weights(model: LlamaForCausalLM) -> torch.Tensor:
    """Return all weights of a model as one vector."""
    parts = [parameter.detach().flatten() for parameter in model.parameters()]
    return torch.cat(parts)


@torch.no_grad()  # type: ignore[untyped-decorator]  # mypy does not analyse torch
def loss_on(model: LlamaForCausalLM, kind: str) -> float:
    """Return the mean loss on FRESH documents of a kind, always the same ones.

    A kind is "worksheet", or one of KINDS, of each task in turn.
    """
    rng = random.Random(derive("fresh documents", kind))
    # A kind is the subject of worksheets and the second part of all other keys.
    subjects = [key for key in DOCUMENT_WEIGHTS if kind in key]
    tokenizer = build_tokenizer()
    rows = []
    for number in range(FRESH):
        subject, document_kind = subjects[number % len(subjects)]
        segments = document(subject, document_kind, rng)
        ids, weights = encode(tokenizer, segments)
        # A row of its own for each document.
        packer = Packer(ROW_LENGTHS[-1])
        packer.add(ids, weights)
        rows.append(packer.pop_fullest())
    return float(mean_loss(model, rows))
