"""The embedded models in PyTorch: a fresh one, its loss on packed rows, and its folder."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from strop.ladder.recipes import Recipe
from strop.ladder.rows import PackedRow
from strop.ladder.tokenizer import VOCABULARY_SIZE, build_tokenizer

MAX_POSITIONS = 1024


def new_model(recipe: Recipe) -> LlamaForCausalLM:
    """Return a freshly initialised model of the recipe's shape."""
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
    # Norms (vectors) keep their initial ones. Drawing in the order of the parameters is part of
    # what a recipe's seed means.
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            scale = _initial_scale(name, parameter, recipe.layers)
            torch.nn.init.normal_(parameter, std=scale)
    return model


def _initial_scale(name: str, matrix: torch.Tensor, layers: int) -> float:
    """Return the standard deviation of a matrix's initial weights."""
    if "embed" in name:
        return 0.02
    scale = float(matrix.shape[1] ** -0.5)
    if name.endswith(("o_proj.weight", "down_proj.weight")):
        # These add to the residual stream, twice a layer: its variance shall not grow with depth.
        scale /= math.sqrt(2 * layers)
    return scale


def tokens_in(batch: list[PackedRow]) -> int:
    """Return the number of tokens of a batch without padding, whose id is 0."""
    tokens = 0
    for row in batch:
        tokens += sum(token > 0 for token in row.ids)
    return tokens


def mean_loss(model: LlamaForCausalLM, batch: list[PackedRow]) -> torch.Tensor:
    """Return the weighted cross-entropy; a document attends to itself only.

    Every token is predicted from those before it in its document, and counts by its loss weight:
    sum(w loss) / sum(w) over the batch, in nats.
    """
    ids = torch.tensor([row.ids for row in batch])
    weights = torch.tensor([row.weights for row in batch])
    documents = torch.tensor([row.documents for row in batch])
    # The token at each position is the target of the one before it: the last has none to predict.
    inputs = ids[:, :-1]
    targets = ids[:, 1:]
    documents = documents[:, :-1]
    length = inputs.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    same_document = documents[:, :, None] == documents[:, None, :]
    mask = (same_document & causal)[:, None]  # one mask for all heads
    logits = model(input_ids=inputs, attention_mask=mask, use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction="none"
    )
    target_weights = weights[:, 1:].flatten()
    weighted = losses * target_weights
    return weighted.sum() / target_weights.sum()


def write_model(model: LlamaForCausalLM, folder: Path) -> None:
    """Write config, weights and tokenizer as a Hugging Face folder."""
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
