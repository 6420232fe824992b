"""Estimate how many rows of a model fit into memory, from the model's shape.

If the estimate is too high, the engine runs out of memory and halves its batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CPU_BYTES = 2 * 2**30
GPU_SHARE = 0.6
"""Of the free memory: a growing cache is copied layer by layer, and the allocator leaves gaps."""
LOGIT_BYTES = 48
"""Per token of the vocabulary: logits, and probabilities in float64, which are summed, compared,
and copied for the rows that are redrawn."""
MASK_BYTES = 2
"""Per pair of tokens of a prefill."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that a model needs in addition to its weights.

    ``cached_token``: per cached token; ``prefill_token``: per token of a prefill; ``logits``: per
    position whose logits are read.
    """

    cached_token: int
    prefill_token: int
    logits: int

    @classmethod
    def of(cls, config: Any, item_bytes: int) -> Footprint:
        """Return the footprint for a model's text configuration and the bytes of one number."""
        heads = attention_heads(config)
        hidden = int(config.hidden_size)
        key_heads = getattr(config, "num_key_value_heads", None) or heads
        # Keys and values.
        cached = 2 * int(config.num_hidden_layers) * key_heads * head_size(config) * item_bytes
        inner = getattr(config, "intermediate_size", None) or 4 * hidden
        if isinstance(inner, list | tuple):  # one width per layer
            inner = max(inner)
        prefill = cached + (6 * hidden + 3 * int(inner)) * item_bytes
        return cls(cached, prefill, LOGIT_BYTES * int(config.vocab_size))

    def rows_that_fit(
        self, memory: float, prompts: int, prompt_tokens: int, new_tokens: int, positions: int
    ) -> int:
        """Return how many rows fit that share ``prompts`` prefilled prompts.

        All prompts are padded to ``prompt_tokens``. ``positions``: the number of positions of a row
        whose logits are in memory at once. At least 1: a single row is always tried.
        """
        # A prefill holds a mask over all pairs of tokens; a row repeats the prompt in its cache.
        mask = MASK_BYTES * prompt_tokens
        left = memory - prompts * prompt_tokens * (self.prefill_token + mask)
        row = (prompt_tokens + new_tokens) * self.cached_token + positions * self.logits
        return max(1, int(left // row))


def pace(device: Any) -> tuple[int, float]:
    """Return how many rows a fast batch needs at least, and FLOPs per second; both roughly."""
    return (32, 2e10) if device.type == "cpu" else (1024, 1e13)


def memory_left(torch: Any, device: Any) -> float:
    """Return the bytes that a batch may take: a share of a GPU's free memory, else a constant."""
    if device.type != "cuda":
        return float(CPU_BYTES)
    free, _ = torch.cuda.mem_get_info(device)
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return GPU_SHARE * float(free + reserved)


def attention_heads(config: Any) -> int:
    """Return the number of query heads; 0 for a model without attention."""
    return int(getattr(config, "num_attention_heads", None) or 0)


def head_size(config: Any) -> int:
    """Return the size of a query of one head; 0 for a model without attention."""
    heads = attention_heads(config)
    if not heads:
        return 0
    return int(getattr(config, "head_dim", None) or config.hidden_size // heads)


def attention_width(config: Any) -> int:
    """Return layers x query heads x head size, the measure of attention's FLOPs."""
    return int(config.num_hidden_layers) * attention_heads(config) * head_size(config)


def is_shortage(torch: Any, error: RuntimeError) -> bool:
    """Return whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    message = str(error)
    return "not enough memory" in message or "can't allocate memory" in message
