"""How many rows of a model fit into memory: an estimate from its shape. Where it is too bold, the engine halves its batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CPU_BYTES = 2 * 2**30
GPU_SHARE = 0.6
"""Of the free memory: a growing cache is copied layer by layer, and the allocator leaves gaps."""
LOGIT_BYTES = 48
"""For each token of the vocabulary: logits, and probabilities in float64, summed, compared and copied for the rows that are redrawn."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that a model needs beside its weights: for each cached token, each token of a prefill, and each place whose logits are read."""

    cached_token: int
    prefill_token: int
    logits: int

    @classmethod
    def of(cls, config: Any, item_bytes: int) -> Footprint:
        """From the text configuration of a model whose numbers take ``item_bytes``."""
        heads, hidden = attention_heads(config), int(config.hidden_size)
        key_heads = getattr(config, "num_key_value_heads", None) or heads
        cached = 2 * int(config.num_hidden_layers) * key_heads * head_size(config) * item_bytes
        feed_forward = getattr(config, "intermediate_size", None)
        inner = (
            max(feed_forward)
            if isinstance(feed_forward, list | tuple)
            else feed_forward or 4 * hidden
        )
        return cls(
            cached,
            cached + (6 * hidden + 3 * int(inner)) * item_bytes,
            LOGIT_BYTES * int(config.vocab_size),
        )

    def rows_that_fit(
        self, memory: float, prompts: int, prompt_tokens: int, new_tokens: int, places: int
    ) -> int:
        """Rows that share ``prompts`` prefilled prompts, all padded to ``prompt_tokens``. At least 1: a single row is always tried.

        ``places``: how many places of a row have their logits in memory at once.
        """
        left = memory - prompts * prompt_tokens * (
            self.prefill_token + 2 * prompt_tokens
        )  # a mask of two bytes for each pair of tokens
        row = (prompt_tokens + new_tokens) * self.cached_token + places * self.logits
        return max(1, int(left // row))


def memory_left(torch: Any, device: Any) -> float:
    """Bytes that a batch may take: of a GPU a share of what is free, else a fixed amount."""
    if device.type != "cuda":
        return float(CPU_BYTES)
    free, _ = torch.cuda.mem_get_info(device)
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return GPU_SHARE * float(free + reserved)


def attention_heads(config: Any) -> int:
    """Query heads; 0 for a model without attention."""
    return int(getattr(config, "num_attention_heads", None) or 0)


def head_size(config: Any) -> int:
    """Numbers of a head's query; 0 for a model without attention."""
    heads = attention_heads(config)
    return int(getattr(config, "head_dim", None) or config.hidden_size // heads) if heads else 0


def is_shortage(torch: Any, error: RuntimeError) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    return (
        isinstance(error, torch.cuda.OutOfMemoryError)
        or "not enough memory" in str(error)
        or "can't allocate memory" in str(error)
    )
